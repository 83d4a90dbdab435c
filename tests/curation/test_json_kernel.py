"""Lines of JSON by the kernel: the same documents and problems as by Python's own parser, whatever the lines hold."""

import io
import json
import random

import numpy as np
import pyarrow as pa
import pytest

from herdbook.curation.documents import schema, to_table
from herdbook.curation.reading import Problems, Source
from herdbook.curation.reading import lines as lines_file
from herdbook.curation.reading.json_kernel import marks_of
from herdbook.curation.reading.jsonl import read_jsonl
from herdbook.curation.reading.read import tables
from herdbook.curation.reading.record import Records
from herdbook.curation.reading.rows import Block, Rows, Scanner

SOURCE = Source(path="a", name="s", text_field="text,content", license="MIT")
LINES = [
    '{"text": "plain"}',
    '{"text": "\\n\\t\\"\\\\\\/\\b\\f\\r and \\u00e9\\u4e2d\\ud83d\\ude00 😀 é 中"}',
    ' {"id" : "x" , "text":"spaces" } \r',
    '{"id": 17, "text": "number", "url": ["a", "b"], "date": 1.5e3, "lang": true, "license": null}',
    '{"content": "second", "text": null, "meta": {"url": "http://m"}, "metadata": {"url": null, "x": [1, {"y": []}]}}',
    '{"metadata.url": "http://joined", "text": "t", "metadata": {"url": "http://nested"}}',
    '{"text": "a", "text": "the last of two wins", "id": "\\u0041\\/"}',
    '{"text": "caf\\u00e9", "id": " ", "url": "' + "u" * 5000 + '"}',
    '{"text": "deep", "x": ' + "[" * 70 + "]" * 70 + "}",
    '{"text": "nan", "x": [NaN, -Infinity]}',
    '{"text": "lone \\ud800 surrogate"}',
    '{"te\\u0078t": "escaped name"}',
    '{"text": "digits", "x": ' + "9" * 5000 + "}",
    '{"text": "numbers", "x": [0, -0, 1.25, 1E+5, -1e-5, 12, {}, [], "", true, false, null]}',
    '{"text": " \\n\u2028\\u3000"}',
    '{"text": "\u2028\\u3000\u3042"}',
    '{"text": ""}',
    '{"text": 5}',
    "{}",
    "[1]",
    '{"other": 1}',
    "",
    "   \t",
    "\x0b",
]
BROKEN = [
    '{"text": "a"} x', '{"text": "a",}', '{"text" "a"}', '{"text": "a', '{"text": "tab\there"}', '{"text": "\\x41"}',
    '{"text": "\\u12g4"}', '{"text": "a", "x": 01}', '{"text": "a", "x": 1.}', '{"text": "a", "x": .5}', '{"text": "a"',
    '{"text": "a", "x": tru}', '{"text": "a", "x": -}', '{"text": "a", "x": [1,]}', '{"text": "a", "x": {"y"}}',
    '{"text": "a", "x": [1}}', '{"text": "a", x: 1}', "\ufeff{}", '{"text": "a", "x": 1e}', '{,"text": "a"}',
]  # fmt: skip


def found(data, fast, monkeypatch, longest=1 << 20, source=SOURCE, chunk=1 << 20, start=0, stop=None):
    """(rows, problems) of lines, by the kernel or by Python alone."""
    problems = Problems()
    records = Records(source, "f.jsonl", "jsonl", problems)
    with monkeypatch.context() as patch:
        patch.setattr(lines_file, "CHUNK", chunk)
        if not fast:
            patch.setattr(Block, "is_sound", False)
        stream = io.BytesIO(data[start:])
        given = list(read_jsonl(stream.read, start, stop, longest, records, "f.jsonl", problems))
    parts = [row.table if isinstance(row, Rows) else to_table([row]) for row in given]
    assert fast or not any(isinstance(row, Rows) for row in given)
    rows = pa.concat_tables(parts).to_pylist() if parts else []
    assert list(pa.concat_tables(tables(given, 1e-4)).to_pylist() if parts else []) == rows
    return rows, problems.to_json()


def both(data, monkeypatch, **settings):
    """The one result of both ways."""
    fast, slow = (found(data, way, monkeypatch, **settings) for way in (True, False))
    assert fast == slow
    return fast


@pytest.mark.parametrize("line", LINES + BROKEN)
def test_one_line(line, monkeypatch):
    both(line.encode(), monkeypatch)
    rows, _ = both(f'{{"text": "before"}}\n{line}\n{{"text": "after"}}\n'.encode(), monkeypatch)
    assert [rows[0]["text"], rows[-1]["text"]] == ["before", "after"]


def test_damage_and_order(monkeypatch):
    """Random damage, in bytes and between lines, with blocks of any size and lines of every length."""
    rng = random.Random(7)
    for round_ in range(60):
        lines = [rng.choice(LINES + BROKEN[: round_ % 3 * 9]).encode() for _ in range(rng.randint(1, 40))]
        data = bytearray(b"\n".join(lines) + b"\n" * rng.randint(0, 1))
        for _ in range(rng.choice([0, 0, 1, 5])):
            data[rng.randrange(len(data))] = rng.choice(b'"\\{}[],:\n\x00\xff\xe4 n1u')
        settings = {"longest": rng.choice([20, 60, 1 << 20]), "chunk": rng.choice([3, 50, 1000, 1 << 20])}
        whole, _ = both(bytes(data), monkeypatch, **settings)
        starts = [0, *(i + 1 for i in range(len(data)) if data[i] == 10)]
        cut = rng.choice(starts)
        stop = rng.randint(cut, len(data)) if rng.random() < 0.5 else cut
        first, _ = found(bytes(data), True, monkeypatch, **settings, stop=stop)
        following = next((start for start in starts if start >= stop), len(data))
        second, _ = found(bytes(data), True, monkeypatch, **settings, start=following)
        assert first + second == whole, (round_, stop)


def test_what_the_kernel_takes_is_not_left_to_python(monkeypatch):
    """All of the ordinary lines in one piece; equal sizes of batches whichever way they came."""
    data = "\n".join(LINES[:8]).encode() + b"\n"
    records = Records(SOURCE, "f.jsonl", "jsonl", Problems())
    block = Block(data, 0)
    rows, at = Scanner(records, 1 << 20).scan(block, 0)
    assert at == len(data) and len(rows) == 8 and rows.table.schema.equals(schema())
    texts = rows.table["text"].to_pylist()
    assert rows.sizes_R.tolist() == [len(text) * (1 if text.isascii() else 3) for text in texts]
    assert marks_of(np.frombuffer(b'a"\\\x1fb', np.uint8)).tolist() == [1, 2, 3, 5]


def test_nested_texts_and_many_records(monkeypatch):
    record = {"data": {"text": "nested"}, "text": "top"}
    source = Source(path="a", text_field="data.text")
    assert both(json.dumps(record).encode(), monkeypatch, source=source)[0][0]["text"] == "nested"
    many = "".join(json.dumps({"text": f"t{i}", "id": i} if i % 3 else {"text": f"t{i}"}) + "\n" for i in range(9000))
    rows, _ = both(many.encode(), monkeypatch)
    assert len(rows) == len({row["id"] for row in rows}) == 9000


def test_lines_before_a_damage_come_out(monkeypatch):
    """However few bytes a stream gives at once, and wherever it breaks."""
    data = b'{"text": "one"}\n{"text": "two"}\n{"text": "cut off'
    for size in (1, 7, 1000):
        stream = io.BytesIO(data)

        def read(n, stream=stream, size=size):
            piece = stream.read(min(n, size))
            if not piece:
                raise ValueError("damaged")
            return piece

        found = lines_file.blocks(read, 0, None, 100)
        assert next(found) == (0, data[:32], True)
        with pytest.raises(ValueError, match="damaged"):
            next(found)
