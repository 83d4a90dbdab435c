"""Repeated n-grams of words: the raw figures of Gopher's repetition rules (Rae et al. 2021, table A1).

Different words of a document are numbered as they come, and so are the different n-grams of each length: an n-gram is
the number of its first n - 1 words and the number of its last, which no other n-gram is. An n-gram can occur twice only
where both (n - 1)-grams inside it do, so each length looks at the survivors of the one before: in ordinary text a small
part of the words after the bigrams. The tests' slow twin counts the same in plain loops.
"""

from __future__ import annotations

import numba
import numpy as np

from herdbook.curation.kernel import inner, short

TOP = (2, 3, 4)
"""Lengths of which the most frequent n-gram counts."""
DUPLICATE = (5, 6, 7, 8, 9, 10)
"""Lengths of which all repeats count."""
LINE_NGRAM = 5
"""Length of the n-grams that cover a line (Llama 3, section 3.1.1: duplicated n-gram coverage)."""
COLUMNS = (
    "n_distinct_words",
    *(f"top_{n}_gram_characters" for n in TOP), *(f"duplicate_{n}_gram_characters" for n in DUPLICATE),
)  # fmt: skip
"""What `repetition` writes of each document, in characters. Top: times of the most frequent n-gram, times its
characters with the spaces between; of equally frequent ones the first. Duplicate: n-grams that occurred before, taken
from left to right without overlap."""


@numba.njit(cache=True, nogil=True)
def scratch(n_words):  # type: ignore[no-untyped-def]
    """What `repetition` works in, for documents of at most n words."""
    size = 16
    while size < 2 * n_words:
        size *= 2
    return (
        np.empty(size, np.uint64), np.empty(size, np.int32),
        np.empty(n_words + 1, np.int32), np.empty(n_words + 1, np.int32), np.empty(n_words + 1, np.int32),
        np.empty(n_words + 1, np.int32), np.empty(n_words + 1, np.int32), np.empty(n_words + 2, np.uint8),
        np.empty(n_words + 1, np.bool_), np.empty(n_words + 2, np.int64),
    )  # fmt: skip


@inner
def _clear(numbers, n):  # type: ignore[no-untyped-def]
    """Empties a table for n keys; returns its shift and mask."""
    size, bits = 16, 4
    while size < 2 * n:
        size *= 2
        bits += 1
    for i in range(size):
        numbers[i] = -1
    return np.uint64(64 - bits), np.uint64(size - 1)


@short
def _number(keys, numbers, shift, mask, key, following):  # type: ignore[no-untyped-def]
    """The number of a key, `following` where it is new."""
    at = ((key ^ (key >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)) >> shift
    while numbers[at] >= 0:
        if keys[at] == key:
            return numbers[at]
        at = (at + np.uint64(1)) & mask
    keys[at] = key
    numbers[at] = following
    return following


@inner
def repetition(hashes, characters, n_words, parts, covered, column):  # type: ignore[no-untyped-def]
    """Writes COLUMNS of a document and marks in `covered` the words in an n-gram of LINE_NGRAM words that occurs twice.
    Returns whether there is one. `parts`: `scratch`."""
    keys, numbers, words, grams, places, counts, firsts, level, seen, sums = parts
    if n_words == 0:
        return False
    shift, mask = _clear(numbers, n_words)
    different = np.int32(0)
    sums[0] = 0
    for i in range(n_words):
        sums[i + 1] = sums[i] + characters[i]
        covered[i] = False
        number = _number(keys, numbers, shift, mask, hashes[i], different)
        words[i] = number
        grams[i] = number
        if number == different:
            counts[number] = 1
            different += np.int32(1)
        else:
            counts[number] += 1
    column[0] = different
    n_places = 0
    for i in range(n_words):
        level[i] = counts[words[i]] > 1
        places[n_places] = i
        n_places += level[i]
    level[n_words] = 0
    any_covered = False
    for n in range(2, 11):
        if n_words < n:
            break
        # survivors: both shorter n-grams inside occur twice
        kept = 0
        for i in range(n_places):
            place = places[i]
            places[kept] = place
            kept += place + n <= n_words and level[place] == n - 1 and level[place + 1] == n - 1
        n_places = kept
        shift, mask = _clear(numbers, n_places)
        different = np.int32(0)
        for i in range(n_places):
            place = places[i]
            key = (np.uint64(grams[place]) << np.uint64(32)) | np.uint64(words[place + n - 1])
            number = _number(keys, numbers, shift, mask, key, different)
            grams[place] = number
            if number == different:
                counts[number] = 1
                firsts[number] = place
                different += np.int32(1)
            else:
                counts[number] += 1
        best, first = np.int64(1), np.int64(0)
        for number in range(different):
            seen[number] = False
            if counts[number] > best:
                best, first = np.int64(counts[number]), np.int64(firsts[number])
        if n <= 4:
            column[n - 1] = best * (sums[first + n] - sums[first] + n - 1)
        if best == 1:
            n_places = 0
            continue
        kept = 0
        repeated, free = np.int64(0), 0
        for i in range(n_places):
            place = places[i]
            number = grams[place]
            if counts[number] < 2:
                continue
            if n >= 5 and place >= free:
                if seen[number]:
                    repeated += sums[place + n] - sums[place]
                    free = place + n
                else:
                    seen[number] = True
            if n == 5:
                any_covered = True
                for k in range(place, place + 5):
                    covered[k] = True
            level[place] = n
            places[kept] = place
            kept += 1
        n_places = kept
        if n >= 5:
            column[n - 1] = repeated
    return any_covered
