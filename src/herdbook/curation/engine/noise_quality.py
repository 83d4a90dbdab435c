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

    names = pa.schema([
        ("place", pa.int64()), ("reason", pa.string()), ("detail", pa.string()), ("quality", pa.float64()),
    ])  # fmt: skip
    model = _trained(ledger, texts, config, seed, shingled)
    if model is None:
        return names.empty_table(), {"auc": None, "histogram": [], "histogram_by_source": {}}
    prose = ledger.kept(n_documents, "kind = 'prose'")
    others = np.zeros_like(prose) if shingled is None else shingled.mask

    def one(places: I64, batch: Any) -> tuple[pa.Table, I64, Signed | None]:
        scored, wanted = prose[places], others[places]
        part = batch if scored.all() else batch.filter(pa.array(scored))
        values = noise.score(part, model, config)
        drops = noise.judge(part, values, config)
        columns = [
            places[scored],
            [None if drop is None else drop.reason for drop in drops],
            [None if drop is None else drop.detail for drop in drops],
            values,
        ]
        table = pa.table(columns, schema=names)
        if shingled is None:
            return table, places, None
        part = batch if wanted.all() else batch.filter(pa.array(wanted))
        return table, places[wanted], shingled.sign(places[wanted], part)

    parts = []
    for number, (part, places, found) in enumerate(texts.each(prose | others, one)):
        if number % GIVE_BACK == GIVE_BACK - 1:
            give_back()
        if shingled is not None:
            shingled.add(places, found)
        parts.append(part)
        bar(part.num_rows)
    table = pa.concat_tables(parts) if parts else names.empty_table()
    scores = table["quality"].to_numpy()
    sources = ledger.table("SELECT source FROM documents WHERE step IS NULL AND kind = 'prose' ORDER BY place")
    encoded = sources["source"].combine_chunks().dictionary_encode()  # in the order of `texts`
    codes = encoded.indices.to_numpy()
    by_source = {name: scores[codes == i] for i, name in enumerate(encoded.dictionary.to_pylist())}
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


def histogram(values: npt.NDArray[np.float64]) -> list[int]:
    """Ten equal bins from 0 to 1."""
    bins = np.clip((values * 10).astype(np.int64), 0, 9)
    return [int(n) for n in np.bincount(bins, minlength=10)]
