"""Repeated n-grams of words: the raw figures of Gopher's repetition rules (Rae et al. 2021, table A1).

An n-gram can occur twice only where both (n - 1)-grams inside it do, so each length looks at the survivors of the one
before: in ordinary text a small part of the words after the bigrams. The tests' slow twin
counts the same in plain loops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import Words
from herdbook.curation.kernel import inner

TOP = (2, 3, 4)
"""Lengths of which the most frequent n-gram counts."""
DUPLICATE = (5, 6, 7, 8, 9, 10)
"""Lengths of which all repeats count."""
LINE_NGRAM = 5
"""Length of the n-grams that cover a line (Llama 3, section 3.1.1: duplicated n-gram coverage)."""


@dataclass(frozen=True)
class Repetition:
    """Characters in n-grams, int64 [N] each, and which words lie in an n-gram of LINE_NGRAM words that occurs twice."""

    top: dict[int, npt.NDArray[np.int64]]
    """Times of the most frequent n-gram, times its characters with the spaces between; of equally frequent ones the
    first."""
    duplicate: dict[int, npt.NDArray[np.int64]]
    """Characters in n-grams that occurred before, taken from left to right without overlap."""
    n_distinct: npt.NDArray[np.int64]
    covered_T: npt.NDArray[np.bool_]


@inner
def _count(grams, places, n_places, keys, counts, slots, firsts):  # type: ignore[no-untyped-def]
    """Counts grams[place] for all places. Returns (largest count, its first place); slots[i] is where place i lies."""
    size = 16
    while size < 2 * n_places:
        size *= 2
    mask = np.uint64(size - 1)
    for i in range(size):
        counts[i] = 0
    best, best_first = 0, 0
    for i in range(n_places):
        place = places[i]
        key = grams[place]
        at = (key ^ (key >> np.uint64(29))) & mask
        while counts[at] != 0 and keys[at] != key:
            at = (at + np.uint64(1)) & mask
        if counts[at] == 0:
            keys[at] = key
            firsts[at] = place
        counts[at] += 1
        slots[i] = at
        if counts[at] > best:
            best, best_first = counts[at], firsts[at]
        elif counts[at] == best and firsts[at] < best_first:
            best_first = firsts[at]
    return best, best_first


@numba.njit(cache=True, nogil=True)
def _repetition(hashes, characters, bounds, longest, top, duplicate, n_distinct, covered):  # type: ignore[no-untyped-def]
    """Fills top [3, N], duplicate [6, N], n_distinct [N] and covered [T]."""
    room = 16
    while room < 2 * longest:
        room *= 2
    keys = np.empty(room, np.uint64)
    counts = np.empty(room, np.int32)
    firsts = np.empty(room, np.int64)
    slots = np.empty(longest + 1, np.int64)
    places = np.empty(longest + 1, np.int64)
    grams = np.empty(longest + 1, np.uint64)
    level = np.empty(longest + 2, np.uint8)
    sums = np.empty(longest + 2, np.int64)
    seen = np.empty(room, np.bool_)
    for document in range(len(bounds) - 1):
        base = bounds[document]
        n_words = bounds[document + 1] - base
        sums[0] = 0
        for i in range(n_words):
            sums[i + 1] = sums[i] + characters[base + i]
            places[i] = i
            grams[i] = hashes[base + i]
            level[i] = 0
        level[n_words] = 0
        if n_words == 0:
            continue
        _count(grams, places, n_words, keys, counts, slots, firsts)
        n_places = 0
        for i in range(n_words):
            if counts[slots[i]] > 1:
                level[i] = 1
                places[n_places] = i
                n_places += 1
            if firsts[slots[i]] == i:
                n_distinct[document] += 1
        for n in range(2, 11):
            if n_words < n:
                break
            # survivors: both shorter n-grams inside occur twice
            kept = 0
            for i in range(n_places):
                place = places[i]
                if place + n <= n_words and level[place] == n - 1 and level[place + 1] == n - 1:
                    places[kept] = place
                    kept += 1
            n_places = kept
            for i in range(n_places):
                place = places[i]
                mixed = grams[place]
                mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
                grams[place] = mixed + hashes[base + place + n - 1]
            best, best_first = 1, 0
            if n_places:
                best, best_first = _count(grams, places, n_places, keys, counts, slots, firsts)
            if best <= 1:
                best_first = 0
            if n <= 4:
                top[n - 2, document] = max(best, 1) * (sums[best_first + n] - sums[best_first] + n - 1)
            if best <= 1:
                n_places = 0
                continue
            kept = 0
            repeated, free = 0, 0
            if n >= 5:
                size = 16
                while size < 2 * n_places:
                    size *= 2
                for i in range(size):
                    seen[i] = False
            for i in range(n_places):
                slot = slots[i]
                if counts[slot] < 2:
                    continue
                place = places[i]
                if n >= 5 and place >= free:
                    if seen[slot]:
                        repeated += sums[place + n] - sums[place]
                        free = place + n
                    else:
                        seen[slot] = True
                if n == 5:
                    for k in range(place, place + 5):
                        covered[base + k] = True
                level[place] = n
                places[kept] = place
                kept += 1
            n_places = kept
            if n >= 5:
                duplicate[n - 5, document] = repeated


def repetition(words: Words) -> Repetition:
    """The figures of N documents."""
    n = len(words.bounds_N1) - 1
    top = np.zeros((3, n), dtype=np.int64)
    duplicate = np.zeros((6, n), dtype=np.int64)
    n_distinct = np.zeros(n, dtype=np.int64)
    covered = np.zeros(len(words.hash_T), dtype=np.bool_)
    longest = int(np.diff(words.bounds_N1).max()) if n else 0
    _repetition(words.hash_T, words.characters_T, words.bounds_N1, longest, top, duplicate, n_distinct, covered)
    return Repetition(dict(zip(TOP, top)), dict(zip(DUPLICATE, duplicate)), n_distinct, covered)
