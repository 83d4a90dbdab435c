"""Every reader on hostile files: `read` ends, raises nothing, and says of everything that it leaves out why."""

import bz2
import gzip
import io
import json
import lzma
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("resiliparse", reason="the extra `web` is not installed: pip install 'herdbook[web]'")

from herdbook.curation.documents import schema
from herdbook.curation.extract import Config as ExtractConfig
from herdbook.curation.reading import Config, Problems, Source, plan, read
from herdbook.errors import UserError

CONFIG = Config(max_document_megabytes=1, extract=ExtractConfig(min_gain=1))
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
PAGE = (
    b"<html><body><article><p>"
    + b"The river rises in the hills and runs to the sea. " * 6
    + b"</p></article></body></html>"
)
NAMES = [
    "a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.jsonl.bz2", "a.jsonl.xz", "a.parquet", "a.txt", "a.txt.gz", "a.py",
    "a.html", "a.warc", "a.warc.gz", "a.warc.zst", "a.warc.lz4", "a.arc", "a.arc.gz", "a.json", "a.wet.gz",
]  # fmt: skip
PACK = {
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bz2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
}


def check(folder, name, content, unit_megabytes=32.0):
    """(rows, problems) of one file. What is left out is counted; what comes out is sound."""
    path = folder / name
    path.write_bytes(content)
    problems = Problems()
    tables = []
    try:
        planned = plan([Source(path=str(path), name="s")], unit_megabytes)
    except UserError:
        return [], problems
    problems.merge(planned.skipped)
    for unit in planned.units:
        for table in read(unit, CONFIG, problems):
            table.validate(full=True)
            assert table.schema.equals(schema())
            tables.append(table)
    assert "reader_failed" not in problems.counts, problems.rows
    rows = pa.concat_tables(tables).to_pylist() if tables else []
    assert all(row["text"].strip() and row["id"] for row in rows)
    if name.split(".")[1] in ("txt", "py", "html", "parquet"):
        assert rows or problems.counts
    json.dumps(problems.to_json())
    return rows, problems


def good(name):
    """A sound file of that name with five documents."""
    texts = [f"Document {i} of the file, with some words in it." for i in range(5)]
    suffixes = name.split(".")[1:]
    if suffixes[0] in ("jsonl", "json"):
        data = "".join(json.dumps({"text": text, "id": str(i)}) + "\n" for i, text in enumerate(texts)).encode()
    elif suffixes[0] == "parquet":
        buffer = io.BytesIO()
        pq.write_table(pa.table({"text": texts, "id": list(range(5))}), buffer, row_group_size=2)
        data = buffer.getvalue()
    elif suffixes[0] in ("warc", "wet"):
        records = []
        for i in range(5):
            block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(
                PAGE
            )
            kind = "response"
            if suffixes[0] == "wet":
                kind, block = "conversion", texts[i].encode()
            content_type = "application/http" if kind == "response" else "text/plain"
            head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: http://x/{i}\r\nContent-Type: {content_type}\r\n"
            head += f"Content-Length: {len(block)}\r\n\r\n"
            records.append(head.encode() + block + b"\r\n\r\n")
        data = b"".join(records) if "gz" not in suffixes else b"".join(map(gzip.compress, records))
    elif suffixes[0] == "arc":
        block = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE
        data = b"".join(
            b"http://x/%d 1.2.3.4 20140216050221 text/html %d\n%s\n" % (i, len(block), block) for i in range(5)
        )
    else:
        data = PAGE if suffixes[0] == "html" else "\n".join(texts).encode()
    if suffixes[-1] in PACK and not (suffixes[0] in ("warc", "wet") and suffixes[-1] == "gz"):
        data = PACK[suffixes[-1]](data)
    if suffixes[-1] == "lz4":
        from fastwarc.stream_io import Lz4Writer

        class Kept(io.BytesIO):
            def close(self):
                """Its bytes are wanted."""

        kept = Kept()
        with Lz4Writer(kept) as writer:
            writer.write(data)
        data = kept.getvalue()
    return data


@pytest.mark.parametrize("name", NAMES)
def test_good_files_are_good(tmp_path, name):
    rows, problems = check(tmp_path, name, good(name))
    assert len(rows) == (1 if name.split(".")[1] in ("txt", "py", "html") else 5)
    assert not problems.counts


def damaged(data, draw):
    """The bytes with a few of them flipped, cut out, doubled, zeroed, or the end cut off."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        n = draw(st.integers(1, 64))
        how = draw(st.sampled_from(["flip", "cut", "double", "zero", "end", "noise", "invalid", "digits"]))
        if how == "flip" and changed:
            changed[at] ^= draw(st.integers(1, 255))
        elif how == "cut":
            del changed[at : at + n]
        elif how == "double":
            changed[at:at] = changed[at : at + n]
        elif how == "zero":
            changed[at : at + n] = bytes(n)
        elif how == "end":
            del changed[at:]
        elif how == "noise":
            changed[at : at + n] = draw(st.binary(max_size=64))
        elif how == "invalid":
            changed[at:at] = b"\xff\xed\xa0\x80\xc0\x80"
        else:
            changed[at:at] = b"9" * n
    return bytes(changed)


def damage(folder, data):
    name = data.draw(st.sampled_from(NAMES))
    content = damaged(good(name), data.draw)
    whole, problems = check(folder, name, content)
    cut, others = check(folder, name, content, unit_megabytes=300 / 1e6)
    assert [row["text"] for row in cut] == [row["text"] for row in whole]
    assert [row["id"] for row in cut] == [row["id"] for row in whole]
    assert others.counts == problems.counts


@QUICK
@given(data=st.data())
def test_damaged_files(tmp_path_factory, data):
    damage(tmp_path_factory.mktemp("fuzz"), data)


@pytest.mark.slow
@LONG
@given(data=st.data())
def test_damaged_files_long(tmp_path_factory, data):
    damage(tmp_path_factory.mktemp("fuzz"), data)


@QUICK
@given(name=st.sampled_from(NAMES), content=st.binary(max_size=300), packed=st.sampled_from(["", *PACK]))
def test_bytes_of_any_kind(tmp_path_factory, name, content, packed):
    check(tmp_path_factory.mktemp("fuzz"), name, PACK[packed](content) if packed else content)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.warc", "a.warc.gz", "a.arc", "a.wet.gz"])
def test_truncation_at_every_place(tmp_path, name):
    """However much is cut off, the records that are whole come out."""
    whole = good(name)
    rows, _ = check(tmp_path, name, whole)
    texts = [row["text"] for row in rows]
    last = 5
    for end in range(len(whole) - 1, 0, -1 if len(whole) < 1000 else -37):
        rows, _ = check(tmp_path, name, whole[:end])
        assert [row["text"] for row in rows] == texts[: len(rows)]
        assert len(rows) <= last
        last = len(rows)
        if name == "a.jsonl":
            assert len(rows) in (whole[:end].count(b"\n"), whole[:end].count(b"\n") + 1)
        elif not name.endswith("zst"):
            n = (
                sum(whole[:end].count(mark) for mark in ([b"WARC/1.0", b"http://x/"][name == "a.arc"],))
                if "gz" not in name
                else 1
            )
            assert len(rows) >= n - 1


HOSTILE = {
    "deep.html": b"<div>" * 200_000,
    "deep_spans.html": b"<p>" + b"<b><i>" * 50_000 + b"text",
    "colspan.html": b"<table><tr><td colspan=99999999999 rowspan=999999999>" + PAGE + b"</table>",
    "attributes.html": b"<p " + b"a=b " * 200_000 + b">" + PAGE,
    "unclosed.html": b"<!--" + b"<p>x" * 100_000,
    "entities.html": b"<p>" + b"&#x110000;&#xd800;&amp" * 30_000,
    "nul.html": PAGE.replace(b"river", b"ri\0ver"),
    "deep.jsonl": b"[" * 500_000 + b"\n" + b'{"a":' * 100_000 + b"\n" + b'{"text": "good"}\n',
    "numbers.jsonl": b'{"text": ' + b"9" * 100_000 + b'}\n{"text": 1e999999}\n{"text": NaN}\n{"text": "good"}\n',
    "surrogates.jsonl": b'{"text": "a\\ud800b", "id": "\\udfff"}\n{"text": "\xed\xa0\x80"}\n{"text": "a\\u0000b"}\n',
    "nul.jsonl": b'\0\0\0\n{"text": "go\0od"}\n{"text": "good"}\n',
    "twice.jsonl": b'{"text": "good", "id": "x"}\n' * 3 + b'{"text": "a", "text": "good"}\n',
    "returns.jsonl": b'{"text": "good"}\r\n{"text": "good"}\r{"text": "good"}\r\n',
    "nul.txt": b"text\0text",
    "headers.warc": b"WARC/1.0\r\n" + b"A: b\r\n" * 100_000 + b"\r\n" + good("a.warc"),
    "one_header.warc": b"WARC/1.0\r\nA: " + b"x" * 2_000_000 + b"\r\n\r\n" + good("a.warc"),
    "length.warc": b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 99999999999999999999\r\n\r\n" + good("a.warc"),
    "endless.warc": b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 999999999999\r\n\r\n" + good("a.warc"),
    "length.arc": b"http://x/ 1.2.3.4 20140216050221 text/html 99999999999999999999\n" + good("a.arc"),
    "members.jsonl.gz": gzip.compress(b"") * 50_000 + gzip.compress(b'{"text": "good"}\n'),
    "zeros.jsonl.gz": gzip.compress(b'{"text": "good"}\n') + bytes(100_000),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(tmp_path, name):
    rows, problems = check(tmp_path, name, HOSTILE[name])
    texts = [row["text"] for row in rows]
    expected = {
        "deep.jsonl": (["good"], {"not_json": 2}),
        "numbers.jsonl": (["good"], {"not_json": 1, "no_text": 2}),
        "surrogates.jsonl": (["a\ufffdb", "a\0b"], {"not_utf8": 1}),
        "nul.jsonl": (["good"], {"not_json": 2}),
        "twice.jsonl": (["good"] * 4, {}),
        "returns.jsonl": (["good"], {"not_json": 1}),
        "nul.txt": ([], {"binary": 1}),
        "members.jsonl.gz": (["good"], {}),
        "zeros.jsonl.gz": (["good"], {}),
    }
    if name in expected:
        assert (texts, problems.counts) == expected[name]
    if name.endswith((".warc", ".arc")) and not name.startswith("endless"):
        assert len(rows) == 5
        assert problems.counts["damaged_record"] == 1
    if name in ("nul.html", "attributes.html", "colspan.html"):
        assert "runs to the sea" in texts[0]


def test_real_archives_with_random_damage(test_data, tmp_path):
    """Archives of others with bytes overwritten: read to their end, with every record before the first damage."""
    lot = random.Random(0)
    folder = test_data / "html" / "warc-samples"
    for path in sorted(p for p in folder.glob("*arc*.gz") if p.stat().st_size < 50_000):
        data = bytearray(path.read_bytes())
        first = lot.randrange(len(data) // 2, len(data))
        before, _ = check(tmp_path, path.name, bytes(data[:first]))
        for _ in range(20):
            data[lot.randrange(first, len(data))] ^= 1 << lot.randrange(8)
        rows, _ = check(tmp_path, path.name, bytes(data))
        assert rows[: len(before)] == before
