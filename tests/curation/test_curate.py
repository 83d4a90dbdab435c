"""The whole pipeline on a small collection: the account adds up, equal seeds give equal bytes, errors are plain."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

import herdbook.curation
from herdbook.config import to_mapping
from herdbook.curation import Document
from herdbook.curation.documents import read_documents, write_documents
from herdbook.curation.engine.account import adds_up
from herdbook.curation.engine.pipeline import step_names
from herdbook.curation.quality import noise as quality
from herdbook.curation.quality.measures import auc
from herdbook.curation.steps.reference_documentation import reference_documentation
from herdbook.errors import ConfigError, InputError
from herdbook.storage import read_json


@pytest.fixture(scope="module")
def collection(made_up: SimpleNamespace) -> list[Document]:
    prose, program = made_up.prose, made_up.program
    rng = random.Random(11)
    docs = [Document(f"p/{i}", prose(rng), "packages", f"{i}", "MIT", "prose") for i in range(150)]
    docs += [Document(f"t/{i}", prose(rng), "pydoc-topics", f"{i}", "PSF-2.0", "prose") for i in range(40)]
    docs += [Document(f"s/{i}", program(rng), "stdlib-source", f"{i}.py", "PSF-2.0", "code") for i in range(60)]
    docs += [
        Document(f"twin/{i}", docs[i].text + "One more line is here.\n", "user", f"{i}", "unknown", "prose")
        for i in range(10)
    ]
    docs += [Document(f"same/{i}", docs[150 + i].text.strip(), "user", f"{i}", "unknown", "prose") for i in range(5)]
    docs += [
        Document("bad/empty", "\0", "user", "", "unknown", "prose"),
        Document("bad/short", "No.", "user", "", "unknown", "prose"),
        Document("bad/syntax", "def f(:\n" * 6, "user", "x.py", "unknown", "code"),
        Document("bad/again", "The very same line is here, and it has to be.\n" * 30, "user", "", "unknown", "prose"),
        Document(
            "ok/mail", prose(rng) + "Write to someone@somewhere.org for more of it.\n", "user", "", "unknown", "prose"
        ),
    ]
    fact = "`len`: Return the number of items."
    docs += [
        Document(f"f/{i}", f"{fact} ({i % 7})", "facts", "", "PSF-2.0", "statement", language="en") for i in range(30)
    ]
    return docs


SETTINGS = {
    "heuristics": to_mapping(reference_documentation()), "prefer": ["pydoc-topics"],
    "max_megabytes": 0.4, "heldout": {"share": 0.2, "max_overlap": 0.6}, "recall_sample": 200,
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus(collection: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("curate") / "corpus"
    herdbook.curation.curate(collection, out, seed=4, **SETTINGS)
    return out


def train(out: Path) -> list[Document]:
    return [d for path in sorted((out / "shards").glob("*.parquet")) for d in read_documents(path)]


def test_files(corpus: Path) -> None:
    names = {p.relative_to(corpus).as_posix() for p in corpus.rglob("*") if p.is_file()}
    assert names == {
        "shards/train-00000.parquet", "heldout.parquet", "funnel.json", "dropped_samples.json", "kept_samples.json",
        "ledger/part-00000.parquet", "data_statement.md",
    }  # fmt: skip


def test_counts_add_up_exactly(collection: list[Document], corpus: Path) -> None:
    funnel = read_json(corpus / "funnel.json")
    steps = funnel["steps"]
    off = ("semantic_duplicates", "contamination")  # unless they are asked for
    assert [step["name"] for step in steps] == [name for name in step_names() if name not in off]
    assert adds_up(steps) == []
    kept = {d.id for d in train(corpus)}
    assert steps[0]["in"] == len(collection)
    assert steps[-1]["out"] == len(kept)
    before = Counter(d.source for d in collection)
    gone: Counter[str] = Counter()
    for step in steps:
        for by in step["reasons"].values():
            gone.update(by)
    after = Counter(d.source for d in collection if d.id in kept)
    assert before == after + gone
    broken = json.loads(json.dumps(steps))
    broken[3]["kept"]["user"] += 1
    assert adds_up(broken) != []


def test_reasons(corpus: Path) -> None:
    funnel = read_json(corpus / "funnel.json")
    reasons = {reason: sum(by.values()) for step in funnel["steps"] for reason, by in step["reasons"].items()}
    assert reasons["exact_duplicate"] == 5
    assert reasons["near_duplicate"] == 10
    for reason in ("empty", "gopher_too_few_words", "syntax_error", "repetition_duplicate_lines", "held_out"):
        assert reasons[reason] >= 1, reason
    assert funnel["emails_masked"] == 1
    assert funnel["dedup"]["measured_recall_on_sample"] == 1.0
    assert funnel["quality"]["auc"] > 0.9
    assert sum(funnel["quality"]["histogram"]) == sum(map(sum, funnel["quality"]["histogram_by_source"].values()))
    assert "seconds" not in json.dumps(funnel)


def test_samples_of_what_was_dropped(collection: list[Document], corpus: Path) -> None:
    samples = read_json(corpus / "dropped_samples.json")
    counts = Counter(sample["reason"] for sample in samples)
    assert max(counts.values()) <= 3
    assert {"near_duplicate", "exact_duplicate", "syntax_error"} <= set(counts)
    ids = {d.id for d in collection}
    for sample in samples:
        assert sample["id"] in ids
        assert len(sample["excerpt"]) <= 300
        if sample["span"]:
            assert 0 <= sample["span"][0] <= sample["span"][1] <= 300
        if sample["reason"].endswith("_duplicate"):
            assert sample["kept_instead"] in ids


def test_statements_pass_whole_and_are_never_held_out(corpus: Path) -> None:
    documents = train(corpus)
    assert sum(d.kind == "statement" for d in documents) == 30
    held = read_documents(corpus / "heldout.parquet")
    assert held
    assert {d.kind for d in held} <= {"prose", "code"}
    assert not {d.id for d in held} & {d.id for d in documents}
    assert not any("somewhere.org" in d.text for d in documents + held)
    assert any("name@example.com" in d.text for d in documents + held)


def test_equal_seeds_give_equal_bytes(
    collection: list[Document], corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On any number of threads."""
    again = tmp_path / "again"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    herdbook.curation.curate(collection, again, seed=4, **SETTINGS)
    for path in sorted(corpus.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(corpus)).read_bytes(), path.name
    other = tmp_path / "other"
    herdbook.curation.curate(collection, other, seed=5, **SETTINGS)
    assert [d.id for d in train(other)] != [d.id for d in train(corpus)]


def test_shards_and_skipped_steps(collection: list[Document], tmp_path: Path) -> None:
    figures = herdbook.curation.curate(
        collection,
        tmp_path / "c",
        shard_megabytes=0.05,
        max_megabytes=0.0,
        skip=["quality", "near_duplicates", "held_out"],
    )
    assert len(list((tmp_path / "c" / "shards").iterdir())) > 2
    documents = train(tmp_path / "c")
    assert figures["n_documents"] == len(documents) == len({d.id for d in documents})
    assert sum(d.id.startswith("twin/") for d in documents) == 10


def test_a_file_of_documents_and_repeated_ids(collection: list[Document], tmp_path: Path) -> None:
    write_documents(
        tmp_path / "d.parquet",
        [*collection[:30], *collection[30:60], Document("p/1", "x " * 9, "user", "", "unknown", "prose")],
    )
    herdbook.curation.curate(str(tmp_path / "d.parquet"), tmp_path / "c", skip=("held_out", "quality"))
    assert read_json(tmp_path / "c" / "funnel.json")["steps"][0]["in"] == 61


def test_user_errors(collection: list[Document], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no document"):
        herdbook.curation.curate([], tmp_path / "a")
    with pytest.raises(InputError, match="repetition_top_2_gram"):
        herdbook.curation.curate([Document("a", "No.", "user", "", "unknown", "prose")], tmp_path / "b")
    with pytest.raises(ConfigError, match="normalise"):
        herdbook.curation.curate(collection, tmp_path / "c", skip=("normalize",))
    with pytest.raises(ConfigError, match="bands"):
        herdbook.curation.curate(collection, tmp_path / "d", minhash={"band": 3})
    (tmp_path / "no.parquet").write_bytes(b"not parquet")
    for name in ("no.parquet", "missing.parquet"):
        with pytest.raises(InputError, match=name):
            herdbook.curation.curate(tmp_path / name, tmp_path / "e")


def test_quality_tells_noise_from_text(collection: list[Document], made_up: SimpleNamespace) -> None:
    import numpy as np

    prose, program = made_up.prose, made_up.program

    config = quality.Config(max_passages=200)
    model = quality.train(collection, config, np.random.default_rng(0))
    assert model is not None
    assert model.auc is not None
    assert model.auc > 0.9
    rng = random.Random(99)
    good = [prose(rng) for _ in range(20)]
    noise = [quality.noise(kind, good[0], program(rng), np.random.default_rng(1)) for kind in quality.NOISES]
    assert float(model.scores(good).mean()) > 0.8
    assert float(np.median(model.scores(noise))) < 0.1
    assert float(model.scores(noise).max()) < float(model.scores(good).min())
    assert quality.train(collection[:5], config, np.random.default_rng(0)) is None
    assert auc(np.array([1.0, 2.0, 2.0]), np.array([0.0, 2.0])) == pytest.approx(4 / 6)


def test_torch_is_not_needed() -> None:
    code = (
        "import sys, importlib; import herdbook.curation; importlib.import_module('herdbook.curation.collect'); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
