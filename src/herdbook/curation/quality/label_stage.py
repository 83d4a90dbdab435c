"""Stage `label`: a model says how good a sample of documents is, after its labels of known texts were measured.

Llama Team 2024, section 3.1.1: there Llama 2 judged documents, and classifiers were trained on what it said.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from herdbook.config import from_mapping
from herdbook.curation.documents import Document, iterate_documents, text_of_artifact, write_documents
from herdbook.curation.quality import agreement, references
from herdbook.curation.quality.labels import Label, label_texts
from herdbook.curation.quality.prompts import Question, question_of
from herdbook.curation.quality.scored_text import share_of
from herdbook.errors import ConfigError, InputError
from herdbook.storage import atomic_write_json, disk_errors, write_jsonl
from herdbook.workspace import InputSpec, Workspace, one

KIND_OUT = "labels"
VERSION = 1
INPUTS = {
    "documents": InputSpec(("documents", "corpus")),
    "model": InputSpec(("model",), optional=True),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Who labels what, and what the labels are measured against."""

    model: str = "smollm2"
    """Who is asked where no input `model` is given: a path, `smollm2`, or the address of an endpoint (http://HOST/v1)."""
    model_name: str = ""
    """The endpoint's name of the model."""
    api_key_env: str = ""
    """Name of the environment variable that holds the endpoint's key; no key is sent without it."""
    n_documents: int = 1000
    """Documents to label, drawn by the seed from prose."""
    question: str = "examples"
    """What is asked: examples (twelve answered ones, for small models), grade (0 to 5), yes_no."""
    prompt: str = ""
    """A question of your own instead, with {text} in it."""
    answers: dict[str, float] = field(default_factory=dict)
    """The answers to your own question and their worth from 0 to 1: {yes = 1, no = 0}."""
    gold: tuple[str, ...] = ()
    """Files of texts with known labels (JSON lines or Parquet with `text` and a number `label`)."""
    gold_cut: float | None = None
    """Known labels from this on are good; None: half way between the least and the greatest."""
    min_agreement: float = 0.4
    """Least Cohen's kappa with the known labels (0.4: "moderate", Landis and Koch 1977). Less ends the stage before the
    sample is labelled."""
    force: bool = False
    """Label the sample however little the labels agree, or without known ones."""
    max_words: int = 300
    """Words of a document that the model reads."""
    max_tokens: int = 8
    """Longest answer of a model that gives no log-probabilities."""
    batch: int = 32
    """Texts asked about together; a kill loses at most so many answers."""
    timeout: float = field(default=120.0, metadata={"identity": False})
    """Seconds that an endpoint may take for an answer."""
    retries: int = field(default=6, metadata={"identity": False})
    """Further tries where an endpoint fails."""
    concurrency: int = field(default=4, metadata={"identity": False})
    """Requests to an endpoint at one time."""

    def __post_init__(self) -> None:
        if isinstance(self.gold, str):
            object.__setattr__(self, "gold", (self.gold,))
        for name in ("n_documents", "max_words", "max_tokens", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1.", key=name, value=getattr(self, name))
        question_of(self.question, self.prompt, self.answers)


def fingerprint(config: Config) -> str:
    """The files of known labels."""
    return json.dumps(references.fingerprint_of(references.reference_files(config.gold, "gold")))


def estimate(config: Config) -> float:
    """Seconds on two cores with a model of 135M parameters."""
    return 0.5 * config.n_documents


def read_gold(config: Config) -> tuple[list[str], np.ndarray]:
    """Texts with known labels, float64 [N]. Raises InputError for a row without a number."""
    texts: list[str] = []
    values: list[float] = []
    for path in references.reference_files(config.gold, "gold"):
        for row in references.rows_of(path, "gold"):
            value = row.get("label")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
                raise InputError(
                    f"{path} has a row whose `label` is no number: {value!r}.", key="gold", value=str(path)
                )
            texts.append(row["text"])
            values.append(float(value))
    return texts, np.array(values, dtype=np.float64)


def draw(documents: Path, n: int, rng: np.random.Generator, avoid: set[str]) -> list[Document]:
    """n prose documents with text, drawn evenly in one pass, in the order of the file; none with a text in `avoid`."""
    kept: list[tuple[int, Document]] = []
    seen = 0
    for number, document in enumerate(iterate_documents(documents)):
        if document.kind != "prose" or not document.text.strip() or document.text in avoid:
            continue
        seen += 1
        if len(kept) < n:
            kept.append((number, document))
        elif (place := int(rng.integers(seen))) < n:
            kept[place] = (number, document)
    return [document for _, document in sorted(kept, key=lambda pair: pair[0])]


def run(config: Config, inputs: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Measures the model on known texts, labels the sample, writes labels.jsonl, documents.parquet, prompt.json and,
    with gold, gold.jsonl and agreement.json; returns their figures.

    Raises InputError where the labels agree too little (see `agreement.require`), or there is no prose.
    """
    return _label(text_of_artifact(one(inputs, "documents").path), inputs.get("model"), config, workspace)


def _label(documents: Path, artifact: Any, config: Config, workspace: Workspace) -> dict[str, Any]:
    from herdbook.inference.client import is_endpoint, open_answerer

    question = question_of(config.question, config.prompt, config.answers)
    gold_texts, gold = read_gold(config)
    if not gold_texts:
        agreement.require(None, config.min_agreement, config.force)
    sample = draw(documents, config.n_documents, workspace.rng("label"), set(gold_texts))
    if not sample:
        raise InputError("There is no prose to label.", key="documents")
    named = str(artifact.path) if artifact is not None else config.model
    limits = {"timeout": config.timeout, "retries": config.retries, "concurrency": config.concurrency}
    if is_endpoint(named):
        workspace.say(f"label: texts are sent to {named}")
    model = open_answerer(
        named, model_name=config.model_name, api_key_env=config.api_key_env, device=workspace.device,
        **(limits if is_endpoint(named) else {}),
    )  # fmt: skip
    figures: dict[str, Any] | None = None
    with model, workspace.progress(len(gold_texts) + len(sample), "texts", "label") as bar:

        def ask(ids: list[str], texts: list[str], store: str) -> list[Label]:
            return label_texts(
                ids, texts, model, question, workspace.checkpoints / store, max_words=config.max_words,
                max_tokens=config.max_tokens, batch=config.batch, seen=bar.update,
            )  # fmt: skip

        gold_labels: list[Label] = []
        if gold_texts:
            gold_labels = ask([f"gold-{i}" for i in range(len(gold_texts))], gold_texts, "gold.jsonl")
            found = agreement.measure(
                [row.score for row in gold_labels], gold, np.array([share_of(t) for t in gold_texts]), config.gold_cut
            )
            figures = found.to_json()
            workspace.say(
                f"label: {model.name} agrees with the known labels: kappa {found.kappa:.2f}, AUC {found.auc:.2f}"
            )
            agreement.require(figures, config.min_agreement, config.force)
        labels = ask([d.id for d in sample], [d.text for d in sample], "labels.jsonl")
    return _write(workspace.out, sample, labels, gold_texts, gold, gold_labels, figures, question, model.name)


def _write(
    out: Path, sample: list[Document], labels: list[Label], gold_texts: list[str], gold: np.ndarray,
    gold_labels: list[Label], figures: dict[str, Any] | None, question: Question, model: str,
) -> dict[str, Any]:  # fmt: skip
    cut = figures["cut"] if figures else 0.5
    with disk_errors():
        write_documents(out / "documents.parquet", sample)
    kept = [row.score is not None and row.score >= cut for row in labels]
    write_jsonl(out / "labels.jsonl", ({**row.to_json(), "keep": keep} for row, keep in zip(labels, kept)))
    prompt = {**question.to_json(), "sha256": question.sha256, "model": model}
    atomic_write_json(out / "prompt.json", prompt)
    if figures:
        atomic_write_json(out / "agreement.json", figures)
        rows = ({**a.to_json(), "text": t, "gold": float(g)} for a, t, g in zip(gold_labels, gold_texts, gold))
        write_jsonl(out / "gold.jsonl", rows)
    unparsed = sum(row.score is None for row in labels)
    return {
        "n_documents": len(labels), "n_unparsed": unparsed, "share_kept": round(sum(kept) / len(kept), 4), "cut": cut,
        "model": model, "agreement": figures,
    }  # fmt: skip


def label(
    documents: str | Path, out: str | Path, *, seed: int = 0, mode: str = "quiet", **settings: Any
) -> dict[str, Any]:
    """Labels a sample of a Parquet file of documents into the folder `out`; `settings` are those of stage `label`.

    Returns the figures. Example: `herdbook.curation.label("documents.parquet", "labels", model="smollm2",
    gold=["known.jsonl"])`. Raises UserError for what the user can mend.
    """
    config = from_mapping(Config, settings, "label")
    return _label(Path(documents), None, config, Workspace.local(out, seed, mode=mode))
