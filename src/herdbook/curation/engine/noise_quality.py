"""The built-in quality score on measured units: trained in the run on what is left, then asked of all prose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.documents import Document
from herdbook.curation.engine.ledger import Ledger
from herdbook.curation.engine.texts import Texts
from herdbook.curation.quality import noise

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CODE = 2000
"""Sources that noise is made of."""


def _document(name: str, text: str, source: str, kind: str) -> Document:
    return Document(name, text, source, "", "unknown", kind)


def _sample(ledger: Ledger, where: str, n: int, seed: int) -> list[int]:
    query = f"SELECT place FROM documents WHERE step IS NULL AND ({where}) ORDER BY md5('{seed}/' || id), id LIMIT {n}"
    return [place for (place,) in ledger.ask(query)]


def train(ledger: Ledger, texts: Texts, config: noise.Config, seed: int) -> noise.Classifier | None:
    """A classifier trained on reference documents (or, where there are too few, on prose at large) and code."""
    quoted = ", ".join(f"'{name}'" for name in noise.REFERENCE_SOURCES)
    prose = _sample(ledger, f"kind = 'prose' AND source IN ({quoted})", config.max_passages, seed)
    if len(prose) < 20:
        prose = _sample(ledger, "kind = 'prose'", config.max_passages, seed)
    code = _sample(ledger, "kind = 'code'", MAX_CODE, seed)
    rows = texts.units.rows([*prose, *code], ("id", "text", "source", "kind"))
    documents = [_document(row["id"], row["text"], row["source"], row["kind"]) for _, row in sorted(rows.items())]
    return noise.train(documents, config, np.random.Generator(np.random.PCG64([seed, 2])))


def judge(
    ledger: Ledger, texts: Texts, n_documents: int, config: noise.Config, seed: int, bar: Callable[[int], None]
) -> tuple[pa.Table, dict[str, Any]]:
    """(verdicts, with a row for every scored document: reason is null where it stays; figures)."""
    import pyarrow as pa

    nothing = pa.table({
        "place": pa.array([], pa.int64()), "reason": pa.array([], pa.string()),
        "detail": pa.array([], pa.string()), "quality": pa.array([], pa.float64()),
    })  # fmt: skip
    model = train(ledger, texts, config, seed)
    if model is None:
        return nothing, {"auc": None, "histogram": [], "histogram_by_source": {}}
    keep = ledger.kept(n_documents, "kind = 'prose'")
    places: list[int] = []
    reasons: list[str | None] = []
    details: list[str | None] = []
    scores: list[float] = []
    for where, batch in texts(keep):
        documents = [_document("", text, "", "prose") for text in batch.to_pylist()]
        values = noise.score(documents, model, config)
        for place, value, drop in zip(where.tolist(), values, noise.judge(documents, values, config)):
            places.append(place)
            scores.append(float(value if value is not None else 0.0))
            reasons.append(None if drop is None else drop.reason)
            details.append(None if drop is None else drop.detail)
        bar(len(where))
    table = pa.table({
        "place": pa.array(places, pa.int64()), "reason": pa.array(reasons, pa.string()),
        "detail": pa.array(details, pa.string()), "quality": pa.array(scores, pa.float64()),
    })  # fmt: skip
    source_of = dict(ledger.ask("SELECT place, source FROM documents WHERE step IS NULL AND kind = 'prose'"))
    by_source: dict[str, list[float]] = {}
    for place, value in zip(places, scores):
        by_source.setdefault(source_of[place], []).append(value)
    figures = {
        "auc": None if model.auc is None else round(model.auc, 4),
        "auc_by_noise": {kind: round(value, 4) for kind, value in model.auc_by_noise.items()},
        "n_train": model.n_train,
        "n_test": model.n_test,
        "threshold": config.min_score,
        "bins": [round(i / 10, 1) for i in range(11)],
        "histogram": histogram(scores),
        "histogram_by_source": {source: histogram(values) for source, values in sorted(by_source.items())},
    }
    return table, figures


def histogram(values: Sequence[float]) -> list[int]:
    """Ten equal bins from 0 to 1."""
    counts = [0] * 10
    for value in values:
        counts[min(9, max(0, int(value * 10)))] += 1
    return counts
