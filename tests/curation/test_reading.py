"""Readers: the same documents and ids however the input is cut, and every problem counted where it is."""

import bz2
import gzip
import importlib
import io
import json
import lzma
import os
import tracemalloc

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from herdbook.curation.documents import Document, schema, write_documents
from herdbook.curation.reading import Config, Problems, Source, Unit, plan, read
from herdbook.errors import ConfigError, InputError

MIB = 1 / 1e6
TEXTS = ["One sentence, plain.", "두 번째 문서\n둘째 줄", "third 😀 doc", "x" * 3000, "\u2028 and tabs\t"]


def rows_of(*sources, unit_megabytes=32.0, config=None):
    """(rows, problems, units) of everything that the sources hold, units sent through JSON as to a worker."""
    planned = plan(sources, unit_megabytes)
    problems = Problems()
    problems.merge(planned.skipped)
    tables = []
    for unit in planned.units:
        unit = Unit.from_json(json.loads(json.dumps(unit.to_json())))
        tables += read(unit, config or Config(), problems)
    assert all(table.schema.equals(schema()) for table in tables)
    rows = pa.concat_tables(tables).to_pylist() if tables else []
    return rows, Problems.from_json(json.loads(json.dumps(problems.to_json()))), planned.units


def jsonl(texts, **fields):
    return "".join(json.dumps({"text": text, "n": i, **fields}) + "\n" for i, text in enumerate(texts)).encode()


PACKERS = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".bz2": bz2.compress,
    ".xz": lambda data: lzma.compress(data, preset=0),
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_jsonl_plain_and_compressed_in_several_members(tmp_path, suffix):
    half = [jsonl(TEXTS[:2]), jsonl(TEXTS[2:])]
    (tmp_path / f"a.jsonl{suffix}").write_bytes(b"".join(PACKERS[suffix](part) for part in half))
    rows, problems, _ = rows_of(Source(path=str(tmp_path), name="s", license="MIT"))
    assert [row["text"] for row in rows] == TEXTS
    assert not problems.counts
    assert {(row["source"], row["license"], row["kind"], row["path"]) for row in rows} == {
        ("s", "MIT", "prose", f"a.jsonl{suffix}")
    }
    assert len({row["id"] for row in rows}) == len(TEXTS)
    one = tmp_path / "one"
    one.mkdir()
    (one / f"a.jsonl{suffix}").write_bytes(PACKERS[suffix](b"".join(half)))
    assert rows_of(Source(path=str(one), name="s", license="MIT"))[0] == rows, "members are no boundaries"


def test_fields_of_records(tmp_path):
    record = {
        "content": "text", "hexsha": 17, "metadata": {"url": "http://a/b"}, "timestamp": "2024-01-01", "lang": "ko",
        "license": ["MIT", "BSD"], "text": None,
    }  # fmt: skip
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    source = Source(path=str(tmp_path / "a.jsonl"), text_field="text,content", id_field="hexsha", kind="code")
    (row,), _, _ = rows_of(source)
    assert row == {
        "id": "17", "text": "text", "source": "a.jsonl", "path": "a.jsonl", "license": "MIT, BSD", "url": "http://a/b",
        "date": "2024-01-01", "kind": "code", "language": "ko", "meta": "{}",
    }  # fmt: skip


def mixed_folder(folder):
    """Every format beside each other, with damage in places."""
    texts = [f"Document number {i}. " + "word " * (i % 40) for i in range(200)]
    lines = jsonl(texts[:150]) + b'{"text": 5}\n\n{broken\n\xff\xfe\n{"text": " "}\n[1]\n' + jsonl(texts[150:])
    (folder / "a.jsonl").write_bytes(lines + b'{"text": "no end of line"}')
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    table = pa.table({"text": [*texts, None], "url": [f"http://x/{i}" for i in range(201)], "n": list(range(201))})
    pq.write_table(table, folder / "c.parquet", row_group_size=17)
    (folder / "d").mkdir()
    for i in range(20):
        (folder / "d" / f"{i}.txt").write_text(texts[i])
        (folder / "d" / f"{i}.py").write_text(f"x = {i}\n")
    return folder


@pytest.mark.parametrize("unit_bytes", [100, 1000, 5000, 10_000_000])
def test_the_size_of_units_changes_nothing(tmp_path, unit_bytes):
    source = Source(path=str(mixed_folder(tmp_path)), name="mixed")
    expected, problems, _ = rows_of(source)
    assert len(expected) == 200 + 1 + 200 + 200 + 40
    assert problems.counts == {"no_text": 5, "not_json": 2, "not_utf8": 2, "empty": 2}
    for batch in (4.0, 0.001):
        rows, found, units = rows_of(source, unit_megabytes=unit_bytes * MIB, config=Config(batch_megabytes=batch))
        assert rows == expected
        assert found.counts == problems.counts
        assert sorted(map(str, found.rows)) == sorted(map(str, problems.rows))
    assert len({unit.key for unit in units}) == len(units)
    assert sum(unit.size_bytes for unit in units) >= sum(f.stat().st_size for f in tmp_path.rglob("*.jsonl"))
    if unit_bytes == 1000:
        assert len([u for u in units if u.path.endswith("a.jsonl")]) > 10
        assert len([u for u in units if u.path.endswith("c.parquet")]) > 3


def test_keys_follow_content_time_and_settings(tmp_path):
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "x.jsonl"
    file.write_bytes(jsonl(TEXTS))

    def keys(name="s", **settings):
        return [unit.key for unit in plan([Source(path=str(file.parent), name=name, **settings)], 1e-3).units]

    before = keys()
    assert before == keys()
    assert keys(license="MIT") != before
    assert keys("t") != before
    os.rename(tmp_path / "a", tmp_path / "b")
    file = tmp_path / "b" / "x.jsonl"
    assert keys() == before, "where the folder lies is no part of it"
    os.utime(file, (1, 1))
    assert keys() != before


def test_a_file_that_changed_is_counted_and_not_read(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_bytes(jsonl(TEXTS))
    units = plan([Source(path=str(file))]).units
    file.write_bytes(jsonl(TEXTS[:2]))
    problems = Problems()
    assert not [table for unit in units for table in read(unit, Config(), problems)]
    assert problems.counts == {"changed": 1}
    file.unlink()
    assert not [table for unit in units for table in read(unit, Config(), problems)]
    assert problems.counts == {"changed": 1, "unreadable": 1}


def test_text_of_several_encodings(tmp_path):
    (tmp_path / "bom.txt").write_bytes("\ufeffbom".encode())
    (tmp_path / "latin.txt").write_bytes("caf\xe9".encode("latin-1"))
    (tmp_path / "coding.py").write_bytes("# coding: latin-1\nx = '\xe9'\n".encode("latin-1"))
    (tmp_path / "utf16.txt").write_bytes("sixteen".encode("utf-16"))
    (tmp_path / "picture").write_bytes(b"\x89PNG\0\0\0")
    (tmp_path / "blank.md").write_bytes(b" \n")
    (tmp_path / "nothing.md").write_bytes(b"")
    (tmp_path / "Makefile").write_bytes(b"all:\r\n\techo\r\n")
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(b"packed"))
    (tmp_path / "figures.csv").write_bytes(b"a,b")
    (tmp_path / ".hidden").write_bytes(b"hidden")
    os.symlink("/etc/hostname", tmp_path / "out.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    rows, problems, _ = rows_of(Source(path=str(tmp_path), name="s"))
    assert {row["path"]: (row["text"], row["kind"]) for row in rows} == {
        "bom.txt": ("bom", "prose"), "coding.py": ("# coding: latin-1\nx = 'é'\n", "code"),
        "packed.txt.gz": ("packed", "prose"),
        "utf16.txt": ("sixteen", "prose"), "Makefile": ("all:\n\techo\n", "code"),
    }  # fmt: skip
    assert problems.counts == {
        "not_utf8": 1, "binary": 1, "empty": 2, "other_format": 1, "link": 1, "unreadable": 1,
    }  # fmt: skip


def test_names_that_are_not_utf8(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "w") as file:
        file.write("text")
    (row,), _, (unit,) = rows_of(Source(path=str(tmp_path), name="s"))
    assert row["path"] == "caf\ufffd.txt"
    assert unit.path.endswith("caf\udce9.txt")


def test_json_files_are_lines_or_code_by_their_content(tmp_path):
    (tmp_path / "lines.json").write_bytes(jsonl(TEXTS[:2]))
    (tmp_path / "package.json").write_text('{\n  "name": "x",\n  "text": "no"\n}\n')
    rows, problems, _ = rows_of(Source(path=str(tmp_path), name="s"))
    assert [(row["path"], row["kind"]) for row in rows] == [
        ("lines.json", "prose"), ("lines.json", "prose"), ("package.json", "code"),
    ]  # fmt: skip
    assert not problems.counts


def test_the_folder_of_a_data_set(tmp_path):
    """What Hugging Face's cache looks like: a card, scripts, and tables that are links into `blobs`."""
    blobs, folder = tmp_path / "blobs", tmp_path / "snapshots" / "0123"
    blobs.mkdir()
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.table({"text": ["in the table"]}), blobs / "aa")
    os.symlink("../../../blobs/aa", folder / "data" / "train-0.parquet")
    (folder / "README.md").write_text("---\nlicense: mit\n---\nCard")
    (folder / "load.py").write_text("print()")
    (folder / "dataset_infos.json").write_text("{}")
    rows, problems, _ = rows_of(Source(path=str(folder), name="s"))
    assert [row["text"] for row in rows] == ["in the table"]
    assert problems.counts == {"other_format": 3}


def test_documents_of_herdbook_are_taken_as_they_stand(tmp_path):
    documents = [
        Document("a/1", "text", "src", "p", "MIT", "statement", "http://u", "2024", "en", '{"a": 1}'),
        Document("a/2", "more", "src", "p", "MIT", "code"),
    ]
    write_documents(tmp_path / "documents.parquet", documents)
    rows, _, _ = rows_of(Source(path=str(tmp_path / "documents.parquet"), format="documents"))
    assert [Document(**row) for row in rows] == documents


@pytest.mark.parametrize("type", [pa.string(), pa.large_string(), pa.binary(), pa.string_view()])
def test_parquet_of_others(tmp_path, type):
    nested = pa.array([{"body": text} for text in ("a b", "c")])
    table = pa.table({"doc": nested.cast(pa.struct([("body", type)])), "id": [7, 8], "date": [None, "2020"]})
    pq.write_table(table, tmp_path / "x.parquet")
    rows, problems, _ = rows_of(Source(path=str(tmp_path), name="s", text_field="doc.body"))
    assert [(r["id"], r["text"], r["date"]) for r in rows] == [("7", "a b", None), ("8", "c", "2020")]
    rows, problems, _ = rows_of(Source(path=str(tmp_path), name="s", text_field="nowhere"))
    assert (rows, problems.counts) == ([], {"no_text": 2})


def test_parquet_text_that_is_not_utf8_costs_its_row(tmp_path):
    column = pa.array([b"good", b"\xff\xfe", b"also good"])
    table = pa.table({"text": pa.Array.from_buffers(pa.string(), 3, column.buffers())})
    pq.write_table(table, tmp_path / "x.parquet", use_dictionary=False)
    rows, problems, _ = rows_of(Source(path=str(tmp_path), name="s"))
    assert [row["text"] for row in rows] == ["good", "also good"]
    assert problems.counts == {"not_utf8": 1}
    assert problems.rows[0]["position"] == 1


def test_a_small_parquet_file_that_unfolds_to_gigabytes(tmp_path):
    """One text of 1 MB, 20,000 times, as a dictionary: 20 GB in a file of a few kB."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["ab " * 400_000]))
    pq.write_table(pa.table({"text": texts}), tmp_path / "x.parquet", compression="zstd")
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    (unit,) = plan([Source(path=str(tmp_path))]).units
    problems = Problems()
    pa_before = pa.total_allocated_bytes()
    for n, table in enumerate(read(unit, Config(), problems)):
        assert table.nbytes < 6_000_000
        assert pa.total_allocated_bytes() - pa_before < 100_000_000
        if n == 20:
            break


def test_long_lines_and_files_are_not_loaded(tmp_path):
    config = Config(max_document_megabytes=0.1)
    long = b'{"text": "' + b"x" * 60_000_000 + b'"}\n'
    (tmp_path / "a.jsonl").write_bytes(jsonl(["before"]) + long + jsonl(["after"]))
    (tmp_path / "b.jsonl.gz").write_bytes(
        gzip.compress(jsonl(["before"]) + os.urandom(300_000).hex().encode() + b"\n" + jsonl(["after"]))
    )
    (tmp_path / "c.txt").write_bytes(b"x" * 60_000_000)
    for unit_bytes in (1_000_000, 100_000_000):
        tracemalloc.start()
        rows, problems, _ = rows_of(
            Source(path=str(tmp_path), name="s"), unit_megabytes=unit_bytes * MIB, config=config
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert [row["text"] for row in rows] == ["before", "after"] * 2
        assert problems.counts == {"too_large": 3}
        assert peak < 15_000_000


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2", ".xz"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.warc"])
def test_bombs_end_their_file_only(tmp_path, suffix, name):
    whole = jsonl(["before"]) if name == "a.jsonl" else b""
    head = b"" if name != "a.warc" else b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 999999999\r\n\r\n"
    bomb = PACKERS[suffix](b" " * 20_000_000) * 5
    (tmp_path / f"{name}{suffix}").write_bytes(PACKERS[suffix](whole + head) + bomb)
    (tmp_path / "z.jsonl").write_bytes(jsonl(["after"]))
    tracemalloc.start()
    rows, problems, _ = rows_of(Source(path=str(tmp_path), name="s"), config=Config(max_document_megabytes=1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row["text"] for row in rows] == (["before"] if whole else []) + ["after"]
    expected = {
        "a.jsonl": {"too_large": 1, "compression_bomb": 1},
        "a.txt": {"too_large": 1},
        "a.warc": {"damaged_record": 1, "compression_bomb": 1},
    }
    assert problems.counts == expected[name]
    assert peak < 25_000_000


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2", ".xz"])
@pytest.mark.parametrize("unit", ["cut", "flipped"])
def test_every_record_before_the_damage_comes_out(tmp_path, suffix, unit):
    """Two members, the second damaged: all records of the first come out, and those of the second before the damage."""
    texts = [os.urandom(600).hex() for _ in range(1000)]
    first, second = (PACKERS[suffix](jsonl(part)) for part in (texts[:500], texts[500:]))
    middle = len(second) // 2
    damaged = second[:middle] if unit == "cut" else second[:middle] + bytes(64) + second[middle + 64 :]
    (tmp_path / f"a.jsonl{suffix}").write_bytes(first + damaged)
    rows, problems, _ = rows_of(Source(path=str(tmp_path), name="s"))
    found = [row["text"] for row in rows]
    assert found[:500] == texts[:500]
    in_second = {".bz2": 0}.get(suffix, 150)
    assert len(set(found) & set(texts[500:])) >= in_second
    assert problems.counts["damaged_file"] == 1


def test_paths_that_are_not_there(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in ("none.jsonl", "empty", "*.nothing"):
        with pytest.raises(InputError) as error:
            plan([Source(path=str(tmp_path / path))])
        assert error.value.key == "path" and path in str(error.value)
    with pytest.raises(InputError, match="memory://nowhere"):
        plan([Source(path="memory://nowhere/x")])
    with pytest.raises(InputError) as error:
        plan([Source(path="nosuch://x/y")])
    assert "nosuch" in str(error.value)


def test_two_sources_of_one_name_are_refused(tmp_path):
    for folder in ("a/text", "b/text"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.txt").write_text("text")
    a, b = (str(tmp_path / folder) for folder in ("a/text", "b/text"))
    with pytest.raises(ConfigError, match="'text'"):
        plan([Source(path=a), Source(path=b)])
    rows, _, _ = rows_of(Source(path=a, name="a"), Source(path=b, name="b"))
    assert len({row["id"] for row in rows}) == 2


@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_object_stores(tmp_path, protocol):
    folder = tmp_path / "local"
    folder.mkdir()
    mixed_folder(folder)
    expected, _, _ = rows_of(Source(path=str(folder), name="s"))
    if protocol == "file":
        url = f"file://{folder}"
    else:
        memory = fsspec.filesystem("memory")
        memory.put(str(folder), "/bucket/data", recursive=True)
        url = "memory://bucket/data"
    try:
        for unit_bytes in (1000, 10_000_000):
            rows, _, _ = rows_of(Source(path=url, name="s"), unit_megabytes=unit_bytes * MIB)
            assert rows == expected
        rows, _, _ = rows_of(Source(path=f"{url}/*.jsonl", name="s"))
        assert rows == [row for row in expected if row["path"] == "a.jsonl"]
        rows, _, _ = rows_of(Source(path=f"{url}/c.parquet", name="s"))
        assert rows == [row for row in expected if row["path"] == "c.parquet"]
    finally:
        if protocol == "memory":
            memory.rm("/bucket", recursive=True)


def test_files_of_a_few_units_have_smaller_ones(tmp_path, monkeypatch):
    """So that several workers end together; how a file is cut depends on that file alone."""
    module = importlib.import_module("herdbook.curation.reading.plan")
    monkeypatch.setattr(module, "LEAST_BYTES", 1000)
    for name, size in (("a", 900), ("b", 1900), ("c", 16_000), ("d", 400_000)):
        (tmp_path / f"{name}.jsonl").write_bytes(b'{"text": "x"}\n' * (size // 14))

    def sizes(folder):
        found = {}
        for unit in plan([Source(path=str(folder), name="s")], 0.01).units:
            found.setdefault(unit.files[0].name[0], []).append(unit.size_bytes)
        return found

    cut = sizes(tmp_path)
    assert cut["a"] == [896]
    assert cut["b"] == [1000, 250, 250, 250, 140]  # none smaller than the least, but those of the end
    assert cut["c"][:8] == [15_988 // 8] * 8 and cut["c"][8:] == [4]
    assert cut["d"] == [10_000] * 39 + [2500, 2500, 2500, 2494]
    (tmp_path / "e.jsonl").write_bytes(b"{}\n" * 100_000)
    more = sizes(tmp_path)
    del more["e"]
    assert more == cut
    (tmp_path / "small").mkdir()
    for i in range(400):
        (tmp_path / "small" / f"{i:03d}.txt").write_text("word " * 20)
    units = plan([Source(path=str(tmp_path / "small"))], 0.01).units
    assert [len(unit.files) for unit in units] == [25] * 16  # a sixteenth of the folder, 2.5 kB


def test_ranges_of_a_store_are_read_alone(tmp_path, monkeypatch):
    """A unit of a remote file asks for its own bytes."""
    module = importlib.import_module("herdbook.curation.reading.read")

    lines = jsonl(["word " * 20] * 20_000)
    (tmp_path / "a.jsonl").write_bytes(lines)
    units = plan([Source(path=str(tmp_path))], 0.2).units
    asked = []

    class Counted(io.FileIO):
        def read(self, n=-1):
            data = super().read(n)
            asked.append(len(data))
            return data

    monkeypatch.setattr(module, "open_file", lambda file: Counted(file.path))
    list(read(units[2], Config(), Problems()))
    assert sum(asked) < 1_500_000 < len(lines)


@pytest.mark.parametrize(
    "path, title",
    [
        ("a/b.jsonl", "b.jsonl"),
        ("/x/y/", "y"),
        ("x/*/*.gz", "x"),
        ("hf://datasets/org/NAME", "NAME"),
        ("s3://b/c/*", "c"),
    ],
)
def test_the_name_of_a_source(path, title):
    assert Source(path=path).title == title


def test_problems_merge_and_stay_small():
    one, two = Problems(rows_per_reason=3), Problems(rows_per_reason=3)
    for i in range(5):
        one.add("empty", f"a{i}")
        two.add("empty", f"b{i}")
        two.add("no_text", f"b{i}", i, "detail", b"\xff\x1b[31m")
    one.merge(two)
    assert one.counts == {"empty": 10, "no_text": 5}
    assert [row["path"] for row in one.rows] == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert one.rows[3]["excerpt"] == "\ufffd\ufffd[31m"


def test_missing_packages_are_named(tmp_path, monkeypatch):
    (tmp_path / "a.html").write_text("<p>x")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"herdbook\[web\]"):
        plan([Source(path=str(tmp_path))])
