"""Line-level deduplication: lines that a bucket of documents repeats go (Llama 3, section 3.1.1: those seen more than
6 times in each bucket of 30 million documents).

A line is what stands between line feeds, compared without white space at its ends and in lower case of ASCII. Menus,
cookie notices and licences vanish so, and with them some frequent good text; the paper found that worth it. Two passes:
`LineCounts.add` for every batch of a bucket, then `without_frequent_lines`. Memory: 24 to 48 bytes for each different
line. `LineStore` (`line_store.py`) does the same for any number of buckets and lines, with a disk behind it. Languages
are counted apart by giving each a counter of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import Texts, texts_of
from herdbook.curation.kernel import inner
from herdbook.errors import ConfigError

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which lines go."""

    max_occurrences: int = 6
    """Most occurrences of a line in a bucket (published: 6); a line over that goes wherever it stands."""
    bucket_documents: int = 30_000_000
    """Documents of a bucket (published: 30 million). The caller begins a new `LineCounts` for each."""
    min_characters: int = 1
    """Shorter lines stay (characters, blanks at the ends not counted)."""

    def __post_init__(self) -> None:
        for name in ("max_occurrences", "bucket_documents", "min_characters"):
            if getattr(self, name) < 1:
                raise ConfigError("at least 1 is needed.", key=name, value=getattr(self, name))


@inner
def _line(text, i, stop):  # type: ignore[no-untyped-def]
    """(hash of the line at i, its characters without blanks at the ends, where the next begins); hash 0: blank."""
    end = i
    while end < stop and text[end] != 10:
        end += 1
    a, b = i, end
    while a < b and text[a] <= 32:
        a += 1
    while b > a and text[b - 1] <= 32:
        b -= 1
    if a == b:
        return np.uint64(0), 0, end + 1
    value = np.uint64(0xCBF29CE484222325)
    size = 0
    for k in range(a, b):
        c = text[k]
        size += (c & 0xC0) != 0x80
        if 65 <= c <= 90:
            c |= 0x20
        value = (value ^ np.uint64(c)) * np.uint64(0x100000001B3)
    value ^= value >> np.uint64(32)
    value *= np.uint64(0xD6E8FEB86659FD93)
    return (value ^ (value >> np.uint64(32))) | np.uint64(1), size, end + 1


@inner
def _place(keys, key):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(keys) - 1)
    at = (key >> np.uint64(1)) & mask
    while keys[at] != 0 and keys[at] != key:
        at = (at + np.uint64(1)) & mask
    return at


@inner
def _count(text, offsets, first, least_size, keys, counts, used):  # type: ignore[no-untyped-def]
    """Counts lines from document `first` on. Returns (document to go on with, places used): it stops before the table
    is more than half full."""
    for document in range(first, len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        if used + (stop - i) // 2 + 1 > len(keys) // 2:
            # this document alone might fill it: count its lines before going on
            lines = 1
            for k in range(i, stop):
                if text[k] == 10:
                    lines += 1
            if used + lines > len(keys) // 2:
                return document, used
        while i < stop:
            key, size, i = _line(text, i, stop)
            if key == 0 or size < least_size:
                continue
            at = _place(keys, key)
            if keys[at] == 0:
                keys[at] = key
                used += 1
            if counts[at] < 0xFFFFFFFF:
                counts[at] += 1
    return len(offsets) - 1, used


@inner
def _rehash(keys, counts, new_keys, new_counts):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        if keys[i] != 0:
            at = _place(new_keys, keys[i])
            new_keys[at] = keys[i]
            new_counts[at] = counts[i]


@inner
def _copy(text, offsets, keys, counts, most, least_size, out, out_offsets, dropped):  # type: ignore[no-untyped-def]
    """Copies the texts without frequent lines; returns bytes written."""
    written = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        while i < stop:
            key, size, following = _line(text, i, stop)
            if key != 0 and size >= least_size and counts[_place(keys, key)] > most:
                dropped[document] += 1
            else:
                for k in range(i, min(following, stop)):
                    out[written] = text[k]
                    written += 1
            i = following
        out_offsets[document + 1] = written
    return written


class LineCounts:
    """How often each line occurs in a bucket; documents are given batch by batch."""

    def __init__(self, min_characters: int = 1) -> None:
        self._least = min_characters
        self._keys: U64 = np.zeros(1 << 12, dtype=np.uint64)
        self._counts = np.zeros(1 << 12, dtype=np.uint32)
        self._used = 0
        self.n_documents = 0

    def add(self, texts: Any) -> None:
        """Counts the lines of a batch (an Arrow array of strings or a sequence of them)."""
        given = texts_of(texts)
        document = 0
        while document < len(given):
            document, self._used = _count(
                given.data, given.offsets_N1, document, self._least, self._keys, self._counts, np.int64(self._used)
            )
            if document < len(given):
                keys = np.zeros(2 * len(self._keys), dtype=np.uint64)
                counts = np.zeros(len(keys), dtype=np.uint32)
                _rehash(self._keys, self._counts, keys, counts)
                self._keys, self._counts = keys, counts
        self.n_documents += len(given)

    @property
    def n_lines(self) -> int:
        """Different lines, blank ones not counted."""
        return int(self._used)

    @property
    def n_bytes(self) -> int:
        """Memory of the table."""
        return len(self._keys) * 12

    def rows(self) -> tuple[U64, npt.NDArray[np.uint32]]:
        """(hash of each different line, how often it occurs), in no order."""
        filled = np.flatnonzero(self._keys)
        return self._keys[filled], self._counts[filled]

    def without_frequent_lines(self, texts: Any, config: Config | None = None) -> tuple[Any, npt.NDArray[np.int64]]:
        """(the texts without frequent lines as an Arrow array, lines dropped of each [N])."""
        return copy_without(texts_of(texts), self._keys, self._counts, config or Config())


def table_of(keys: U64) -> tuple[U64, npt.NDArray[np.uint32]]:
    """A table of counts in which every key occurs more often than any limit."""
    room = 16
    while room < 2 * len(keys):
        room *= 2
    table, counts = np.zeros(room, dtype=np.uint64), np.zeros(room, dtype=np.uint32)
    _rehash(keys, np.full(len(keys), 0xFFFFFFFF, dtype=np.uint32), table, counts)
    return table, counts


def copy_without(given: Texts, keys: U64, counts: npt.NDArray[np.uint32], config: Config) -> tuple[Any, I64]:
    """(the texts without the lines that a table of counts says are frequent, lines dropped of each [N])."""
    import pyarrow as pa

    out = np.empty(int(given.offsets_N1[-1] - given.offsets_N1[0]), dtype=np.uint8)
    offsets = np.zeros(len(given) + 1, dtype=np.int64)
    dropped = np.zeros(len(given), dtype=np.int64)
    n = _copy(
        given.data, given.offsets_N1, keys, counts, config.max_occurrences, config.min_characters,
        out, offsets, dropped,
    )  # fmt: skip
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(out[:n])]
    return pa.Array.from_buffers(pa.large_string(), len(given), buffers), dropped
