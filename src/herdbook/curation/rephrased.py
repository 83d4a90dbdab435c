"""Rephrased benchmark items: passages of the corpus whose meaning is close to an item's, though the words differ.

`decontaminate.py` finds items in the same words; a paraphrase passes it (Yang et al. 2023, "Rethinking Benchmark and
Contamination with Rephrased Samples"). Here a text is cut into passages about as long as the items, and a passage
whose vector has a cosine of `threshold` or more with an item's is a finding. An embedder is no judge: two tasks that
differ in their numbers alone are close too. Findings are a list to look at, each with its passage; nothing is removed
unless the caller does it.
Shape letters: I items, P passages, E numbers of a vector.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.embeddings.embedder import Embedder
from herdbook.errors import ConfigError

BATCH = 4096
"""Passages that are compared at a time."""
THRESHOLDS = {"use-multilingual": 0.76, "wordllama": 0.74, "minilm": 0.8, "character-ngrams": 0.43}
"""Cosine from which a passage counts as a rephrased item: docs/curation.md, "Rephrased benchmark items", says how they
were chosen. Lower than for duplicates of whole documents: a paraphrase is farther away than a copy."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What counts as a rephrased item."""

    threshold: float = 0.0
    """Cosine from which a passage is a finding; 0: the embedder's of `THRESHOLDS`."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Other cosines for single benchmarks, by name."""
    min_characters: int = 20
    """Shorter items and passages are not compared, for they agree by chance; such items are reported as too short."""
    max_findings: int = 20
    """Most passages that are kept for an item: the most similar ones."""

    def __post_init__(self) -> None:
        for name, value in {"threshold": self.threshold, **self.thresholds}.items():
            if not 0 <= value <= 1:
                raise ConfigError("a cosine lies between 0 and 1.", key=name, value=value)
        for name in ("min_characters", "max_findings"):
            if getattr(self, name) < 1:
                raise ConfigError("at least 1 is needed.", key=name, value=getattr(self, name))


@dataclass(frozen=True)
class Finding:
    """A passage that resembles an item."""

    benchmark: str
    number: int
    """The item's place in the benchmark."""
    document: str
    """Id of the document."""
    start: int
    """The passage in the document: characters from start to end."""
    end: int
    cosine: float
    passage: str


def passages(text: str, size: int, least: int = 1) -> Iterator[tuple[int, int]]:
    """(start, end) of the passages of a text: its lines and paragraphs of up to twice `size` characters, and windows
    of `size` characters that begin every half `size`, cut where a word ends. Each span once; none under `least`."""
    seen: set[tuple[int, int]] = set()

    def fresh(start: int, end: int) -> Iterator[tuple[int, int]]:
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        if end - start >= least and (start, end) not in seen:
            seen.add((start, end))
            yield start, end

    for mark in ("\n\n", "\n"):
        start = 0
        for part in text.split(mark):
            if len(part) <= 2 * size:
                yield from fresh(start, start + len(part))
            start += len(part) + len(mark)
    start = 0
    while start < len(text):
        end = _word_end(text, start + size)
        yield from fresh(start, end)
        if end == len(text):
            return
        start = max(start + 1, _word_end(text, start + size // 2))


def _word_end(text: str, at: int) -> int:
    """The place of the next blank from `at` on, at most 30 characters on (scripts without blanks): else `at`."""
    if at >= len(text):
        return len(text)
    for place in range(at, min(len(text), at + 30)):
        if text[place].isspace():
            return place
    return len(text) if at + 30 >= len(text) else at


class RephrasedFinder:
    """Holds the items of benchmarks and the passages that resemble them; documents are given batch by batch.

    Example: `finder = RephrasedFinder({"gsm8k": questions}, embedder("minilm"))`, `finder.add(ids, texts)` for each
    batch, `finder.report()`. What is found does not depend on the batches.
    """

    def __init__(self, items: Mapping[str, Sequence[str]], embedder: Embedder, config: Config | None = None) -> None:
        self.config = config or Config()
        self.embedder = embedder
        default = self.config.threshold or THRESHOLDS.get(embedder.name, 0.8)
        self._thresholds = {name: self.config.thresholds.get(name, default) for name in items}
        self._names = [(name, number) for name, texts in items.items() for number in range(len(texts))]
        texts = [text for group in items.values() for text in group]
        self._short = np.array([len(text.strip()) < self.config.min_characters for text in texts], dtype=np.bool_)
        self._vectors_IE = embedder.embed(texts)
        self._limits_I = np.array([self._thresholds[name] for name, _ in self._names], dtype=np.float32)
        self._limits_I[self._short] = 2
        sizes: dict[str, list[int]] = {}
        for (name, _), text, short in zip(self._names, texts, self._short.tolist()):
            if not short:
                sizes.setdefault(name, []).append(len(text))
        self._sizes = sorted({int(statistics.median(each)) for each in sizes.values()})
        self._found: list[list[Finding]] = [[] for _ in self._names]
        self.n_passages = 0

    def add(self, ids: Sequence[str], texts: Any) -> list[list[tuple[str, int, float]]]:
        """For each document the items that a passage of it resembles, as (benchmark, number, largest cosine)."""
        result: list[dict[int, float]] = [{} for _ in ids]
        waiting: list[tuple[int, int, int]] = []
        given = [str(text) for text in texts]
        for place, text in enumerate(given):
            spans = {span for size in self._sizes for span in passages(text, size, self.config.min_characters)}
            waiting += [(place, *span) for span in sorted(spans)]
            while len(waiting) >= BATCH:
                self._compare(ids, given, waiting[:BATCH], result)
                waiting = waiting[BATCH:]
        if waiting:
            self._compare(ids, given, waiting, result)
        return [[(*self._names[item], cosine) for item, cosine in sorted(found.items())] for found in result]

    def _compare(
        self, ids: Sequence[str], texts: list[str], spans: list[tuple[int, int, int]], result: list[dict[int, float]]
    ) -> None:
        x_PE = self.embedder.embed([texts[place][start:end] for place, start, end in spans])
        self.n_passages += len(spans)
        cosines_PI: npt.NDArray[np.float32] = x_PE @ self._vectors_IE.T
        for row, item in zip(*np.nonzero(cosines_PI >= self._limits_I)):
            place, start, end = spans[row]
            cosine = round(float(cosines_PI[row, item]), 4)
            result[place][int(item)] = max(cosine, result[place].get(int(item), 0.0))
            benchmark, number = self._names[item]
            found = self._found[item]
            found.append(Finding(benchmark, number, str(ids[place]), start, end, cosine, texts[place][start:end]))
            if len(found) > 2 * self.config.max_findings:
                self._found[item] = self._best(found)

    def _best(self, found: list[Finding]) -> list[Finding]:
        """The most similar passages, one for each document."""
        best: dict[str, Finding] = {}
        for one in sorted(found, key=lambda f: (-f.cosine, f.document, f.start, f.end)):
            best.setdefault(one.document, one)
        return list(best.values())[: self.config.max_findings]

    def findings(self) -> Iterator[Finding]:
        """What was found, item by item, the most similar passage of each document, best first."""
        for found in self._found:
            yield from self._best(found)

    def report(self) -> list[dict[str, Any]]:
        """For each benchmark how many items have a passage that resembles them, and which: a list to look at."""
        rows: dict[str, dict[str, Any]] = {
            name: {
                "benchmark": name, "embedder": self.embedder.name, "threshold": threshold,
                "items": 0, "too_short": 0, "rephrased": [],
            }
            for name, threshold in self._thresholds.items()
        }  # fmt: skip
        for (name, number), short, found in zip(self._names, self._short.tolist(), self._found):
            row = rows[name]
            row["items"] += 1
            row["too_short"] += short
            if found:
                passages_ = [
                    {"document": f.document, "start": f.start, "end": f.end, "cosine": f.cosine, "passage": f.passage}
                    for f in self._best(found)
                ]
                row["rephrased"].append({"number": number, "passages": passages_})
        return list(rows.values())
