"""Benchmark files of every kind; what is planted word for word is found, every time."""

import gzip
import json
import random
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from herdbook.curation.benchmark_files import read_benchmarks, read_items
from herdbook.curation.decontaminate import Config, Decontaminator
from herdbook.errors import InputError

ROWS = [
    {"question": "one, two", "choices": ["a", "b"], "meta": {"hint": "x"}},
    {"question": "drei", "choices": [], "meta": {"hint": "y"}},
]


def write(folder):
    lines = "\n".join(json.dumps(row) for row in ROWS)
    (folder / "a.jsonl").write_text(lines + "\n\n")
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (folder / "a.json").write_text(json.dumps({"name": "x", "items": ROWS}))
    (folder / "list.json").write_text(json.dumps(ROWS))
    (folder / "a.csv").write_text('question,answer\n"one, two",3\ndrei,4\n')
    (folder / "a.tsv").write_text("question\tanswer\none, two\t3\ndrei\t4\n")
    (folder / "a.txt").write_text("one, two\n\n\ndrei\n")
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "a.parquet")


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.jsonl.gz", "a.json", "list.json", "a.csv", "a.tsv", "a.txt", "a.parquet"]
)
def test_formats(tmp_path, name):
    write(tmp_path)
    given = str(tmp_path / name)
    assert [item.strip() for item in read_items("b", given)] == ["one, two", "drei"]
    if name != "a.txt":
        assert read_items("b", given + "#question") == ["one, two", "drei"]


def test_fields(tmp_path):
    write(tmp_path)
    given = f"{tmp_path}/a.jsonl#question+choices+meta.hint"
    assert read_benchmarks({"b": given}) == {"b": ["one, two a b x", "drei  y"]}


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("none.jsonl", None, "cannot read the benchmark b"),
        ("bad.jsonl", b"{", "cannot read the benchmark b"),
        ("bad.parquet", b"PAR1", "cannot read the benchmark b"),
        ("bad.jsonl.gz", b"\x1f\x8b\x08", "cannot read the benchmark b"),
        ("bad.txt", b"\xff\xfe\xfa", "cannot read the benchmark b"),
        ("empty.txt", b"", "holds no item"),
        ("odd.jsonl", b'{"a": 1}', "no field that is known"),
        ("odd.jsonl#b", b'{"a": 1}', "lacks the field b"),
        ("odd.jsonl#a.b", b'{"a": 1}', "lacks the field a.b"),
    ],
)
def test_mistakes_name_the_benchmark(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name.partition("#")[0]).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_items("b", str(tmp_path / name))
    assert caught.value.key == "b"


def test_planted_items_are_all_found(test_data):
    folder = test_data / "evaluation/openai+grade-school-math/grade_school_math/data"
    path = next(iter(sorted(folder.glob("test.jsonl*"))))
    items = read_items("gsm8k", f"{path}#question")[:300]
    with gzip.open(test_data / "text/enwiki-2015/enwiki-2015.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"][:5000] for line in islice(file, 300)]
    rng = random.Random(1)
    planted = set(rng.sample(range(len(items)), 100))
    for place, number in enumerate(sorted(planted)):
        cut = rng.randrange(len(texts[place]) + 1)
        texts[place] = f"{texts[place][:cut]} {items[number]} {texts[place][cut:]}"
    finder = Decontaminator({"gsm8k": items, "strict": items}, Config(thresholds={"strict": 1.0}))
    for start in range(0, len(texts), 64):
        finder.add(texts[start : start + 64])
    for row in finder.report():
        found = {entry["number"]: entry["documents"] for entry in row["contaminated"]}
        assert planted <= found.keys()
        assert all(place in found[number] for place, number in enumerate(sorted(planted)))
        assert found.keys() == planted
