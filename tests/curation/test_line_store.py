"""Counts of lines with a disk behind them: what `LineCounts` says, bucket by bucket."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from herdbook.curation.dedup.line_store import LineStore
from herdbook.curation.dedup.lines import Config, LineCounts
from herdbook.errors import ArtifactError, ConfigError


def wanted(texts, config):
    """Every bucket for itself, in memory."""
    shorter, dropped = [], []
    for start in range(0, len(texts), config.bucket_documents):
        bucket = texts[start : start + config.bucket_documents]
        counts = LineCounts(config.min_characters)
        counts.add(bucket)
        found, n = counts.without_frequent_lines(bucket, config)
        shorter += found.to_pylist()
        dropped += n.tolist()
    return shorter, dropped


def read(store, texts, batch):
    shorter, dropped = [], []
    for start in range(0, len(texts), batch):
        found, n = store.without_frequent_lines(texts[start : start + batch], start)
        shorter += found.to_pylist()
        dropped += n.tolist()
    return shorter, dropped


def many_lines(seed=0, n=1500):
    rng = np.random.default_rng(seed)
    return ["\n".join(f"line {i}" for i in rng.zipf(1.2, 300) % 200_000) for _ in range(n)]


@pytest.mark.parametrize("bucket", [10**6, 1500, 700, 1])
@pytest.mark.parametrize("limit", [None, 1 << 20])
def test_equals_counting_in_memory(tmp_path, bucket, limit):
    texts = many_lines(n=1500 if bucket > 1 else 3)
    config = Config(bucket_documents=bucket, max_occurrences=3, min_characters=7)
    with LineStore(tmp_path, config, limit) as store:
        for start in range(0, len(texts), 71):
            store.add(texts[start : start + 71])
        assert store.n_documents == len(texts)
        spilt = bool(list(tmp_path.glob("*.rows")))
        assert spilt == ((limit is not None and bucket > 1) or bucket <= 1500)
        found = read(store, texts, 533)
    assert found == wanted(texts, config)
    assert sum(found[1]) > (10_000 if bucket > 1 else 0)
    with LineStore(tmp_path, Config(bucket_documents=bucket, max_occurrences=9, min_characters=7), limit) as store:
        assert read(store, texts, 200) == wanted(texts, store.config)


@given(st.lists(st.lists(st.sampled_from(["menu", " Menu", "é", "", "x\r", "y"]), max_size=8).map("\n".join)))
def test_small_buckets_and_any_lines(tmp_path_factory, texts):
    config = Config(bucket_documents=3, max_occurrences=1, min_characters=2)
    with LineStore(tmp_path_factory.mktemp("lines"), config) as store:
        store.add(texts)
        assert read(store, texts, 2) == wanted(texts, config)


def test_goes_on_where_a_killed_process_had_written_last(tmp_path):
    texts = many_lines(1, 600)
    config = Config(max_occurrences=2)
    store = LineStore(tmp_path, config)
    store.add(texts[:250])
    store.close()
    store.add(texts[250:400])  # counted in memory when the process dies
    del store
    part = next(tmp_path.glob("*.rows"))
    with open(part, "ab") as file:
        file.write(b"half a row")
    (tmp_path / "bucket-00007-00.rows").write_bytes(b"never recorded")
    with LineStore(tmp_path, config) as store:
        assert store.n_documents == 250
        store.add(texts[250:])
        assert read(store, texts, 100) == wanted(texts, config)
        with pytest.raises(ConfigError):
            store.without_frequent_lines(["x"], 600)
    with pytest.raises(ConfigError, match="bucket_documents"):
        LineStore(tmp_path, Config(bucket_documents=5))
    described = json.loads((tmp_path / "lines.json").read_text())
    (tmp_path / "lines.json").write_text(json.dumps(described | {"version": 0}))
    with pytest.raises(ArtifactError):
        LineStore(tmp_path, config)


def test_nothing_was_added(tmp_path):
    with LineStore(tmp_path) as store:
        store.add([])
        found, dropped = store.without_frequent_lines([])
        assert (found.to_pylist(), dropped.tolist()) == ([], [])


def test_length_is_counted_in_characters(tmp_path):
    texts = ["가나다\n한국"] * 3
    with LineStore(tmp_path, Config(max_occurrences=1, min_characters=3)) as store:
        store.add(texts)
        assert store.without_frequent_lines(texts)[0].to_pylist() == ["한국"] * 3


@pytest.mark.parametrize(("bucket", "limit"), [(2000, None), (400, None), (2000, 1 << 20)])
def test_a_finished_store_knows_its_frequent_lines(tmp_path, bucket, limit):
    """Counts that no document follows are let go: of one bucket in memory, of several, of one that was written out."""
    texts, config = many_lines(3), Config(bucket_documents=bucket)
    with LineStore(tmp_path / "store", config, limit) as store:
        store.add(texts)
        store.finish()
        assert len(store._counts.rows()[0]) == 0
        assert read(store, texts, 250) == wanted(texts, config)
