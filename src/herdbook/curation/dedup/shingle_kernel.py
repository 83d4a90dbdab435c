"""Texts as rows of shingle hashes: k words in a row, straight from Arrow's UTF-8 buffer.

A word is a run of letters, digits and underscores in lower case; in scripts without spaces every letter is a word. A
text of fewer than k words has one shingle of all its words. `tests/curation/slow_shingles.py` says the same in plain
Python.
Shape letters: S shingles of all documents one after the other, N documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.flat import release
from herdbook.curation.heuristics.words import Texts

U64 = npt.NDArray[np.uint64]
_SIZE = 0x20000
_PART = 1
"""Belongs to a word."""
_ALONE = 2
"""Is a word by itself."""
_RELEASE = 64
"""Documents read from a mapped file before its pages are given back: the system maps 64 kB to 2 MB with each."""
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF))
_PRIME = np.uint64(0x100000001B3)
_SEED = np.uint64(0xCBF29CE484222325)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Shingles:
    """Shingle hashes of N documents in the order of the text, repeats included: those of document i are
    values_S[offsets_N1[i]:offsets_N1[i + 1]]."""

    values_S: U64
    offsets_N1: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        # Kernels are compiled once for read-only arrays, and not again for writable ones.
        for name in ("values_S", "offsets_N1"):
            readable = getattr(self, name).view()
            readable.flags.writeable = False
            object.__setattr__(self, name, readable)

    def of(self, i: int) -> U64:
        """Those of one document."""
        return self.values_S[self.offsets_N1[i] : self.offsets_N1[i + 1]]

    def __len__(self) -> int:
        return len(self.offsets_N1) - 1


@numba.njit(cache=True, nogil=True)
def make_set(values, start, stop):  # type: ignore[no-untyped-def]
    """Sorts values[start:stop] in place, moves repeats out; returns the number of different ones."""
    part = values[start:stop]
    part.sort()
    n = 0
    for i in range(len(part)):
        if i == 0 or part[i] != part[i - 1]:
            part[n] = part[i]  # left of i, where nothing is read any more
            n += 1
    return n


@numba.njit(cache=True, nogil=True)
def _unrepeated(values, bounds):  # type: ignore[no-untyped-def]
    """Moves repeats out of sorted parts of an array, whose bounds become those of what is left."""
    n = np.int64(0)
    begin = bounds[0]
    for i in range(len(bounds) - 1):
        end = bounds[i + 1]
        for s in range(begin, end):
            if s == begin or values[s] != values[s - 1]:
                values[n] = values[s]  # left of s, or s itself
                n += 1
        begin = end
        bounds[i + 1] = n


def sets_of(shingles: Shingles, rows: npt.NDArray[np.int64]) -> Shingles:
    """The different shingles of some documents, sorted (by NumPy, several times as fast as Numba's sort)."""
    begins, ends = shingles.offsets_N1[rows], shingles.offsets_N1[rows + 1]
    bounds = np.append(0, np.cumsum(ends - begins, dtype=np.int64))
    out = np.empty(bounds[-1], dtype=np.uint64)
    spans = zip(begins.tolist(), ends.tolist(), bounds[:-1].tolist(), bounds[1:].tolist())
    for number, (begin, end, at, stop) in enumerate(spans):
        out[at:stop] = shingles.values_S[begin:end]
        out[at:stop].sort()
        if number % _RELEASE == _RELEASE - 1:
            release(shingles.values_S)
    release(shingles.values_S)
    _unrepeated(out, bounds)
    return Shingles(out[: bounds[-1]], bounds)


@lru_cache(maxsize=1)
def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """(kind of each code point under 0x20000, its lower case)."""
    kinds = np.zeros(_SIZE, dtype=np.uint8)
    folded = np.arange(_SIZE, dtype=np.int32)
    for code in range(_SIZE):
        character = chr(code)
        if character.isalnum():
            kinds[code] = _PART
            lowered = character.lower()
            if len(lowered) == 1 and ord(lowered) < _SIZE:
                folded[code] = ord(lowered)
    kinds[ord("_")] = _PART
    for low, high in _UNSPACED:
        kinds[low : high + 1] = _ALONE
    return kinds, folded


@numba.njit(cache=True, nogil=True)
def _words(text, start, stop, kinds, folded, out):  # type: ignore[no-untyped-def]
    """Hashes of the words of one text into `out`; returns their number."""
    n = 0
    value = _SEED
    inside = False
    i = start
    while i < stop:
        b = text[i]
        if b < 0x80:
            code, size = np.int64(b), 1
        elif b >= 0xF0 and i + 3 < stop:
            code = ((np.int64(b) & 7) << 18) | ((np.int64(text[i + 1]) & 63) << 12)
            code |= ((np.int64(text[i + 2]) & 63) << 6) | (np.int64(text[i + 3]) & 63)
            size = 4
        elif b >= 0xE0 and i + 2 < stop:
            code = ((np.int64(b) & 15) << 12) | ((np.int64(text[i + 1]) & 63) << 6) | (np.int64(text[i + 2]) & 63)
            size = 3
        elif b >= 0xC0 and i + 1 < stop:
            code, size = ((np.int64(b) & 31) << 6) | (np.int64(text[i + 1]) & 63), 2
        else:
            code, size = np.int64(0xFFFD), 1
        kind = np.int64(kinds[code]) if code < _SIZE else np.int64(_PART)
        if kind == _PART:
            low = np.int64(folded[code]) if code < _SIZE else code
            value = (value ^ np.uint64(low)) * _PRIME
            inside = True
        else:
            if inside:
                out[n] = (value ^ (value >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
                n += 1
                value = _SEED
                inside = False
            if kind == _ALONE:
                value = (value ^ np.uint64(code)) * _PRIME
                out[n] = (value ^ (value >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
                n += 1
                value = _SEED
        i += size
    if inside:
        out[n] = (value ^ (value >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        n += 1
    return n


@numba.njit(cache=True, nogil=True)
def _shingles(text, offsets, k, kinds, folded, out, out_offsets):  # type: ignore[no-untyped-def]
    """Shingles of all texts into `out` and `out_offsets`; returns their number, or -1 where `out` is too small."""
    total = 0
    for document in range(len(offsets) - 1):
        start, stop = offsets[document], offsets[document + 1]
        if total + (stop - start) > len(out):
            return -1
        n = _words(text, start, stop, kinds, folded, out[total:])
        if n:
            width = min(k, n)
            for i in range(n - width + 1):
                value = np.uint64(width)
                for j in range(width):
                    value = (value ^ (value >> np.uint64(31))) * _MULTIPLIER + out[total + i + j]
                out[total + i] = value ^ (value >> np.uint64(29))
            total += n - width + 1
        out_offsets[document + 1] = total
    return total


def shingles(texts: Texts, k: int) -> Shingles:
    """Shingle hashes of all texts."""
    kinds, folded = _tables()
    n_bytes = int(texts.offsets_N1[-1] - texts.offsets_N1[0])
    longest = int(np.diff(texts.offsets_N1).max()) if len(texts) else 0
    room = n_bytes // 4 + longest + 16
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    while True:
        out = np.empty(room, dtype=np.uint64)
        n = _shingles(texts.data, texts.offsets_N1, k, kinds, folded, out, offsets)
        if n >= 0:
            return Shingles(out[:n], offsets)
        room *= 2
