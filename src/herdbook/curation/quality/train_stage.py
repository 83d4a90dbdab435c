"""Stage `quality`: trains a classifier of quality, measures it, and scores every document.

Method `reference` needs positives, method `judged` the labels of stage `label`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.config import from_mapping
from herdbook.curation.documents import iterate_documents, read_documents, text_of_artifact
from herdbook.curation.quality import (
    agreement,
    fasttext_classifier,
    judged_classifier,
    linear_head,
    reference_classifier,
    references,
)
from herdbook.curation.quality.evaluation import held_out_figures, keep_rates
from herdbook.curation.quality.label_stage import draw
from herdbook.curation.quality.quality_model import EMBEDDERS, HASHED, METHODS, QualityModel, embed_by
from herdbook.curation.quality.scored_text import part_of, share_of
from herdbook.errors import ConfigError, InputError
from herdbook.lineage import Artifact
from herdbook.storage import atomic_write_json, disk_errors, read_json, read_jsonl
from herdbook.workspace import InputSpec, Workspace, one

KIND_OUT = "quality_model"
VERSION = 1
INPUTS = {
    "documents": InputSpec(("documents", "corpus")),
    "labels": InputSpec(("labels",), optional=True),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which classifier is trained on what."""

    method: str = "judged"
    """reference: positives of yours against documents of the corpus; judged: the labels of a model."""
    positives: tuple[str, ...] = ()
    """Files or folders of texts such as Wikipedia references (JSON lines or Parquet with `text`, plain text)."""
    max_texts: int = 20_000
    """Positives, and documents as negatives, at most (method reference)."""
    min_agreement: float = 0.4
    """Least Cohen's kappa of the model's labels with known ones (method judged)."""
    force: bool = False
    """Train on labels however little they agree with known ones, or where they were not measured."""
    scorer: str = "best"
    """fasttext, linear (embedding + linear head), or best: the one with the greater AUC on the calibration part."""
    fasttext: fasttext_classifier.Config = field(default_factory=fasttext_classifier.Config)
    """fastText's settings."""
    embedder: str = HASHED
    """What the linear head reads: hashed_ngrams, or an embedder of `make embeddings` (wordllama, minilm, ...)."""
    linear: linear_head.Config = field(default_factory=linear_head.Config)
    """The linear head's settings."""

    def __post_init__(self) -> None:
        if isinstance(self.positives, str):
            object.__setattr__(self, "positives", (self.positives,))
        options_of = (("method", METHODS), ("scorer", judged_classifier.SCORERS), ("embedder", EMBEDDERS))
        for name, options in options_of:
            if getattr(self, name) not in options:
                raise ConfigError(f"{name} must be one of {', '.join(options)}.", key=name, value=getattr(self, name))


def fingerprint(config: Config) -> str:
    """The files of positives."""
    return json.dumps(references.fingerprint_of(references.reference_files(config.positives)))


def estimate(config: Config) -> float:
    """Seconds on two cores, for some 30 MB of documents."""
    return 40.0


def run(config: Config, inputs: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Writes the model (see `quality_model`), evaluation.json and scores.parquet (id and score of all prose); returns
    the figures.

    Raises InputError where positives or labels are missing, too few, or agree too little with known labels.
    """
    documents = text_of_artifact(one(inputs, "documents").path)
    labels = inputs.get("labels")
    return _train_to(documents, labels.path if isinstance(labels, Artifact) else None, config, workspace)


def _train_to(documents: Path, labels: Path | None, config: Config, workspace: Workspace) -> dict[str, Any]:
    with workspace.progress(2, "steps", "quality") as bar:
        if config.method == "reference":
            model, figures, trained = _reference(documents, config, workspace)
        else:
            if labels is None:
                raise InputError("Method judged needs the input `labels`.", key="labels", remedy="Add a stage `label`.")
            model, figures, trained = _judged(labels, config, workspace.seed)
        bar.update(1)
        model.save(workspace.out)
        figures |= score_documents(model, documents, workspace.out / "scores.parquet", trained)
        bar.update(1)
    atomic_write_json(workspace.out / "evaluation.json", figures)
    return figures


Trained = tuple[QualityModel, dict[str, Any], frozenset[str]]
"""The model, its figures, and the ids of the documents that it was trained on."""


def _reference(documents: Path, config: Config, workspace: Workspace) -> Trained:
    if not config.positives:
        raise InputError(
            "Method reference needs positives.", key="positives",
            remedy="Name files of articles of Wikipedia, or of pages that it references, in your languages.",
        )  # fmt: skip
    files = references.reference_files(config.positives)
    positives = references.sample_texts(files, config.max_texts, workspace.rng("positives"))
    negatives = draw(documents, config.max_texts, workspace.rng("negatives"), set(positives))
    model, figures = reference_classifier.train(
        positives, [d.text for d in negatives], config.fasttext, workspace.seed_for("fasttext")
    )
    trained = frozenset(d.id for d in negatives if part_of(d.text) == "train")
    counts = {"n_positives": len(positives), "n_negatives": len(negatives)}
    return model, {"method": "reference", **counts, **figures}, trained


def _judged(labels: Path, config: Config, seed: int) -> Trained:
    path = labels / "agreement.json"
    agreed = read_json(path) if path.is_file() else None
    agreement.require(agreed, config.min_agreement, config.force)
    texts = {d.id: d.text for d in read_documents(labels / "documents.parquet")}
    rows = [row for row in read_jsonl(labels / "labels.jsonl") if row["score"] is not None]
    good = np.array([row["keep"] for row in rows], dtype=bool)
    model, figures = judged_classifier.train(
        [texts[row["id"]] for row in rows], good, config.scorer, config.fasttext, config.linear, seed,
        embed_by(config.embedder), config.embedder,
    )  # fmt: skip
    # The half on which the agreement was measured: the cut of the labels was chosen on the other one.
    known = [row for row in read_jsonl(labels / "gold.jsonl") if share_of(row["text"]) >= 0.5] if agreed else []
    gold = np.array([row["gold"] for row in known], dtype=np.float64)
    if agreed and known:
        true = gold >= agreed["gold_cut"]
        figures["known_labels"] = held_out_figures(model.scores([row["text"] for row in known]), true, model.cut)
    trained = frozenset(row["id"] for row in rows if part_of(texts[row["id"]]) == "train")
    figures = {
        "method": "judged", "label_agreement": agreed, "forced": config.force,
        "share_kept": round(float(good.mean()), 4), **figures,
    }  # fmt: skip
    return model, figures, trained


def score_documents(
    model: QualityModel, documents: Path, out: Path, trained: frozenset[str] = frozenset(), batch: int = 1024
) -> dict[str, Any]:
    """Scores all prose of a file of documents, writes (id, score), and tells what would be kept at the model's cut.

    Documents in `trained` (ids) are scored but not counted in the rates: a model remembers what it was told of them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids: list[str] = []
    sources: list[str] = []
    languages: list[str | None] = []
    parts: list[npt.NDArray[np.float64]] = []
    texts: list[str] = []

    def flush() -> None:
        if texts:
            parts.append(model.scores(texts))
            texts.clear()

    for document in iterate_documents(documents):
        if document.kind == "prose":
            ids.append(document.id)
            sources.append(document.source)
            languages.append(document.language)
            texts.append(document.text)
            if len(texts) == batch:
                flush()
    flush()
    scores = np.concatenate(parts) if parts else np.zeros(0)
    with disk_errors():
        table = pa.table({"id": pa.array(ids, pa.string()), model.column: pa.array(scores.astype(np.float32))})
        pq.write_table(table, out, compression="zstd", store_schema=False)
    fresh = [i for i, name in enumerate(ids) if name not in trained]
    kept = scores[fresh] >= model.cut
    return {
        "n_scored": len(ids),
        "n_trained_on": len(ids) - len(fresh),
        "keep_rate_by_source": keep_rates(kept, [sources[i] for i in fresh]),
        "keep_rate_by_language": keep_rates(kept, [languages[i] for i in fresh]),
    }


def train_quality(
    documents: str | Path, out: str | Path, *, labels: str | Path | None = None, seed: int = 0, mode: str = "quiet",
    **settings: Any,
) -> dict[str, Any]:  # fmt: skip
    """Trains a classifier of quality for a Parquet file of documents into the folder `out`; `settings` are those of
    stage `quality`.

    Returns the figures. Example: `herdbook.curation.train_quality("documents.parquet", "quality", method="reference",
    positives=["wikipedia.jsonl"])`. Raises UserError for what the user can mend.
    """
    config = from_mapping(Config, settings, "quality")
    workspace = Workspace.local(out, seed, mode=mode)
    return _train_to(Path(documents), None if labels is None else Path(labels), config, workspace)
