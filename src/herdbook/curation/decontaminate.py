"""Decontamination: which items of which benchmarks stand in a text, by the measure of the Llama 3 paper (5.1.4).

An item's ratio is the share of its words that lie in a row of eight words (8-gram) that occurs in the corpus; an item
is contaminated from a threshold on, which may differ by benchmark. The same ratio for one document alone says which
documents to drop. Items of fewer than eight words are looked for whole. Words are those of `shingle_kernel.py`: letters
and digits in lower case, so marks and line breaks hide nothing.
Shape letters: G different n-grams of the items, N documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.shingle_kernel import shingles
from herdbook.curation.heuristics.words import texts_of
from herdbook.errors import ConfigError

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Config:
    """How items are found."""

    ngram: int = 8
    """Words of an n-gram (published: 8)."""
    threshold: float = 0.8
    """Share of an item's words from which it counts as contained."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Other shares for single benchmarks, by name."""
    min_words: int = 4
    """Items of fewer words are not looked for: they occur by chance. They are reported as too short."""

    def __post_init__(self) -> None:
        for name, value in {"threshold": self.threshold, **self.thresholds}.items():
            if not 0 < value <= 1:
                raise ConfigError("a share lies over 0 and up to 1.", key=name, value=value)
        if self.ngram < 1 or self.min_words < 1:
            raise ConfigError("at least 1 is needed.", key="ngram", value=min(self.ngram, self.min_words))

    def of(self, benchmark: str) -> float:
        """The threshold of a benchmark."""
        return self.thresholds.get(benchmark, self.threshold)


@dataclass(frozen=True)
class Item:
    """A benchmark item as found in the whole corpus."""

    benchmark: str
    number: int
    """Its place in the benchmark."""
    ratio: float
    """Share of its words in n-grams of the corpus."""
    contaminated: bool
    too_short: bool
    documents: tuple[int, ...]
    """Places of the documents that contain it, each by itself over the threshold."""


@numba.njit(cache=True, nogil=True)
def _fill(keys, places, grams):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(keys) - 1)
    for i in range(len(grams)):
        at = (grams[i] ^ (grams[i] >> np.uint64(31))) & mask
        while places[at] >= 0:
            at = (at + np.uint64(1)) & mask
        keys[at] = grams[i]
        places[at] = i


@numba.njit(cache=True, nogil=True)
def _look_up(values, offsets, keys, places, out_document, out_gram):  # type: ignore[no-untyped-def]
    """Writes (document, place of the n-gram) for each n-gram of the documents that an item has; returns their number,
    which may be more than there is room for."""
    mask = np.uint64(len(keys) - 1)
    n = 0
    for document in range(len(offsets) - 1):
        for s in range(offsets[document], offsets[document + 1]):
            value = values[s]
            at = (value ^ (value >> np.uint64(31))) & mask
            while places[at] >= 0:
                if keys[at] == value:
                    if n < len(out_document):
                        out_document[n] = document
                        out_gram[n] = places[at]
                    n += 1
                    break
                at = (at + np.uint64(1)) & mask
    return n


@dataclass(frozen=True)
class _Width:
    """The n-grams of one length: their hashes in a table, and in which items each stands where."""

    width: int
    keys: U64
    places: I64
    occurrences: list[list[tuple[int, int]]]
    """For each n-gram the (item, first word) where it stands."""


class Decontaminator:
    """Holds the items of benchmarks and what of them was found; documents are given batch by batch.

    Example: `finder = Decontaminator({"mmlu": questions})`, `finder.add(texts)` for each batch, `finder.items()`.
    """

    def __init__(self, benchmarks: Mapping[str, Sequence[str]], config: Config | None = None) -> None:
        self.config = config or Config()
        self._names = [(name, number) for name, items in benchmarks.items() for number in range(len(items))]
        texts = [text for items in benchmarks.values() for text in items]
        self._sizes = np.diff(shingles(texts_of(texts), 1).offsets_N1).tolist()  # one for each word
        self._covered = [np.zeros(size, dtype=np.bool_) for size in self._sizes]
        self._documents: list[list[int]] = [[] for _ in texts]
        self._n_documents = 0
        by_width: dict[int, list[int]] = {}
        for item, size in enumerate(self._sizes):
            if size >= self.config.min_words:
                by_width.setdefault(min(size, self.config.ngram), []).append(item)
        self._widths = [self._index(width, members, texts) for width, members in sorted(by_width.items())]

    def _index(self, width: int, members: list[int], texts: list[str]) -> _Width:
        found = shingles(texts_of([texts[i] for i in members]), width)
        grams, inverse = np.unique(found.values_S, return_inverse=True)
        occurrences: list[list[tuple[int, int]]] = [[] for _ in grams]
        for row, item in enumerate(members):
            for position, s in enumerate(range(found.offsets_N1[row], found.offsets_N1[row + 1])):
                occurrences[inverse[s]].append((item, position))
        size = 1 << max(4, (2 * len(grams)).bit_length())
        keys, places = np.zeros(size, np.uint64), np.full(size, -1, np.int64)
        _fill(keys, places, grams)
        return _Width(width, keys, places, occurrences)

    def add(self, texts: Any) -> list[list[tuple[str, int, float]]]:
        """Looks through a batch of documents. For each: the items that it contains, as (benchmark, number, ratio)."""
        given = texts_of(texts)
        inside: dict[tuple[int, int], npt.NDArray[np.bool_]] = {}
        for index in self._widths:
            found = shingles(given, index.width)
            room = 4096
            while True:
                documents, grams = np.empty(room, np.int64), np.empty(room, np.int64)
                n = _look_up(found.values_S, found.offsets_N1, index.keys, index.places, documents, grams)
                if n <= room:
                    break
                room = n
            pairs = np.unique(np.stack([documents[:n], grams[:n]], axis=1), axis=0)
            for document, gram in pairs.tolist():
                for item, position in index.occurrences[gram]:
                    end = position + index.width
                    self._covered[item][position:end] = True
                    marks = inside.get((document, item))
                    if marks is None:
                        marks = inside[document, item] = np.zeros(self._sizes[item], dtype=np.bool_)
                    marks[position:end] = True
        result: list[list[tuple[str, int, float]]] = [[] for _ in range(len(given))]
        for (document, item), marks in sorted(inside.items()):
            name, number = self._names[item]
            ratio = float(marks.mean())
            if ratio >= self.config.of(name):
                result[document].append((name, number, ratio))
                self._documents[item].append(self._n_documents + document)
        self._n_documents += len(given)
        return result

    def items(self) -> Iterator[Item]:
        """Every item with what all batches together contain of it."""
        for (name, number), marks, documents, size in zip(self._names, self._covered, self._documents, self._sizes):
            short = size < self.config.min_words
            ratio = float(marks.mean()) if size else 0.0
            yield Item(name, number, ratio, not short and ratio >= self.config.of(name), short, tuple(documents))

    def report(self) -> list[dict[str, Any]]:
        """For each benchmark how many items are contaminated, and which."""
        rows: dict[str, dict[str, Any]] = {}
        for item in self.items():
            row = rows.setdefault(
                item.benchmark,
                {
                    "benchmark": item.benchmark,
                    "threshold": self.config.of(item.benchmark),
                    "items": 0,
                    "too_short": 0,
                    "contaminated": [],
                },
            )
            row["items"] += 1
            row["too_short"] += item.too_short
            if item.contaminated:
                row["contaminated"].append(
                    {"number": item.number, "ratio": round(item.ratio, 4), "documents": list(item.documents)}
                )
        return list(rows.values())


def contained_items(
    texts: Iterable[str] | Any, benchmarks: Mapping[str, Sequence[str]], config: Config | None = None
) -> list[list[tuple[str, int, float]]]:
    """For each text the benchmark items that it contains, as (benchmark, number, ratio): `Decontaminator` in one go."""
    return Decontaminator(benchmarks, config).add(texts)
