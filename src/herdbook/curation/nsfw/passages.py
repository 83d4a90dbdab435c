"""Texts cut into passages, passages into hashed features, features into scores: kernels over Arrow's UTF-8 buffers.

A **passage** is at least MIN_BYTES of text up to the end of a sentence or line, else up to white space after
LONG_BYTES, at most MAX_BYTES. Its characters are put into lower case; Hangul syllables are taken apart into their
letters, so that stems are found whatever is glued to them; what is neither letter nor digit becomes one blank; a
character repeated more than twice counts twice. **Features** are its n-grams of SHORTEST to LONGEST characters, its
words and its pairs of neighbouring words, each hashed into one of 2**BITS buckets. The **logit** of a passage is
bias + scale · Σ weight[bucket] / √features, the sum in whole numbers. The slow twin stands in the tests.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.characters import DIGIT, LETTER, LINE_END, SPACE, SYMBOL, TERMINAL
from herdbook.curation.heuristics.words import _bits, _code_at
from herdbook.curation.kernel import inner

BITS = 19
SHORTEST, LONGEST = 3, 6
"""Characters of an n-gram."""
MIN_BYTES, LONG_BYTES, MAX_BYTES = 200, 400, 600

_SEED = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_WORD = np.uint64(0xA5A5A5A5A5A5A5A5)
_FOLD = np.uint64(29)
_SHIFT = np.uint64(64 - BITS)
_BLANK = 32
CODES = MAX_BYTES + 8
"""Room for the characters of a passage: a syllable of 3 bytes is at most 3 letters."""
BUCKETS = CODES * (LONGEST - SHORTEST + 3)
"""Room for its features."""


@lru_cache(maxsize=1)
def single_letters() -> npt.NDArray[np.int64]:
    """For U+3131 to U+318E, letters of Hangul that stand alone, the letter that a syllable is made of."""
    import unicodedata

    return np.array([ord(unicodedata.normalize("NFKC", chr(code))) for code in range(0x3131, 0x318F)], dtype=np.int64)


@inner
def passage_end(text, start, end, table):  # type: ignore[no-untyped-def]
    """Byte after the passage that begins at `start`."""
    i = start
    closed = False
    while i < end:
        code, size = _code_at(text, i, end)
        bits = _bits(table, code)
        n_bytes = i + size - start
        if n_bytes > MAX_BYTES:
            return i
        i += size
        if n_bytes >= MIN_BYTES:
            if bits & LINE_END or (bits & SPACE and (closed or n_bytes >= LONG_BYTES)):
                return i
            if bits & TERMINAL and code > 0x7F:
                return i
        closed = bits & TERMINAL != 0
    return end


@inner
def normalised(text, start, end, table, fold, single, codes):  # type: ignore[no-untyped-def]
    """Writes the characters of a passage, a blank at either end, to `codes`; their number."""
    codes[0] = _BLANK
    n = 1
    last, before = np.int64(_BLANK), np.int64(_BLANK)
    i = start
    while i < end:
        code, size = _code_at(text, i, end)
        i += size
        bits = _bits(table, code)
        if not bits & (LETTER | DIGIT) and (code < 0x80 or bits & (SPACE | SYMBOL)):
            if last != _BLANK:
                codes[n] = _BLANK
                n += 1
            before, last = last, np.int64(_BLANK)
            continue
        if code < len(fold):
            code = np.int64(fold[code])
        if last == code and before == code:
            continue
        before, last = last, code
        if 0xAC00 <= code <= 0xD7A3:
            syllable = code - 0xAC00
            codes[n] = 0x1100 + syllable // 588
            codes[n + 1] = 0x1161 + syllable % 588 // 28
            n += 2
            if syllable % 28:
                codes[n] = 0x11A7 + syllable % 28
                n += 1
            continue
        if 0x3131 <= code <= 0x318E:
            code = single[code - 0x3131]
        codes[n] = code
        n += 1
    if last != _BLANK:
        codes[n] = _BLANK
        n += 1
    return n


@numba.njit(cache=True, nogil=True, inline="always")
def _bucket(value):  # type: ignore[no-untyped-def]
    return np.int64(((value ^ (value >> _FOLD)) * _MIX) >> _SHIFT)


@inner
def features(codes, n_codes, out):  # type: ignore[no-untyped-def]
    """Writes the bucket of each feature of a passage to `out`; their number."""
    n = 0
    word, before = _WORD, np.uint64(0)
    for i in range(n_codes):
        value = _SEED
        stop = min(i + LONGEST, n_codes)
        for k in range(i, stop):
            value = (value ^ np.uint64(codes[k])) * _PRIME
            if k - i >= SHORTEST - 1:
                out[n] = _bucket(value)
                n += 1
        if codes[i] != _BLANK:
            word = (word ^ np.uint64(codes[i])) * _PRIME
        elif word != _WORD:
            out[n] = _bucket(word)
            n += 1
            if before != 0:
                out[n] = _bucket((before ^ (before >> _FOLD)) * _MIX + word)
                n += 1
            before, word = word, _WORD
    return n


@numba.njit(cache=True, nogil=True, inline="always")
def _place(value):  # type: ignore[no-untyped-def]
    """`_bucket` without a sign, which spares the look whether a place is counted from the end."""
    return ((value ^ (value >> _FOLD)) * _MIX) >> _SHIFT


@inner
def _sums(codes, n_codes, weights):  # type: ignore[no-untyped-def]
    """(sum of the weights of a passage's features for each classifier, number of features): `features` and their
    weights in one."""
    first, second, n = np.int64(0), np.int64(0), np.int64(0)
    whole = max(0, n_codes - LONGEST + 1)
    for i in range(whole):  # where the longest n-gram fits: loops of a constant length
        value = _SEED
        for k in range(SHORTEST - 1):
            value = (value ^ codes[i + k]) * _PRIME
        for k in range(SHORTEST - 1, LONGEST):
            value = (value ^ codes[i + k]) * _PRIME
            place = _place(value)
            first += weights[place, 0]
            second += weights[place, 1]
    n = whole * (LONGEST - SHORTEST + 1)
    for i in range(whole, n_codes):
        value = _SEED
        for k in range(i, n_codes):
            value = (value ^ codes[k]) * _PRIME
            if k - i >= SHORTEST - 1:
                place = _place(value)
                first += weights[place, 0]
                second += weights[place, 1]
                n += 1
    word, before = _WORD, np.uint64(0)
    for i in range(n_codes):
        code = codes[i]
        if code != np.uint64(_BLANK):
            word = (word ^ code) * _PRIME
        elif word != _WORD:
            place = _place(word)
            first += weights[place, 0]
            second += weights[place, 1]
            n += 1
            if before != 0:
                place = _place((before ^ (before >> _FOLD)) * _MIX + word)
                first += weights[place, 0]
                second += weights[place, 1]
                n += 1
            before, word = word, _WORD
    return first, second, n


@numba.njit(cache=True, nogil=True)
def buckets_of(data, offsets, table, fold, single):  # type: ignore[no-untyped-def]
    """Features of texts that are a passage each (cut at MAX_BYTES), for training: buckets int32, bounds [N + 1]."""
    codes = np.empty(CODES, np.int64)
    out = np.empty(BUCKETS, np.int64)
    bounds = np.zeros(len(offsets), np.int64)
    room = np.empty(1 << 20, np.int32)
    for i in range(len(offsets) - 1):
        end = min(offsets[i + 1], offsets[i] + MAX_BYTES)
        n = features(codes, normalised(data, offsets[i], end, table, fold, single, codes), out)
        if bounds[i] + n > len(room):
            wider = np.empty(2 * len(room) + n, np.int32)
            wider[: bounds[i]] = room[: bounds[i]]
            room = wider
        room[bounds[i] : bounds[i] + n] = out[:n]
        bounds[i + 1] = bounds[i] + n
    return room[: bounds[-1]], bounds


@numba.njit(cache=True, nogil=True)
def score_passages(data, offsets, table, fold, single, weights, starts, logits, bounds):  # type: ignore[no-untyped-def]
    """For each passage its first byte and, as `logits` [P, 2], Σ weight / √features of both classifiers.

    weights int8 [2**BITS, 2]; bounds [N + 1] says which passages are of which text. Returns their number, -1 where
    `starts` has no room."""
    codes = np.empty(CODES, np.uint64)
    n = 0
    for document in range(len(offsets) - 1):
        bounds[document] = n
        i, end = offsets[document], offsets[document + 1]
        while i < end:
            stop = passage_end(data, i, end, table)
            if n == len(starts):
                return -1
            n_codes = normalised(data, i, stop, table, fold, single, codes)
            first, second, n_features = _sums(codes, n_codes, weights)
            root = np.sqrt(np.float64(max(n_features, 1)))
            starts[n] = i
            logits[n, 0] = first / root
            logits[n, 1] = second / root
            n += 1
            i = stop
    bounds[len(offsets) - 1] = n
    return n


@numba.njit(cache=True, nogil=True)
def mean_of_highest(values, bounds, result):  # type: ignore[no-untyped-def]
    """For each document the mean over the highest quarter of its passages, at least one; 0 without any."""
    for document in range(len(bounds) - 1):
        start, end = bounds[document], bounds[document + 1]
        if start == end:
            result[document] = 0.0
            continue
        ordered = np.sort(values[start:end])
        n = (end - start + 3) // 4
        total = 0.0
        for k in range(n):
            total += ordered[len(ordered) - 1 - k]
        result[document] = total / n
