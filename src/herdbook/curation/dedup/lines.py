"""Line-level deduplication: lines that a bucket of documents repeats go (Llama 3, section 3.1.1: those seen more than
6 times in each bucket of 30 million documents).

A line is what stands between line feeds, compared without white space at its ends and in lower case of ASCII. Menus,
cookie notices and licences vanish so, and with them some frequent good text; the paper found that worth it. Two passes:
`LineCounts.add` for every batch of a bucket, then `without_frequent_lines`. Memory: 24 to 48 bytes for each different
line. `LineStore` (`line_store.py`) does the same for any number of buckets and lines, with a disk behind it. Languages
are counted apart by giving each a counter of its own.

A text is hashed once, into `Lines`: all that counting, sizes of what is left and cutting need to know of it. The engine
does so while a unit is measured (`line_files.py`).
Shape letters: L lines of all texts one after the other, N texts, R rows: numbers of those texts that are meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation import character_kinds
from herdbook.curation.character_kinds import SIZE, SPACE
from herdbook.curation.heuristics.lines import feed
from herdbook.curation.heuristics.words import Texts, _code_at, texts_of
from herdbook.curation.kernel import inner
from herdbook.curation.wide import LAST, STEP, copy, eight, lower_8, lowest
from herdbook.errors import ConfigError

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
MEASURED_BY = ("min_characters",)
"""Settings that the lines of a unit are hashed with."""


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


@dataclass(frozen=True)
class Lines:
    """The lines of N texts: those of text i are offsets_N1[i] to offsets_N1[i + 1] of both arrays."""

    keys_L: U64
    """Hash of each line; 0 where it is blank or shorter than `min_characters`, and therefore stays."""
    marks_L: U32
    """Twice the bytes of the line, its line feed included, and 1 more where it has other than white space
    (`str.isspace`)."""
    offsets_N1: I64

    def __post_init__(self) -> None:
        # Kernels are compiled once for read-only arrays, and not again for writable ones.
        for name in ("keys_L", "marks_L", "offsets_N1"):
            readable = getattr(self, name).view()
            readable.flags.writeable = False
            object.__setattr__(self, name, readable)

    def __len__(self) -> int:
        return len(self.offsets_N1) - 1


@inner
def _key(text, start, stop):  # type: ignore[no-untyped-def]
    """Hash of a line in lower case, 8 bytes a step; never 0."""
    value = np.uint64(stop - start) * STEP
    i = start
    while i < stop:
        value = (value ^ lower_8(eight(text, i) & lowest(8 * (stop - i)))) * STEP
        value ^= value >> np.uint64(32)
        i += 8
    value *= LAST
    return (value ^ (value >> np.uint64(32))) | np.uint64(1)


@inner
def _line(text, i, stop):  # type: ignore[no-untyped-def]
    """(hash of the line at i, its characters without blanks at the ends, where the next begins); hash 0: blank."""
    end, size = feed(text, i, stop)
    a, b = i, end
    while a < b and text[a] <= 32:
        a += 1
    while b > a and text[b - 1] <= 32:
        b -= 1
    if a == b:
        return np.uint64(0), np.int64(0), end + 1
    return _key(text, a, b), size - (a - i) - (end - b), end + 1


@inner
def _place(keys, key):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(keys) - 1)
    at = (key >> np.uint64(1)) & mask
    while keys[at] != 0 and keys[at] != key:
        at = (at + np.uint64(1)) & mask
    return at


@inner
def _hash(text, offsets, wanted, least_size, kinds, keys, marks, line_offsets):  # type: ignore[no-untyped-def]
    """Fills the arrays of `Lines`; texts that are not wanted have none. Returns the number of lines."""
    n = np.int64(0)
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        if not wanted[document]:
            i = stop
        while i < stop:
            key, size, following = _line(text, i, stop)
            following = min(following, stop)
            keys[n] = key if size >= least_size else np.uint64(0)
            mark = np.uint32(following - i) * np.uint32(2)
            while i < following:
                code, width = _code_at(text, i, following)
                if code >= SIZE or kinds[code] & SPACE == 0:
                    mark += np.uint32(1)
                    break
                i += width
            marks[n] = mark
            n += 1
            i = following
        line_offsets[document + 1] = n
    return n


def hashed_lines(texts: Any, min_characters: int = 1, wanted: npt.NDArray[np.bool_] | None = None) -> Lines:
    """The lines of texts (an Arrow array of strings or a sequence of them); of those marked in `wanted` [N] alone,
    where that is given. Lines are shorter than 2 GiB."""
    given = texts_of(texts)
    mine = np.ones(len(given), dtype=bool) if wanted is None else np.ascontiguousarray(wanted)
    a, b = int(given.offsets_N1[0]), int(given.offsets_N1[-1])
    room = int(np.count_nonzero(given.data[a:b] == 10)) + len(given)
    keys, marks = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.uint32)
    offsets = np.zeros(len(given) + 1, dtype=np.int64)
    n = _hash(given.data, given.offsets_N1, mine, min_characters, character_kinds.kinds(), keys, marks, offsets)
    return Lines(keys[:n], marks[:n], offsets)


@inner
def _count(keys, offsets, rows, first, table, counts, used):  # type: ignore[no-untyped-def]
    """Counts the lines of `rows` from the one numbered `first` on. Returns (number to go on with, places used): it
    stops before the table is more than half full."""
    for number in range(first, len(rows)):
        begin, end = offsets[rows[number]], offsets[rows[number] + 1]
        if used + (end - begin) > len(table) // 2:
            return number, used
        for line in range(begin, end):
            key = keys[line]
            if key == 0:
                continue
            at = _place(table, key)
            if table[at] == 0:
                table[at] = key
                used += 1
            if counts[at] < 0xFFFFFFFF:
                counts[at] += 1
    return len(rows), used


@inner
def _rehash(keys, counts, new_keys, new_counts):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        if keys[i] != 0:
            at = _place(new_keys, keys[i])
            new_keys[at] = keys[i]
            new_counts[at] = counts[i]


@inner
def _copy(text, offsets, keys, marks, line_offsets, rows, table, counts, most, out, out_offsets, dropped):  # type: ignore[no-untyped-def]
    """Copies texts without frequent lines; the lines of text i are those of row rows[i]. Returns bytes written."""
    written = 0
    for document in range(len(offsets) - 1):
        i = first = offsets[document]
        for line in range(line_offsets[rows[document]], line_offsets[rows[document] + 1]):
            following = i + np.int64(marks[line] >> np.uint32(1))
            if keys[line] != 0 and counts[_place(table, keys[line])] > most:
                dropped[document] += 1
                written = copy(text, first, i, out, written)
                first = following
            i = following
        written = copy(text, first, i, out, written)
        out_offsets[document + 1] = written
    return written


@inner
def _left(keys, marks, line_offsets, rows, table, counts, most, dropped, n_bytes, blank):  # type: ignore[no-untyped-def]
    """What frequent lines leave of the texts of some rows, by figures alone."""
    for number in range(len(rows)):
        blank[number] = True
        for line in range(line_offsets[rows[number]], line_offsets[rows[number] + 1]):
            if keys[line] != 0 and counts[_place(table, keys[line])] > most:
                dropped[number] += 1
            else:
                n_bytes[number] += marks[line] >> np.uint32(1)
                if marks[line] & np.uint32(1):
                    blank[number] = False


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
        lines = hashed_lines(texts, self._least)
        self.add_lines(lines, np.arange(len(lines)))

    def add_lines(self, lines: Lines, rows_R: I64) -> None:
        """Counts the lines of some of the texts of `lines`, which were hashed with the same `min_characters`."""
        done = 0
        while done < len(rows_R):
            done, self._used = _count(
                lines.keys_L, lines.offsets_N1, rows_R, done, self._keys, self._counts, np.int64(self._used)
            )
            if done < len(rows_R):
                keys = np.zeros(2 * len(self._keys), dtype=np.uint64)
                counts = np.zeros(len(keys), dtype=np.uint32)
                _rehash(self._keys, self._counts, keys, counts)
                self._keys, self._counts = keys, counts
        self.n_documents += len(rows_R)

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
        config = config or Config()
        given = texts_of(texts)
        lines = hashed_lines(given, config.min_characters)
        return copy_without(given, lines, np.arange(len(lines)), (self._keys, self._counts), config)


def table_of(keys: U64) -> tuple[U64, npt.NDArray[np.uint32]]:
    """A table of counts in which every key occurs more often than any limit."""
    room = 16
    while room < 2 * len(keys):
        room *= 2
    table, counts = np.zeros(room, dtype=np.uint64), np.zeros(room, dtype=np.uint32)
    _rehash(keys, np.full(len(keys), 0xFFFFFFFF, dtype=np.uint32), table, counts)
    return table, counts


def copy_without(given: Texts, lines: Lines, rows_N: I64, table: tuple[U64, U32], config: Config) -> tuple[Any, I64]:
    """(the texts without the lines that a table of counts says are frequent, lines dropped of each [N]). `rows_N`: the
    row of each text in `lines`."""
    import pyarrow as pa

    out = np.empty(int(given.offsets_N1[-1] - given.offsets_N1[0]), dtype=np.uint8)
    offsets = np.zeros(len(given) + 1, dtype=np.int64)
    dropped = np.zeros(len(given), dtype=np.int64)
    n = _copy(
        given.data, given.offsets_N1, lines.keys_L, lines.marks_L, lines.offsets_N1, rows_N, *table,
        config.max_occurrences, out, offsets, dropped,
    )  # fmt: skip
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(out[:n])]
    return pa.Array.from_buffers(pa.large_string(), len(given), buffers), dropped


def left_of(
    lines: Lines, rows_R: I64, table: tuple[U64, U32], config: Config
) -> tuple[I64, I64, npt.NDArray[np.bool_]]:
    """For some of the texts that `lines` holds: lines that are frequent, bytes without them, and whether nothing but
    white space is left; [R] each."""
    dropped, n_bytes = np.zeros(len(rows_R), dtype=np.int64), np.zeros(len(rows_R), dtype=np.int64)
    blank = np.zeros(len(rows_R), dtype=bool)
    _left(
        lines.keys_L, lines.marks_L, lines.offsets_N1, rows_R, *table, config.max_occurrences, dropped, n_bytes, blank
    )
    return dropped, n_bytes, blank
