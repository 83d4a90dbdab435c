"""Parts of the engine: buckets, bounded reading of signals, checkpoints of another run, messages for what is wrong."""

import json
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from herdbook.curation import curate
from herdbook.curation.dedup.flat import FileRows, FlatFile
from herdbook.curation.dedup.line_files import LineFiles
from herdbook.curation.dedup.line_store import LineStore
from herdbook.curation.dedup.lines import Config, hashed_lines
from herdbook.curation.dedup.store import signed
from herdbook.curation.dedup.verified import Config as MinHash
from herdbook.curation.documents import schema
from herdbook.curation.engine.against import indexes
from herdbook.curation.engine.bucket import InFile, InMemory
from herdbook.curation.engine.ledger import Ledger
from herdbook.curation.engine.measured import MeasuredUnits
from herdbook.curation.engine.noise_quality import histogram
from herdbook.curation.engine.schedule import Cluster, results
from herdbook.curation.engine.shingled import Shingled
from herdbook.curation.engine.texts import Texts
from herdbook.curation.engine.threads import behind, in_order, together
from herdbook.curation.engine.unit_file import UnitWriter
from herdbook.curation.engine.write import shard_of, write_shards
from herdbook.curation.heldout import sets_of
from herdbook.curation.steps import classifiers
from herdbook.errors import ArtifactError, ConfigError, InputError, OutOfMemory, translate
from herdbook.storage import manifest

SKIP = ("quality", "held_out")


def unit(folder: Path, texts: list[str], group: int) -> Path:
    """A measured unit in batches of `group` documents."""
    folder.mkdir(parents=True)
    n = len(texts)
    columns = {field.name: pa.array([""] * n, pa.string()).cast(field.type) for field in schema()}
    columns |= {"text": pa.array(texts), "id": pa.array([f"{folder.name}-{i}" for i in range(n)])}
    table = pa.table(columns, schema=schema()).append_column("number", pa.array(range(n)))
    with UnitWriter(folder / "documents.arrow", table.schema) as writer:
        for start in range(0, n, group):
            writer.write(table.slice(start, group))
    lines = LineFiles(folder)
    for start in range(0, n, 5):
        lines.append(hashed_lines(texts[start : start + 5]))
    lines.close()
    return folder


@pytest.fixture
def units(tmp_path: Path) -> MeasuredUnits:
    texts = [f"text {i} " * (1 + i % 7) for i in range(100)]
    return MeasuredUnits([unit(tmp_path / "a", texts[:60], 7), unit(tmp_path / "b", texts[60:], 11)], threads=2)


@pytest.mark.parametrize("bucket_bytes", [1, 900, 1 << 30])
def test_shards_hold_the_entries_in_order(units: MeasuredUnits, tmp_path: Path, bucket_bytes: int) -> None:
    """However few entries are held in memory at once; some documents stand in several shards, some nowhere."""
    rng = np.random.Generator(np.random.PCG64(3))
    places = rng.integers(0, 90, 150)
    texts = {place: row["text"] for place, row in units.rows(range(100)).items()}
    sizes = np.array([len(texts[place]) for place in places.tolist()])
    n = write_shards(
        units, places, sizes, lambda _, table: table, tmp_path / "out", tmp_path / "aside", 300, bucket_bytes,
        lambda table: None,
    )  # fmt: skip
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert len(files) == n == int(shard_of(sizes, 300)[-1]) + 1 > 5
    written = [text for file in files for text in pq.read_table(file)["text"].to_pylist()]
    assert written == [texts[place] for place in places.tolist()]
    assert not (tmp_path / "aside").exists()


def test_signals_are_read_a_bounded_number_at_a_time(units: MeasuredUnits) -> None:
    parts = list(units.signals(units.units[1], max_rows=20))
    assert [(start, table.num_rows) for start, table in parts] == [(60, 22), (82, 18)]
    assert pa.concat_tables([table for _, table in parts])["number"].to_pylist() == list(range(40))
    assert "text" not in parts[0][1].column_names


def test_texts_without_frequent_lines_are_left_as_they_are(tmp_path: Path) -> None:
    """Only counted documents lose lines; what is left of them is known without their texts; threads change nothing."""
    rows = [f"menu\nline {i}\n" if i % 3 else f"only {i}\n" for i in range(58)] + ["menu\n\u3000\n \n", "Menu \n\x01"]
    units = MeasuredUnits([unit(tmp_path / "a", rows[:31], 7), unit(tmp_path / "b", rows[31:], 4)])
    texts = Texts(units)
    keep = np.ones(60, dtype=bool)
    counted = np.arange(60) % 5 > 0
    counted[55:] = True
    with LineStore(tmp_path / "lines", Config(bucket_documents=25)) as store:
        for where, batch in texts(counted):
            assert len(where) == len(batch)
            store.add(batch)
        places, sizes, blank, n_lines = texts.leave_out_lines(store, counted)
        found = [text for _, batch in texts(keep) for text in batch.to_pylist()]
        units.threads = 3
        assert found == [text for _, batch in texts(keep) for text in batch.to_pylist()]
    assert found[:7] == ["only 0\n", "line 1\n", "line 2\n", "only 3\n", "line 4\n", "menu\nline 5\n", "only 6\n"]
    changed = [i for i in range(60) if found[i] != rows[i]]
    assert places.tolist() == changed and len(changed) == n_lines > 30
    assert sizes.tolist() == [len(found[i].encode()) for i in changed]
    assert blank.tolist() == [not found[i].strip() for i in changed]
    assert [found[58], found[59]] == ["\u3000\n \n", "\x01"] and blank.tolist()[-2:] == [True, False]


def test_a_unit_without_its_lines_is_said(tmp_path: Path) -> None:
    folder = unit(tmp_path / "a", ["one\n", "two\n"], 7)
    (folder / "line_keys.u64").write_bytes(b"")
    units = MeasuredUnits([folder])
    with pytest.raises(ArtifactError, match="lines of 0 documents"):
        units.lines(units.units[0])


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_keep_the_order_and_hold_a_few_results(threads: int) -> None:
    begun: list[int] = []

    def work(i: int) -> int:
        begun.append(i)
        time.sleep(0.002 * (i % 3))
        if i == 30:
            raise ValueError("thirty")
        return i * i

    found = in_order(work, range(100), threads)
    for taken in range(30):
        assert next(found) == taken**2
        assert len(begun) <= taken + threads + 1
    with pytest.raises(ValueError, match="thirty"):
        next(found)


def test_shingles_are_gone_on_with(tmp_path: Path) -> None:
    """A store that was left half full, in the middle of a batch, holds the same in the end as one that was not."""
    texts = Texts(MeasuredUnits([unit(tmp_path / "a", [f"words {i} of a text {i * 7} here" for i in range(50)], 9)], 2))
    mask = np.arange(50) % 4 > 0
    whole = Shingled(tmp_path / "whole", MinHash(), mask, 1 << 24)
    whole.complete(texts)
    half = Shingled(tmp_path / "half", MinHash(), mask, 1 << 24)
    half.store.append(signed([text for _, batch in texts(mask) for text in batch.to_pylist()][:11], MinHash()))
    half.close()
    again = Shingled(tmp_path / "half", MinHash(), mask, 1 << 24)
    assert again.store.n_documents == 11
    again.complete(texts)
    for name in ("values.u64", "offsets.i64", "signatures.u32"):
        assert (tmp_path / "half" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    (places, batch), *_ = texts(mask)
    assert [one.tolist() for one in again.sets(places)] == [one.tolist() for one in sets_of(batch, MinHash().words)]


def test_histogram() -> None:
    values = [0.0, 0.0999, 0.1, 0.95, 1.0]
    assert histogram(np.array(values)) == [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert histogram(np.empty(0)) == [0] * 10


def payload(path: Path) -> dict[str, str]:
    return {name: entry["sha256"] for name, entry in manifest(path).items()}


def test_the_checkpoints_of_another_run_are_not_taken_up(tmp_path: Path, made_up: SimpleNamespace) -> None:
    """Two corpora, one after the other, into one folder: the second is as if the first had never been."""
    rng = random.Random(2)
    first = [made_up.prose(rng) for _ in range(12)]
    second = [made_up.prose(rng) for _ in range(4)]
    for name, texts in (("first", [*first, *first[:5]]), ("second", [*second, second[1]])):
        (tmp_path / name).mkdir()
        rows = [{"id": f"d{i}", "text": text} for i, text in enumerate(texts)]
        (tmp_path / name / "text.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"skip": SKIP, "shard_megabytes": 0.002}
    curate(path=[str(tmp_path / "first")], out=tmp_path / "one", **settings)
    found = curate(path=[str(tmp_path / "second")], out=tmp_path / "one", **settings)
    alone = curate(path=[str(tmp_path / "second")], out=tmp_path / "two", **settings)
    assert found["n_documents"] == alone["n_documents"] == 4
    assert payload(tmp_path / "one") == payload(tmp_path / "two")


def test_recall_is_measured_by_a_run_that_was_killed_before_it_was(tmp_path: Path, made_up: SimpleNamespace) -> None:
    """The near-duplicates were judged; of their recall nothing is known yet."""
    rng = random.Random(4)
    texts = [made_up.prose(rng) for _ in range(20)]
    rows = [{"id": f"d{i}", "text": text} for i, text in enumerate([*texts, *(text + " again" for text in texts[:8])])]
    (tmp_path / "text.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"path": [str(tmp_path / "text.jsonl")], "skip": SKIP, "minhash": {"threshold": 0.7}}
    whole = curate(out=tmp_path / "corpus", **settings)
    assert whole["dedup_recall"] == 1.0
    before = payload(tmp_path / "corpus")
    found = tmp_path / "corpus.checkpoints" / "global"
    assert (found / "near_duplicates.json").exists()
    for suffix in ("json", "parquet"):
        (found / f"near_recall.{suffix}").unlink()
    assert curate(out=tmp_path / "corpus", **settings)["dedup_recall"] == 1.0
    assert payload(tmp_path / "corpus") == before


def test_an_address_where_nothing_listens() -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'herdbook[cluster]'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"  # bound, but not listening
        for given in (address, f"ray://{address}"):
            with pytest.raises(ConfigError, match="no Ray cluster at"):
                list(results("measure", [{}], Cluster("ray", given)))


def test_a_damaged_or_missing_index(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no index"):
        indexes([tmp_path])
    (tmp_path / "index").mkdir()
    with pytest.raises(ArtifactError, match=r"keys\.parquet"):
        indexes([tmp_path])
    (tmp_path / "index" / "keys.parquet").write_bytes(b"PAR1 no more PAR1")
    with pytest.raises(ArtifactError, match=r"keys\.parquet"):
        indexes([tmp_path])
    pq.write_table(pa.table({"id": ["a"], "exact_key": [b"x"], "url_key": [b"y"]}), tmp_path / "index" / "keys.parquet")
    assert indexes([tmp_path]) == [tmp_path / "index"]


def test_models_of_quality_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.json"):
        classifiers.contents_of([str(tmp_path)])
    from herdbook.curation.quality import hashed_ngrams
    from herdbook.curation.quality.calibration import Calibration
    from herdbook.curation.quality.linear_head import LinearHead
    from herdbook.curation.quality.quality_model import QualityModel

    width = hashed_ngrams.embed(["some words"]).shape[1]
    found = []
    for bias in (0.0, 1.0):
        folder = tmp_path / f"model{bias}"
        folder.mkdir()
        head = LinearHead(np.zeros(width), bias, np.zeros(width), np.ones(width))
        QualityModel("judged", head, Calibration((0.0, 1.0), (0.0, 1.0)), 0.5).save(folder)
        found.append(classifiers.contents_of([str(folder)]))
    assert found[0] != found[1]
    shutil.copytree(tmp_path / "model0.0", tmp_path / "copy")
    assert classifiers.contents_of([str(tmp_path / "copy")]) == found[0]
    with pytest.raises(ConfigError, match="two models"):
        classifiers.contents_of([str(tmp_path / "copy"), str(tmp_path / "model1.0")])


def test_duckdb_without_memory_is_memory_that_ran_out() -> None:
    import duckdb

    db = duckdb.connect(":memory:")
    db.execute("SET memory_limit = '1MB'")
    with pytest.raises(duckdb.OutOfMemoryException) as caught:
        db.execute("CREATE TABLE t AS SELECT range AS a, md5(range::VARCHAR) AS b FROM range(1000000)")
    assert isinstance(translate(caught.value), OutOfMemory)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_work_behind_is_done_in_order_while_the_next_item_is_made(threads: int) -> None:
    seen: list[int] = []
    busy = threading.Lock()
    ahead: list[int] = []

    def work(item: int) -> None:
        assert busy.acquire(blocking=False)  # one at a time
        time.sleep(0.002)
        seen.append(item)
        busy.release()

    def items() -> Iterator[int]:
        for i in range(20):
            ahead.append(i - len(seen))
            yield i

    behind(work, items(), threads)
    assert seen == list(range(20))
    assert max(ahead) == (0 if threads == 1 else 1)

    def fail(item: int) -> None:
        seen.append(item)
        raise ValueError("no")

    seen.clear()
    with pytest.raises(ValueError, match="no"):
        behind(fail, iter(range(20)), threads)
    assert seen == [0]
    behind(fail, iter(()), threads)


def test_together_runs_at_once_and_gives_results_in_order() -> None:
    """Each of two works waits for the other: one after the other they would never end."""
    meeting = threading.Barrier(2)

    def work(number: int) -> int:
        meeting.wait(timeout=30)
        return number

    assert together(2, lambda: work(0), lambda: work(1)) == [0, 1]


def test_together_with_one_thread_is_one_after_the_other() -> None:
    here, seen = threading.get_ident(), list[int]()
    assert together(1, lambda: seen.append(1), lambda: seen.append(2), threading.get_ident) == [None, None, here]
    assert seen == [1, 2]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_of_works_that_run_together_is_raised(threads: int) -> None:
    def fail() -> None:
        raise ConfigError("no", key="key")

    with pytest.raises(ConfigError):
        together(threads, fail, lambda: None)


def test_threads_ask_the_ledger_one_at_a_time() -> None:
    """Each gets the rows of its own question, and sees its own table under the name that all of them use."""
    with Ledger(None, 1 << 28, 2) as book:
        book.add(pa.table({"place": range(1000), "id": [f"document-{i}" for i in range(1000)]}))

        def ask(first: int) -> bool:
            places = np.arange(first, first + 50)
            return book.ids(places) == [f"document-{i}" for i in places] and book.ask("SELECT ?", [first]) == [(first,)]

        assert all(in_order(ask, list(range(0, 900, 10)) * 3, 4))


def test_shingles_are_completed_in_parts(units: MeasuredUnits, tmp_path: Path) -> None:
    """Stopped after each batch and gone on with, they are those of one go."""
    keep, texts = np.ones(units.n_documents, dtype=bool), Texts(units)
    whole, parts = (Shingled(tmp_path / name, MinHash(), keep, 1 << 24) for name in ("whole", "parts"))
    whole.complete(texts)
    for _ in range(50):
        parts.complete(texts, stop=lambda: True)
    assert 0 < parts.store.n_documents == whole.store.n_documents == units.n_documents
    assert np.array_equal(parts.shingles.values_S, whole.shingles.values_S)
    assert np.array_equal(parts.shingles.offsets_N1, whole.shingles.offsets_N1)


def test_a_bucket_in_its_file_gives_what_it_gives_in_memory(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    table = pa.table({"text": [f"text {i} " * (i % 5) for i in range(200)], "place": np.arange(0, 600, 3)})
    with UnitWriter(tmp_path / "bucket.arrow", table.schema) as writer:
        for start in (0, 7, 90):
            writer.write(table.slice(start, {0: 7, 7: 83, 90: 110}[start]))
    buckets = [InMemory([table]), InFile(tmp_path / "bucket.arrow"), InFile.load(tmp_path / "bucket.arrow")]
    for rows in (rng.integers(0, 200, 300), np.array([199, 0]), np.empty(0, np.int64)):
        wanted = table.select(["text"]).take(rows)
        assert all(bucket.take(rows).equals(wanted) for bucket in buckets)
    assert all(np.array_equal(bucket.places, np.arange(0, 600, 3)) for bucket in buckets)


def test_rows_of_a_file_are_those_that_were_written(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    wanted = rng.normal(size=(300, 7)).astype(np.float32)
    file = FlatFile(tmp_path / "rows.f32", np.float32, 7)
    file.append(wanted[:100])
    file.append(wanted[100:])
    file.close()
    found = FileRows(tmp_path / "rows.f32", np.float32, 7)
    assert found.shape == wanted.shape and len(found) == 300
    for rows in (np.arange(300), np.arange(20, 90), rng.integers(0, 300, 500), np.array([299]), np.empty(0, np.int64)):
        assert np.array_equal(found[rows], wanted[rows])
    with pytest.raises(OSError, match="ends before byte"):
        found[np.array([300])]
    found.close()
