"""Near-duplicates from files: the verdicts of one pass in memory, whatever the limit and the batches."""

import errno
import itertools
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_shingles import Shingler, jaccard

from herdbook.curation.dedup import Config, NearDuplicateStore, near_duplicates
from herdbook.curation.dedup.flat import Scratch
from herdbook.curation.dedup.recall import true_pairs
from herdbook.curation.dedup.selection import Part, select
from herdbook.curation.dedup.shingle_kernel import shingles
from herdbook.curation.dedup.signature import band_keys, sign
from herdbook.curation.dedup.verified import select_gathered
from herdbook.curation.heuristics.words import texts_of
from herdbook.errors import ArtifactError, ConfigError, DiskFullError, InputError

WHOLE = ("kept_instead", "similarity", "cluster")


def corpus(seed, families=60, largest=40):
    """Families of texts, some large, that differ in more and more words; boilerplate joins families by bands."""
    rng = np.random.default_rng(seed)
    menu = [f"menu{i}" for i in range(60)]
    texts = ["", "one", "one", "two words", "... !"]
    for _ in range(families):
        original = [f"w{i}" for i in rng.integers(0, 300, int(rng.integers(8, 150)))]
        if rng.random() < 0.4:
            original = menu + original[: len(original) // 2]
        for _ in range(int(rng.integers(1, rng.choice([2, 3, largest])))):
            changed = list(original)
            for place in rng.choice(len(changed), int(rng.integers(0, 1 + len(changed) // 12)), replace=False):
                changed[place] = f"x{rng.integers(0, 10**9)}"
            texts.append(" ".join(changed))
    return [texts[i] for i in rng.permutation(len(texts))]


def one_pass(texts, config, order=None, n_new=None):
    """The twin: tables of the kept documents' bands over everything at once, no components, no batches."""
    found = shingles(texts_of(texts), config.words)
    signature = sign(found, config.bands * config.rows, config.seed)
    taken = np.arange(len(texts)) if order is None else np.asarray(order)
    n_new = len(texts) if n_new is None else n_new
    taken = np.concatenate([np.arange(n_new, len(texts)), taken]).astype(np.int64)
    keys = band_keys(signature, config.bands, config.rows)
    scratch = Scratch(None, None)
    return select_gathered(found.values_S.copy(), found.offsets_N1, signature, keys, taken, n_new, config, scratch)


def same(found, wanted, n=None):
    for name in WHOLE:
        assert getattr(found, name).tolist() == getattr(wanted, name)[:n].tolist(), name
    assert (found.n_candidates, found.n_compared) == (wanted.n_candidates, wanted.n_compared)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("batch, limit", [(1000, None), (37, 1 << 20), (1, 2 << 20)])
def test_equals_one_pass_in_memory(tmp_path, seed, batch, limit):
    texts = corpus(seed)
    order = np.random.default_rng(seed).permutation(len(texts))
    wanted = one_pass(texts, Config(), order)
    assert 50 < (~wanted.kept).sum() < len(texts) - 50
    with NearDuplicateStore(tmp_path / "store", memory_limit_bytes=limit) as store:
        for start in range(0, len(texts), batch):
            store.add(texts[start : start + batch])
        assert store.n_documents == len(texts)
        same(store.select(order), wanted)
        same(store.select(order), wanted)
    same(near_duplicates(texts, order=order), wanted)
    assert not list((tmp_path / "store").glob("**/*.scratch"))


@pytest.mark.parametrize("limit", [1, 5_000, 60_000, 400_000, None])
def test_any_limit_gives_the_same_verdicts(tmp_path, limit):
    """Down to mapped tables for one family that is larger than the limit."""
    texts = corpus(5, largest=120)
    config = Config(bands=10, rows=3, words=3, threshold=0.7)
    found = shingles(texts_of(texts), config.words)
    part = Part(found.values_S, found.offsets_N1, sign(found, 30, 0))
    got = select([part], len(texts), config, memory_limit_bytes=limit, folder=tmp_path / "scratch")
    same(got, one_pass(texts, config))


@given(st.integers(0, 10**6), st.integers(1, 200_000), st.integers(1, 4), st.integers(0, 20))
def test_random_corpora_limits_and_orders(tmp_path_factory, seed, limit, rows, left_out):
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 6, (60, 6))
    texts = [" ".join(map(str, row[: rng.integers(0, 7)])) for row in words]
    order = rng.permutation(len(texts))[left_out:]
    config = Config(words=2, bands=4, rows=rows, threshold=0.5)
    found = shingles(texts_of(texts), config.words)
    part = Part(found.values_S, found.offsets_N1, sign(found, 4 * rows, 0))
    got = select([part], 60, config, order, memory_limit_bytes=limit, folder=tmp_path_factory.mktemp("scratch"))
    same(got, one_pass(texts, config, order))


def test_a_process_that_dies_while_it_adds_leaves_whole_documents(tmp_path):
    texts = corpus(1)
    with NearDuplicateStore(tmp_path / "store") as store:
        store.add(texts)
        wanted = store.select()
    sizes = {path: path.stat().st_size for path in (tmp_path / "store").iterdir()}
    for torn in ("values.u64", "signatures.u32", "offsets.i64"):
        for lost in (1, 9, 3001):
            path = tmp_path / "store" / torn
            with open(path, "r+b") as file:
                file.truncate(sizes[path] - lost)
            with NearDuplicateStore(tmp_path / "store") as store:
                assert 0 < store.n_documents < len(texts)
                store.add(texts[store.n_documents :])
                assert {path: path.stat().st_size for path in sizes} == sizes
                same(store.select(), wanted)


ENDLESS = """
import sys
from herdbook.curation.dedup import NearDuplicateStore

with NearDuplicateStore(sys.argv[1]) as store:
    while True:
        n = store.n_documents
        store.add([f"document {i // 2} " * 3 + "of a process that is killed" for i in range(n, n + 40)])
        print(store.n_documents, flush=True)
"""


def test_kill_9_while_documents_are_added(tmp_path):
    command = [sys.executable, "-c", ENDLESS, str(tmp_path / "store")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        said = max(map(int, itertools.islice(child.stdout, 25)))
        child.kill()
    with NearDuplicateStore(tmp_path / "store") as store:
        n = store.n_documents
        assert n >= said >= 1000
        texts = [f"document {i // 2} " * 3 + "of a process that is killed" for i in range(n)]
        same(store.select(), one_pass(texts, Config()))


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with NearDuplicateStore(tmp_path / "store", memory_limit_bytes=1 << 20) as store:
        store.add([f"{i} b c d e" for i in range(2000)])
        with pytest.raises(DiskFullError):
            store.select()


def test_old_documents_stay_and_name_themselves(tmp_path):
    texts = corpus(2)
    half = len(texts) // 2
    with NearDuplicateStore(tmp_path / "first") as first:
        first.add(texts[:half])
        old = np.flatnonzero(first.select().kept)
        first.index(tmp_path / "one", [f"old-{i}" for i in range(half)])
    new = texts[half:]
    wanted = one_pass(new + [texts[i] for i in old], Config(), np.arange(len(new))[::-1], len(new))
    removed_by_old = 0
    for limit in (None, 1 << 20):
        with NearDuplicateStore(tmp_path / f"second-{limit}", memory_limit_bytes=limit) as second:
            second.add(new)
            found = second.select(np.arange(len(new))[::-1], against=[tmp_path / "one"])
            same(found, wanted, len(new))
            for i, name in enumerate(found.kept_instead_old.to_pylist()):
                twin = int(found.kept_instead[i])
                assert name == (f"old-{old[twin - len(new)]}" if twin >= len(new) else None)
                removed_by_old += name is not None
            # a third run against both indexes, whose documents are one after the other
            second.index(tmp_path / f"two-{limit}", pa.array([f"new-{i}" for i in range(len(new))]))
            both = [tmp_path / "one", tmp_path / f"two-{limit}"]
        with NearDuplicateStore(tmp_path / f"third-{limit}", memory_limit_bytes=limit) as third:
            third.add(texts)
            again = third.select(against=both)
            empty = [not len(set(text) - set(" .!")) for text in texts]
            assert again.kept.tolist() == empty
            assert {str(name)[:4] for name in again.kept_instead_old.to_pylist()} == {"old-", "new-", "None"}
    assert removed_by_old > 20


def test_documents_of_different_groups_are_never_compared(tmp_path):
    texts = corpus(3)
    groups = [["en", "ko", None][i % 3] for i in range(len(texts))]
    with NearDuplicateStore(tmp_path / "store") as store:
        store.add(texts)
        found = store.select(groups=groups)
        recall = store.measured_recall()
        store.index(tmp_path / "index")
    pairs = 0
    for group in ("en", "ko", None):
        places = np.array([i for i, name in enumerate(groups) if name == group])
        alone = near_duplicates([texts[i] for i in places])
        twins = np.where(alone.kept_instead < 0, -1, places[alone.kept_instead])
        assert found.kept_instead[places].tolist() == twins.tolist()
        assert found.cluster[places].tolist() == places[alone.cluster].tolist()
        pairs += alone.n_compared
    assert found.n_compared == pairs
    assert recall.n_true_pairs > 30
    assert recall.recall is not None
    assert recall.recall >= 0.99
    with NearDuplicateStore(tmp_path / "other") as other:
        other.add(texts)
        gone = ~other.select(groups=["en"] * len(texts), against=[tmp_path / "index"]).kept
        english = {texts[i] for i, name in enumerate(groups) if name == "en"}
        assert all(gone[i] for i, text in enumerate(texts) if text in english and text.strip(" .!"))
        with pytest.raises(ConfigError):
            other.select(groups=["en"])


def test_documents_outside_the_order_take_no_part(tmp_path):
    texts = ["one two three four five six seven eight"] * 4
    with NearDuplicateStore(tmp_path / "store") as store:
        store.add(texts)
        found = store.select([3, 1])
        assert found.kept_instead.tolist() == [-1, 3, -1, -1]
        store.index(tmp_path / "index", ["a", "b", "c", "d"])
        for bad in ([4], [-1], [1, 1]):
            with pytest.raises(ConfigError):
                store.select(bad)
    with NearDuplicateStore(tmp_path / "next") as store:
        store.add(texts[:1])
        assert store.select(against=[tmp_path / "index"]).kept_instead_old.to_pylist() == ["d"]


def test_none_and_one_document_and_texts_without_words(tmp_path):
    with NearDuplicateStore(tmp_path / "store") as store:
        store.add([])
        assert store.select().kept.tolist() == []
        assert store.measured_recall().recall is None
        store.index(tmp_path / "empty")
        store.add(["word"])
        assert store.select(against=[tmp_path / "empty"]).kept.tolist() == [True]
        store.add(["", "WORD!", "..."])
        assert store.select().kept_instead.tolist() == [-1, -1, 0, -1]
    with NearDuplicateStore(tmp_path / "blank") as store:
        store.add(["", ""])
        assert store.select().kept.all()


def test_recall_counts_pairs_that_both_stayed(tmp_path):
    texts = ["a b c d e f g h", "a b c d e f g h", "i j k l m n o p"]
    with NearDuplicateStore(tmp_path / "store") as store:
        with pytest.raises(ConfigError):
            store.measured_recall()
        store.add(texts)
        store.select()
        found = store.measured_recall()
        assert (found.recall, found.n_true_pairs, found.n_documents) == (1.0, 1, 3)
        store.select(groups=["x", "y", "x"])
        assert store.measured_recall().n_true_pairs == 0
        assert store.measured_recall(sample=2).n_documents == 2


def test_the_exact_join_finds_every_pair():
    """Against all pairs one by one, with the plain shingles of `slow_shingles.py`."""
    texts = corpus(7, families=25, largest=8)
    found = shingles(texts_of(texts), 5)
    part = Part(found.values_S, found.offsets_N1, np.empty((len(texts), 0), np.uint32))
    rows = np.arange(3, len(texts))
    groups = (rows % 2).astype(np.int32)
    slow = Shingler(5).sets(texts)
    for threshold in (0.3, 0.8, 1.0):
        wanted = {
            (i - 3, j - 3)
            for i, j in itertools.combinations(rows.tolist(), 2)
            if jaccard(slow.of(i), slow.of(j)) >= threshold
        }
        assert len(wanted) > 2
        assert set(map(tuple, true_pairs(part, rows, threshold).tolist())) == wanted
        apart = set(map(tuple, true_pairs(part, rows, threshold, groups).tolist()))
        assert apart == {(i, j) for i, j in wanted if (i - j) % 2 == 0}


def test_what_does_not_fit_is_refused(tmp_path):
    with NearDuplicateStore(tmp_path / "store") as store:
        store.add(["a b c d e f"])
        with pytest.raises(ConfigError):
            store.index(tmp_path / "index")
        store.select()
        store.index(tmp_path / "index")
        with pytest.raises(InputError):
            store.index(tmp_path / "index")
        with pytest.raises(ConfigError):
            store.index(tmp_path / "other", ids=["a", "b"])
    with pytest.raises(ConfigError, match="words = 5"):
        NearDuplicateStore(tmp_path / "store", Config(words=4))
    with NearDuplicateStore(tmp_path / "store", Config(threshold=0.5)) as store:
        assert store.n_documents == 1
        with pytest.raises(InputError):
            store.select(against=[tmp_path / "nowhere"])
    with NearDuplicateStore(tmp_path / "seeded", Config(seed=1)) as store, pytest.raises(ConfigError, match="seed"):
        store.select(against=[tmp_path / "index"])
    with NearDuplicateStore(tmp_path / "store") as store:
        described = json.loads((tmp_path / "index" / "index.json").read_text())
        (tmp_path / "index" / "index.json").write_text(json.dumps(described | {"version": 99}))
        with pytest.raises(ArtifactError, match="99"):
            store.select(against=[tmp_path / "index"])
        (tmp_path / "index" / "index.json").write_text(json.dumps(described))
        (tmp_path / "index" / "values.u64").write_bytes(b"12345678")
        with pytest.raises(ArtifactError, match="damaged"):
            store.select(against=[tmp_path / "index"])
    with pytest.raises(ConfigError):
        NearDuplicateStore(tmp_path / "store", memory_limit_bytes=1000)


CHILD = """
import resource, sys
import numpy as np
from herdbook.curation.dedup import NearDuplicateStore

limit = int(sys.argv[2]) or None
rng = np.random.default_rng(0)
with NearDuplicateStore(sys.argv[1], memory_limit_bytes=limit) as store:
    store.add(["a b c d e f", "a b c d e f"])
    store.select()  # kernels are loaded
    for _ in range(40):
        numbers = rng.integers(0, 10**6, (2500, 50))
        numbers[:, 0] = rng.integers(0, 3, 2500)
        numbers[::2, 1:] = numbers[0, 1:]  # large families
        store.add([" ".join(map(str, row)) for row in numbers.tolist()])
    with open("/proc/self/status") as status:
        data = next(int(line.split()[1]) for line in status if line.startswith("VmData")) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (data + (60 << 20), resource.RLIM_INFINITY))
    try:
        print((~store.select().kept).sum())
    except MemoryError:
        print("memory ran out")
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit on private memory is Linux's")
def test_memory_stays_within_the_limit(tmp_path):
    """100,000 documents need over 80 MB in memory; 60 MB are allowed, of which the store is told to use 16 (and 7 go
    for 70 bytes a document). Mapped files are no memory of the process."""

    def child(limit):
        command = [sys.executable, "-c", CHILD, str(tmp_path / str(limit)), str(limit)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert child(0) == "memory ran out"
    assert int(child(16 << 20)) > 40_000
