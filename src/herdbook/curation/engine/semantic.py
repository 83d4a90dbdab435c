"""Semantic duplicates among what is left: prose by the embedder that reads its language, the better document stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.dedup.flat import FileRows, FlatFile
from herdbook.curation.dedup.semantic import Config as SearchConfig
from herdbook.curation.engine.ledger import Ledger
from herdbook.curation.engine.preference import order_by
from herdbook.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Config:
    """Whether and how documents are compared by meaning."""

    use: bool = False
    """Whether the step runs: every text that is left becomes a vector."""
    embedders: tuple[str, ...] = ()
    """Embedders that may be used (wordllama, use-static, minilm, use-multilingual, character-ngrams); default: those
    installed."""
    best: bool = False
    """Of several that read a language the most exact one, a network, not the fastest: 0.002 to 0.1 MB a second."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """Cosine from which a document is a duplicate, by embedder, where it is not the embedder's own."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """Clusters and probes; its threshold is not used."""

    def __post_init__(self) -> None:
        from herdbook.curation.embeddings import EMBEDDERS

        for name in (*self.embedders, *self.thresholds):
            if name not in EMBEDDERS:
                raise ConfigError(
                    f"there is no embedder {name!r}.", key="embedders", value=name,
                    remedy=f"Embedders: {', '.join(EMBEDDERS)}.",
                )  # fmt: skip


def _groups(ledger: Ledger, config: Config) -> dict[str, list[str]]:
    """Embedder -> the languages of the prose that it reads."""
    from herdbook.curation.embeddings import installed, name_for

    rows = ledger.ask(
        "SELECT DISTINCT coalesce(language, 'unknown') AS code FROM documents WHERE step IS NULL AND kind = 'prose' "
        "ORDER BY code"
    )
    among = config.embedders or installed()
    groups: dict[str, list[str]] = {}
    for (code,) in rows:
        groups.setdefault(name_for(code, best=config.best, among=among), []).append(code)
    return groups


def judge(
    ledger: Ledger,
    texts: Callable[[Any], Any],
    n_documents: int,
    config: Config,
    prefer: Sequence[str],
    folder: Path,
    memory_limit_bytes: int,
    bar: Callable[[str, int, int], None],
) -> tuple[pa.Table, dict[str, Any]]:
    """(verdicts, figures by embedder). `texts(keep)` gives (places, texts) of the documents marked in a mask [N].

    Of two duplicates the one with the higher quality score stays; where there is none, the preferred source's, the
    longer, the newer. Vectors, and what else the search keeps, lie in files of `folder` beyond `memory_limit_bytes`.
    `bar(what, done, of)` is told of progress ("embed by wordllama").
    """
    import pyarrow as pa

    parts: list[pa.Table] = []
    figures: dict[str, Any] = {}
    for name, languages in _groups(ledger, config).items():
        quoted = ", ".join("'" + code.replace("'", "''") + "'" for code in languages)
        condition = f"kind = 'prose' AND coalesce(language, 'unknown') IN ({quoted})"
        keep = ledger.kept(n_documents, condition)
        order = _best_first(ledger, prefer, condition)
        found, place_of = _of_embedder(texts, keep, name, config, order, folder, memory_limit_bytes, bar)
        gone = np.flatnonzero(~found.kept)
        parts.append(pa.table({
            "place": pa.array(place_of[gone]),
            "reason": pa.array(["semantic_duplicate"] * len(gone), pa.string()),
            "detail": pa.array([name] * len(gone), pa.string()),
            "kept_instead": pa.array(place_of[found.kept_instead[gone]] if len(gone) else np.empty(0, np.int64)),
            "similarity": pa.array(found.similarity[gone]),
        }))  # fmt: skip
        figures[name] = {
            "languages": languages, "documents": len(place_of), "dropped": len(gone),
            "clusters": found.n_clusters, "compared": found.n_compared, "threshold": _threshold(name, config),
        }  # fmt: skip
    nothing = pa.table({"place": pa.array([], pa.int64()), "reason": pa.array([], pa.string())})
    return (pa.concat_tables(parts) if parts else nothing), {"embedders": figures}


def _threshold(name: str, config: Config) -> float:
    from herdbook.curation.embeddings import THRESHOLDS

    return float(config.thresholds.get(name, THRESHOLDS[name]))


def _of_embedder(
    texts: Any, keep: Any, name: str, config: Config, order: Any, folder: Path, memory_limit_bytes: int,
    bar: Callable[[str, int, int], None],
) -> tuple[Any, Any]:  # fmt: skip
    """(verdicts, places) of the documents marked in `keep`; `order`: their places, best first."""
    import dataclasses

    from herdbook.curation.dedup.semantic import semantic_duplicates
    from herdbook.curation.embeddings import embedder
    from herdbook.curation.embeddings.choice import STATIC

    model = embedder(name)
    place_of = np.flatnonzero(keep)
    n = len(place_of)
    position = np.full(len(keep), -1, dtype=np.int64)
    position[place_of] = np.arange(n)
    rank = np.empty(n, dtype=np.int64)
    rank[position[order]] = np.arange(n, 0, -1)
    settings = dataclasses.replace(config.search, threshold=_threshold(name, config))

    def embedded() -> Iterator[Any]:
        done = 0
        for _, batch in texts(keep):
            yield model.embed(batch if name in STATIC else batch.to_pylist())
            done += len(batch)
            bar(f"embed by {name}", done, n)

    judged = 0

    def compared(documents: int) -> None:
        nonlocal judged
        judged += documents
        bar(f"compare by {name}", judged, n)

    with _stored(embedded(), n, model.dim, folder, memory_limit_bytes // 2) as vectors:
        found = semantic_duplicates(
            vectors, rank, settings, folder=folder / "search", memory_limit_bytes=memory_limit_bytes // 2, bar=compared
        )
    return found, place_of


@contextmanager
def _stored(parts: Iterator[Any], n: int, width: int, folder: Path, memory_limit_bytes: int) -> Iterator[Any]:
    """Vectors [n, width] of parts in order: an array, or beyond the limit rows of a file in `folder`, removed at the
    end."""
    if n * width * 4 <= memory_limit_bytes:
        array, done = np.empty((n, width), dtype=np.float32), 0
        for part in parts:
            array[done : done + len(part)] = part
            done += len(part)
        yield array
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vectors.f32"
    path.unlink(missing_ok=True)
    file = FlatFile(path, np.float32, width)
    for part in parts:
        file.append(np.asarray(part, dtype=np.float32))
    file.close(sync=False)
    rows = FileRows(path, np.float32, width)
    try:
        yield rows
    finally:
        rows.close()
        path.unlink()


def _best_first(ledger: Ledger, prefer: Sequence[str], condition: str) -> Any:
    """Places in order: by quality score to two digits, then by preference."""
    return ledger.column(
        f"SELECT place FROM documents WHERE step IS NULL AND ({condition}) "
        f"ORDER BY coalesce(round(quality, 2), -1.0) DESC, {order_by(prefer)}"
    ).astype(np.int64)
