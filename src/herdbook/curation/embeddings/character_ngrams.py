"""Vectors without any package: character n-grams hashed into 512 numbers. They see shared spelling, not meaning.

For machines and tests without weights. A text in lower case, with every run of what is no letter or digit made one
blank, has n-grams of 3, 4 and 5 characters; each counts with the square root of how often it occurs and is added with a
random sign at four places that its hash chooses (sparse random projection, Achlioptas 2003). Two texts are similar when
they share much of their wording, in any order: a near-duplicate measure more than a semantic one. Any language.
Shape letters: N texts, E 512.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from herdbook.curation.dedup.shingle_kernel import _tables
from herdbook.curation.embeddings.embedder import F32, unit
from herdbook.curation.heuristics.words import texts_of

SIZES = (3, 4, 5)
N_BUCKETS = 1 << 17
PLACES = 4
MAX_CHARACTERS = 1 << 20
"""Characters of a text that are read."""


@numba.njit(cache=True, nogil=True, inline="always")
def _mixed(value):  # type: ignore[no-untyped-def]
    value = (value ^ (value >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    value = (value ^ (value >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return value ^ (value >> np.uint64(32))


@numba.njit(cache=True, nogil=True)
def _characters(text, start, stop, kinds, folded, out):  # type: ignore[no-untyped-def]
    """Code points of a text, folded, with single blanks between words and at both ends; returns their number."""
    n = 1
    out[0] = 32
    i = start
    while i < stop and n < len(out) - 1:
        b = np.int64(text[i])
        code, size = np.int64(0xFFFD), 1
        if b < 0x80:
            code = b
        elif b >= 0xF0 and i + 3 < stop:
            code = ((b & 7) << 18) | ((np.int64(text[i + 1]) & 63) << 12)
            code |= ((np.int64(text[i + 2]) & 63) << 6) | (np.int64(text[i + 3]) & 63)
            size = 4
        elif b >= 0xE0 and b < 0xF0 and i + 2 < stop:
            code = ((b & 15) << 12) | ((np.int64(text[i + 1]) & 63) << 6) | (np.int64(text[i + 2]) & 63)
            size = 3
        elif b >= 0xC0 and b < 0xE0 and i + 1 < stop:
            code, size = ((b & 31) << 6) | (np.int64(text[i + 1]) & 63), 2
        if code < len(kinds) and kinds[code] == 0:
            if out[n - 1] != 32:
                out[n] = 32
                n += 1
        else:
            out[n] = np.int64(folded[code]) if code < len(folded) else code
            n += 1
        i += size
    if out[n - 1] != 32:
        out[n] = 32
        n += 1
    return n


@numba.njit(cache=True, nogil=True)
def _project(text, offsets, kinds, folded, sizes, n_places, longest, counts, touched, out):  # type: ignore[no-untyped-def]
    width = np.uint64(out.shape[1])
    n_buckets = np.uint64(len(counts))
    characters = np.empty(longest + 2, np.int64)
    for document in range(len(offsets) - 1):
        n = _characters(text, offsets[document], offsets[document + 1], kinds, folded, characters)
        n_touched = 0
        for size in sizes:
            for i in range(n - size + 1):
                value = np.uint64(size)
                for j in range(size):
                    value = (value ^ np.uint64(characters[i + j])) * np.uint64(0x100000001B3)
                bucket = np.int64(_mixed(value) % n_buckets)
                if counts[bucket] == 0:
                    touched[n_touched] = bucket
                    n_touched += 1
                counts[bucket] += 1
        row = out[document]
        for k in range(n_touched):
            bucket = touched[k]
            weight = np.sqrt(np.float32(counts[bucket]))
            counts[bucket] = 0
            value = _mixed(np.uint64(bucket) + np.uint64(0x9E3779B97F4A7C15))
            for _ in range(n_places):
                place = np.int64((value >> np.uint64(1)) % width)
                row[place] += weight if value & np.uint64(1) else -weight
                value = _mixed(value + np.uint64(0x9E3779B97F4A7C15))


class CharacterNgrams:
    """No weights, no package, any language."""

    name = "character-ngrams"
    dim = 512
    languages: tuple[str, ...] = ()

    def embed(self, texts: Sequence[str] | Any) -> F32:
        """Unit vectors [N, 512] of a sequence of `str` or an Arrow array of strings."""
        given = texts_of(texts)
        kinds, folded = _tables()
        out = np.zeros((len(given), self.dim), dtype=np.float32)
        longest = min(MAX_CHARACTERS, int(np.diff(given.offsets_N1).max(initial=0)) + 1)
        counts, touched = np.zeros(N_BUCKETS, dtype=np.int64), np.zeros(N_BUCKETS, dtype=np.int64)
        _project(
            given.data, given.offsets_N1, kinds, folded, np.array(SIZES), PLACES, longest, counts, touched, out
        )  # fmt: skip
        return unit(out)
