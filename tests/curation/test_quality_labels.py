"""A model's judgements: asked, stored, resumed, measured, refused, learnt."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

import herdbook
from herdbook.curation import Document, label, train_quality
from herdbook.curation.documents import write_documents
from herdbook.curation.quality import agreement, label_stage
from herdbook.curation.quality.labels import label_texts, read_store
from herdbook.curation.quality.prompts import QUESTIONS, Question, question_of
from herdbook.curation.quality.quality_model import QualityModel
from herdbook.errors import ConfigError, InputError, RecipeError, UserError
from herdbook.inference.client import Answer
from herdbook.lineage import Card, compute_identity, seal_artifact
from herdbook.storage import read_json, read_jsonl, sha256_file

GOOD, BAD = "Granite consists of quartz and feldspar and forms slowly", "omg lol call me now to win a free phone"


def text(good: bool, n: int) -> str:
    rng = random.Random(n)
    words = (GOOD if good else BAD).split()
    return f"{n} " + " ".join(rng.choice(words) for _ in range(30))


class Judge:
    """Answers by a word in the text, and errs on a share of them."""

    def __init__(self, errs: float = 0.0, gives_logprobs: bool = True, stop_after: int = 10**9):
        self.name, self.errs, self.gives_logprobs, self.stop_after = "judge", errs, gives_logprobs, stop_after
        self.asked: list[str] = []

    def answer(self, prompts, *, max_tokens=64, temperature=0.0, seed=0, choices=()):
        if len(self.asked) + len(prompts) > self.stop_after:
            raise KeyboardInterrupt
        self.asked += prompts
        return [self._one(p[-1]["content"], choices, max_tokens) for p in prompts]

    def _one(self, shown, choices, max_tokens):
        good = sum(shown.count(f" {w}") for w in set(GOOD.split())) > sum(
            shown.count(f" {w}") for w in set(BAD.split())
        )
        if random.Random(shown).random() < self.errs:
            good = not good
        p = 0.9 if good else 0.2
        scores = dict(zip(choices, (np.log(p), np.log(1 - p)))) if self.gives_logprobs else None
        return Answer("" if max_tokens == 0 else f"That is **{choices[0 if good else 1]}**.", "stop", scores)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    rows = [
        Document(f"d{n}", text(n % 3 > 0, n), "web" if n % 2 else "forum", "", "unknown", "prose") for n in range(300)
    ]
    rows += [Document("code", "def f(): pass", "web", "", "unknown", "code")]
    write_documents(tmp_path / "documents.parquet", rows)
    with open(tmp_path / "gold.jsonl", "w") as file:
        file.writelines(json.dumps({"text": text(n % 2 > 0, n), "label": n % 2}) + "\n" for n in range(1000, 1120))
    return tmp_path / "documents.parquet"


def test_answers_are_read() -> None:
    grade = QUESTIONS["grade"]
    assert [grade.parse(t) for t in ("4", "Grade: **3**/5", " 0.", "4.5", "about 12", "none", "7 or 2")] == [
        0.8, 0.6, 0.0, None, None, None, 0.4,
    ]  # fmt: skip
    yes_no = QUESTIONS["yes_no"]
    assert [yes_no.parse(t) for t in ("YES!", "no, yes", "nothing", "")] == [1.0, 0.0, None, None]
    assert yes_no.expected({"Yes": np.log(0.3), "No": np.log(0.1)}) == pytest.approx(0.75)
    assert yes_no.expected({"Yes": -2000.0, "No": -2001.0}) == pytest.approx(1 / (1 + np.exp(-1)))
    assert yes_no.expected({"maybe": -1.0}) is None
    assert yes_no.ask("one two\nthree four", 3)[-1]["content"].startswith("Text: one two\nthree\n")
    assert yes_no.ask("{text} {0}", 9)[0]["content"].startswith("Text: {text} {0}\n")
    turns = QUESTIONS["examples"].ask("A text.", 9)
    assert [turn["role"] for turn in turns] == ["system", *["user", "assistant"] * 12, "user"]
    assert turns[-1]["content"] == "A text."
    for wrong in (
        ("none",),
        ("examples", "no place", {"a": 1, "b": 0}),
        ("examples", "{text}", {"a": 1.0}),
        ("examples", "{text}"),
    ):
        with pytest.raises(ConfigError):
            question_of(*wrong)
    assert Question("{text}", {"a": 1, "b": 0}).sha256 != Question("{text}", {"a": 0, "b": 1}).sha256


@pytest.mark.parametrize("gives_logprobs", [True, False])
def test_labels_are_kept_and_never_asked_for_twice(tmp_path: Path, gives_logprobs: bool) -> None:
    ids, texts = [f"t{n}" for n in range(50)], [text(n % 2 > 0, n) for n in range(50)]
    question, store = QUESTIONS["yes_no"], tmp_path / "labels.jsonl"
    whole = label_texts(ids, texts, Judge(gives_logprobs=gives_logprobs), question, tmp_path / "whole.jsonl", batch=8)
    assert [row.score > 0.5 for row in whole] == [n % 2 > 0 for n in range(50)]
    assert (whole[1].logprobs is None, whole[1].answer != "") == (not gives_logprobs, not gives_logprobs)
    first = Judge(gives_logprobs=gives_logprobs, stop_after=29)
    with pytest.raises(KeyboardInterrupt):
        label_texts(ids, texts, first, question, store, batch=8)
    assert len(read_store(store)) == 24
    with open(store, "ab") as file:
        file.write(b'{"id": "t9", "cut off')
    second = Judge(gives_logprobs=gives_logprobs)
    told: list[int] = []
    assert label_texts(ids, texts, second, question, store, batch=8, seen=told.append) == whole
    assert len(second.asked) == 26
    assert (told[0], sum(told)) == (24, 50)
    assert len(read_store(store)) == 50
    other = Judge(gives_logprobs=gives_logprobs)  # another question is another label
    label_texts(ids, texts, other, QUESTIONS["examples"], store)
    assert len(other.asked) == 50


def test_agreement_is_measured_on_the_half_that_did_not_choose_the_cut() -> None:
    rng = np.random.default_rng(0)
    gold = (rng.random(2000) < 0.4).astype(float)
    good = gold > 0.5
    shares = rng.random(2000)
    scores = np.where(good, 0.3, 0.2) + rng.normal(0, 0.05, 2000)  # all far below one half: the cut has to move
    found = agreement.measure(scores.tolist(), gold, shares)
    assert 0.2 < found.cut < 0.3
    assert 0.6 < found.kappa < 0.75
    assert found.kappa_interval[0] < found.kappa < found.kappa_interval[1]
    assert found.auc == pytest.approx(0.92, abs=0.02)
    assert found.n == (shares >= 0.5).sum()
    noise = agreement.measure(rng.random(2000).tolist(), gold, shares)
    assert abs(noise.kappa) < 0.08
    halved = agreement.measure([None if i % 2 else s for i, s in enumerate(scores)], gold, shares)
    assert halved.n_unparsed == 1000
    assert halved.kappa < found.kappa - 0.2  # saying nothing does not help
    graded = agreement.measure(scores.tolist(), gold * 3 + 1, shares)
    assert (graded.kappa, graded.gold_cut) == (found.kappa, 2.5)
    with pytest.raises(InputError, match="too few"):
        agreement.measure([0.1] * 12, gold[:12], shares[:12])


def test_labels_that_agree_too_little_are_refused() -> None:
    figures = {"kappa": 0.1, "kappa_interval": [0.0, 0.2], "auc": 0.55, "n": 200}
    with pytest.raises(InputError, match=r"kappa 0\.10 \(0\.00 to 0\.20; AUC 0\.55, 200 texts\), 0\.4 is asked for"):
        agreement.require(figures, 0.4, False)
    with pytest.raises(InputError, match="never measured"):
        agreement.require(None, 0.4, False)
    agreement.require(figures, 0.4, True)
    agreement.require(figures, 0.1, False)


def test_from_documents_to_a_classifier(documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(errs=0.06)
    monkeypatch.setattr("herdbook.inference.client.open_answerer", lambda *args, **settings: judge)
    gold = str(tmp_path / "gold.jsonl")
    figures = label(documents, tmp_path / "labels", n_documents=250, gold=[gold], min_agreement=0.5, question="yes_no")
    assert 0.5 < figures["agreement"]["kappa"] < 0.95
    rows = list(read_jsonl(tmp_path / "labels/labels.jsonl"))
    assert len(rows) == 250
    assert set(rows[0]) == {"id", "prompt_sha256", "model", "answer", "logprobs", "score", "keep"}
    assert "code" not in {row["id"] for row in rows}
    prompt = read_json(tmp_path / "labels/prompt.json")
    assert prompt["template"] == QUESTIONS["yes_no"].template
    assert prompt["sha256"] == rows[0]["prompt_sha256"]

    found = train_quality(documents, tmp_path / "model", labels=tmp_path / "labels", fasttext={"buckets": 2000})
    assert found["known_labels"]["auc"] > 0.97
    assert set(found["classifiers"]) == {"fasttext", "linear"}
    assert found["n_scored"] == 300
    assert set(found["keep_rate_by_source"]) == {"web", "forum"}
    assert read_json(tmp_path / "model/evaluation.json") == found
    model = QualityModel.load(tmp_path / "model")
    assert model.scores([text(True, 7)])[0] > model.cut > model.scores([text(False, 7)])[0]
    train_quality(documents, tmp_path / "again", labels=tmp_path / "labels", fasttext={"buckets": 2000})
    for name in ("scores.parquet", "evaluation.json", "model.json"):
        assert sha256_file(tmp_path / "again" / name) == sha256_file(tmp_path / "model" / name)
    with pytest.raises(InputError, match=r"0\.99 is asked for"):
        train_quality(documents, tmp_path / "no", labels=tmp_path / "labels", min_agreement=0.99)


def test_a_poor_judge_is_refused_before_it_labels(documents: Path, tmp_path: Path, monkeypatch) -> None:
    judge = Judge(errs=0.45)
    monkeypatch.setattr("herdbook.inference.client.open_answerer", lambda *args, **settings: judge)
    settings = {"gold": [str(tmp_path / "gold.jsonl")], "n_documents": 200}
    with pytest.raises(UserError, match="agree too little"):
        label(documents, tmp_path / "labels", **settings)
    assert len(judge.asked) == 120  # the known texts and nothing else
    figures = label(documents, tmp_path / "labels", force=True, **settings)
    assert len(judge.asked) == 320  # the known texts were not asked about again
    with pytest.raises(UserError, match="agree too little"):
        train_quality(documents, tmp_path / "model", labels=tmp_path / "labels")
    found = train_quality(documents, tmp_path / "model", labels=tmp_path / "labels", force=True)
    assert (found["forced"], found["label_agreement"]) == (True, figures["agreement"])


def test_what_is_missing_is_named(documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herdbook.inference.client.open_answerer", lambda *args, **settings: Judge())
    with pytest.raises(InputError, match="never measured"):
        label(documents, tmp_path / "a")
    with pytest.raises(InputError, match="needs positives"):
        train_quality(documents, tmp_path / "b", method="reference")
    with pytest.raises(InputError, match="input `labels`"):
        train_quality(documents, tmp_path / "c")
    for wrong in ({"method": "guess"}, {"scorer": "oracle"}, {"fasttext": {"dim": 0}}):
        with pytest.raises(ConfigError):
            train_quality(documents, tmp_path / "d", **wrong)
    (tmp_path / "odd.jsonl").write_text('{"text": "x", "label": "good"}\n')
    with pytest.raises(InputError, match="no number"):
        label_stage.read_gold(label_stage.Config(gold=(str(tmp_path / "odd.jsonl"),)))


@pytest.fixture
def artifact(documents: Path, tmp_path: Path) -> Path:
    """The documents as an artifact, as a stage would have published them."""
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "documents.parquet").write_bytes(documents.read_bytes())
    identity = compute_identity("collect", {}, 0, {}, 1, None)
    seal_artifact(folder, Card(kind="documents", name="given", identity=identity, stage="collect", version=1))
    return folder


def test_the_stages_in_a_recipe(artifact: Path, tmp_path: Path) -> None:
    with open(tmp_path / "good.jsonl", "w") as file:
        file.writelines(json.dumps({"text": text(True, n)}) + "\n" for n in range(2000, 2200))
    documents = {"documents": str(artifact)}
    quality = {"inputs": documents, "method": "reference", "positives": [str(tmp_path / "good.jsonl")]}
    fasttext = {"buckets": 1000, "dim": 4}
    recipe = {"recipe": {"name": "small"}, "stages": {"quality": {**quality, "fasttext": fasttext}}}
    herdbook.run(recipe, out=tmp_path / "run", mode="quiet")
    made = herdbook.load_artifact(tmp_path / "run" / read_json(tmp_path / "run/recipe.json")["stages"]["quality"])
    assert made.kind == "quality_model"
    assert made.metrics["n_positives"] == 200
    assert made.metrics["auc"] > 0.6  # a third of the negatives are as good as the positives
    assert QualityModel.load(made.path).method == "reference"
    chain = {
        "recipe": {"name": "chain"},
        "stages": {
            "label": {"inputs": documents, "gold": [str(tmp_path / "gold.jsonl")]},
            "quality": {"inputs": {**documents, "labels": "label"}, "force": True},
        },
    }
    assert list(herdbook.plan(chain, out=tmp_path / "chain").stages) == ["label", "quality"]
    chain["stages"]["quality"]["inputs"]["labels"] = str(artifact)
    with pytest.raises(RecipeError, match="labels"):
        herdbook.plan(chain, out=tmp_path / "chain")
