"""Documents that hold benchmark items, in the same words or (where asked) in others, and a report that names each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation import decontaminate, rephrased
from herdbook.curation.engine.ledger import STATEMENT, Ledger
from herdbook.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which benchmarks are kept out of the corpus, and how their items are recognised."""

    benchmarks: dict[str, str] = field(default_factory=dict)
    """Files with the items by name: gsm8k = "test.jsonl#question" (PATH or PATH#FIELD+FIELD). Without any, no step."""
    ngram: int = 8
    """Words of an n-gram (published: 8)."""
    threshold: float = 0.8
    """Share of an item's words in n-grams of a document from which the document goes."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """Other shares for single benchmarks."""
    min_words: int = 4
    """Items of fewer words are not looked for; the report counts them."""
    rephrased: bool = False
    """Whether items in other words are looked for too, by embeddings. They are reported and dropped like the others."""
    embedder: str = ""
    """Embedder for that; default: use-multilingual where it is installed, else wordllama, else character-ngrams."""
    rephrased_thresholds: dict[str, float] = field(default_factory=dict)
    """Cosine from which a passage is a rephrased item, by benchmark; default: the embedder's."""

    def __post_init__(self) -> None:
        self.exact()

    def exact(self) -> decontaminate.Config:
        """Settings of the search for the same words."""
        return decontaminate.Config(
            ngram=self.ngram, threshold=self.threshold, thresholds=self.thresholds, min_words=self.min_words
        )


def files_of(config: Config) -> list[Path]:
    """The files of the items. Raises InputError for one that is not there."""
    found = {name: Path(where.partition("#")[0]).expanduser() for name, where in config.benchmarks.items()}
    for name, path in found.items():
        if not path.is_file():
            raise InputError(
                f"contamination.benchmarks: {name}: there is no file {path}.", key=name, value=str(path),
                remedy="Give PATH or PATH#FIELD of a file that exists.",
            )  # fmt: skip
    return list(found.values())


def _finder(config: Config, items: Mapping[str, list[str]]) -> rephrased.RephrasedFinder | None:
    if not config.rephrased:
        return None
    from herdbook.curation.embeddings import embedder, installed

    here = installed()
    name = config.embedder or next(n for n in ("use-multilingual", "wordllama", "character-ngrams") if n in here)
    return rephrased.RephrasedFinder(items, embedder(name), rephrased.Config(thresholds=config.rephrased_thresholds))


def judge(
    ledger: Ledger, texts: Callable[[Any], Any], n_documents: int, config: Config, bar: Callable[[int], None]
) -> tuple[pa.Table, dict[str, Any]]:
    """(verdicts, the report: for each benchmark the items found, with the ids of the documents that hold them)."""
    import pyarrow as pa

    from herdbook.curation.benchmark_files import read_benchmarks

    items = read_benchmarks(config.benchmarks)
    exact = decontaminate.Decontaminator(items, config.exact())
    other = _finder(config, items)
    keep = ledger.kept(n_documents, f"kind <> '{STATEMENT}'")
    gone: dict[int, tuple[str, str]] = {}
    for places, batch in texts(keep):
        for place, found in zip(places.tolist(), exact.add(batch)):
            if found:
                gone[place] = ("contains_benchmark", _detail(found))
        if other is not None:
            ids = ledger.ids(places)
            for place, found in zip(places.tolist(), other.add(ids, batch.to_pylist())):
                if found and place not in gone:
                    gone[place] = ("rephrased_benchmark", _detail(found))
        bar(len(places))
    verdicts = pa.table({
        "place": pa.array(sorted(gone), pa.int64()),
        "reason": pa.array([gone[place][0] for place in sorted(gone)], pa.string()),
        "detail": pa.array([gone[place][1] for place in sorted(gone)], pa.string()),
    })  # fmt: skip
    place_of = np.flatnonzero(keep)
    named = [
        {
            "benchmark": item.benchmark, "item": item.number, "ratio": round(item.ratio, 4),
            "text": items[item.benchmark][item.number][:200],
            "documents": ledger.ids(place_of[np.array(item.documents, dtype=np.int64)]),
        }
        for item in exact.items()
        if item.contaminated or item.documents
    ]  # fmt: skip
    report: dict[str, Any] = {"benchmarks": exact.report(), "items": named}
    if other is not None:
        report["rephrased"] = {
            "embedder": other.embedder.name,
            "benchmarks": other.report(),
            "items": [
                {
                    "benchmark": f.benchmark, "item": f.number, "cosine": round(f.cosine, 4), "document": f.document,
                    "passage": f.passage[:200], "text": items[f.benchmark][f.number][:200],
                }
                for f in other.findings()
            ],
        }  # fmt: skip
    return verdicts, report


def _detail(found: list[tuple[str, int, float]]) -> str:
    benchmark, number, value = max(found, key=lambda item: item[2])
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{benchmark} item {number} ({value:.2f}){more}"
