"""The built-in quality score on measured units: trained in the run on what is left, then asked of all prose."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.documents import Document
from herdbook.curation.engine.ledger import Ledger
from herdbook.curation.engine.memory import give_back
from herdbook.curation.engine.shingled import Shingled
from herdbook.curation.engine.texts import Texts
from herdbook.curation.quality import noise

if TYPE_CHECKING:
    import pyarrow as pa

    from herdbook.curation.dedup.store import Signed

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
MAX_CODE = 2000
"""Sources that noise is made of."""
GIVE_BACK = 64
"""Batches after which memory is given back: what is kept of each lies between what is not."""


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


def _trained(
    ledger: Ledger, texts: Texts, config: noise.Config, seed: int, shingled: Shingled | None
) -> noise.Classifier | None:
    """What `train` gives. Meanwhile another thread, where there are several, makes the first of `shingled`."""
    if shingled is None or texts.units.threads <= 1:
        return train(ledger, texts, config, seed)
    with ThreadPoolExecutor(1, thread_name_prefix="herdbook-train") as pool:
        training = pool.submit(train, ledger, texts, config, seed)
        shingled.complete(texts, training.done, texts.units.threads - 1)
        return training.result()


def judge(
    ledger: Ledger,
    texts: Texts,
    n_documents: int,
    config: noise.Config,
    seed: int,
    bar: Callable[[int], None],
    shingled: Shingled | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """(verdicts, with a row for every scored document: reason is null where it stays; figures).

    `shingled` is given the documents of its mask on the way, so that nobody reads the texts again for them.
    """
    import pyarrow as pa

    model = _trained(ledger, texts, config, seed, shingled)
    if model is None:
        nothing = _table(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool), config)
        return nothing, {"auc": None, "histogram": [], "histogram_by_source": {}}
    prose = ledger.kept(n_documents, "kind = 'prose'")
    others = np.zeros_like(prose) if shingled is None else shingled.mask

    def one(places: I64, batch: Any) -> tuple[F64, Mask, I64, Signed | None]:
        scored, wanted = prose[places], others[places]
        part = batch if scored.all() else batch.filter(pa.array(scored))
        values = noise.score(part, model, config)
        drops = np.array([drop is not None for drop in noise.judge(part, values, config)], dtype=bool)
        if shingled is None:
            return values, drops, places, None
        part = batch if wanted.all() else batch.filter(pa.array(wanted))
        return values, drops, places[wanted], shingled.sign(places[wanted], part)

    n = int(prose.sum())
    scores, gone = np.empty(n), np.zeros(n, dtype=bool)  # a table of each batch would lie between what is freed
    done = 0
    for number, (values, drops, places, found) in enumerate(texts.each(prose | others, one)):
        if number % GIVE_BACK == GIVE_BACK - 1:
            give_back()
        if shingled is not None:
            shingled.add(places, found)
        scores[done : done + len(values)] = values
        gone[done : done + len(values)] = drops
        done += len(values)
        bar(len(values))
    figures = {
        "auc": None if model.auc is None else round(model.auc, 4),
        "auc_by_noise": {kind: round(value, 4) for kind, value in model.auc_by_noise.items()},
        "n_train": model.n_train,
        "n_test": model.n_test,
        "threshold": config.min_score,
        "bins": [round(i / 10, 1) for i in range(11)],
        "histogram": histogram(scores),
        "histogram_by_source": _by_source(ledger, scores),
    }
    return _table(np.flatnonzero(prose), scores, gone, config), figures


def _table(places: I64, scores: F64, gone: Mask, config: noise.Config) -> pa.Table:
    """A row for each scored document; `gone`: which of them go."""
    import pyarrow as pa
    import pyarrow.compute as pc

    drops = [noise.drop_of(score, config) for score in scores[gone].tolist()]
    columns = {"place": pa.array(places)}
    for name in ("reason", "detail"):
        given = pa.array([getattr(drop, name) for drop in drops], pa.string())
        columns[name] = pc.replace_with_mask(pa.nulls(len(places), pa.string()), pa.array(gone), given)
    return pa.table({**columns, "quality": pa.array(scores)})


def _by_source(ledger: Ledger, scores: F64) -> dict[str, list[int]]:
    """Histograms of the scores of all prose that is left, in order of place, by source."""
    left = "step IS NULL AND kind = 'prose'"
    sources = f"SELECT DISTINCT source FROM documents WHERE {left}"
    names = [name for (name,) in ledger.ask(f"{sources} ORDER BY source")]
    codes = ledger.column(
        "SELECT CAST(code AS INTEGER) FROM documents "
        f"JOIN (SELECT source, row_number() OVER (ORDER BY source) - 1 AS code FROM ({sources})) USING (source) "
        f"WHERE {left} ORDER BY place"
    )
    return {name: histogram(scores[codes == code]) for code, name in enumerate(names)}


def histogram(values: npt.NDArray[np.float64]) -> list[int]:
    """Ten equal bins from 0 to 1."""
    bins = np.clip((values * 10).astype(np.int64), 0, 9)
    return [int(n) for n in np.bincount(bins, minlength=10)]
