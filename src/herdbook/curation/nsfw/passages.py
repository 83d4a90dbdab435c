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
from herdbook.curation.kernel import inner, short

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


@short
def _then(value, code):  # type: ignore[no-untyped-def]
    """The hash of a row of characters with one more."""
    return (value ^ code) * _PRIME


@inner
def read_passage(text, start, end, least, table, fold, single, codes, hashes):  # type: ignore[no-untyped-def]
    """Reads the passage that begins at `start`. Writes its characters, a blank at either end, to `codes`, and the hash
    of each word to `hashes`. Returns (byte after the passage, number of codes, number of words). A passage of fewer
    than `least` bytes does not end before the text does."""
    codes[0] = _BLANK
    n, n_words = np.uint64(1), np.uint64(0)
    one = np.uint64(1)
    word = _WORD
    last, earlier = np.int64(_BLANK), np.int64(_BLANK)
    closed = done = False
    limit = min(end, start + MAX_BYTES)
    i = start
    while i < limit and not done:
        b = text[i]
        if b < 0x80:
            code, bits = np.int64(b), np.int64(table[b])
            i += 1
        else:
            code, size = _code_at(text, i, end)
            if i + size > limit:
                break
            bits = _bits(table, code)
            i += size
        if not bits & (LETTER | DIGIT):
            if i - start >= least:
                at_blank = bits & SPACE != 0 and (closed or i - start >= LONG_BYTES)
                done = bool(at_blank or bits & LINE_END != 0 or (bits & TERMINAL != 0 and code > 0x7F))
            closed = bool(bits & TERMINAL != 0)
            if code < 0x80 or bits & (SPACE | SYMBOL):
                if last != _BLANK:
                    codes[n] = _BLANK
                    hashes[n_words] = word
                    n += one
                    n_words += one
                    word = _WORD
                earlier, last = last, np.int64(_BLANK)
                continue
        else:
            closed = False
        if code < len(fold):
            code = np.int64(fold[code])
        if last == code and earlier == code:
            continue
        earlier, last = last, code
        if code < 0x3131:
            letter = np.uint64(code)
        elif 0xAC00 <= code <= 0xD7A3:
            syllable = np.uint64(code - 0xAC00)
            first = np.uint64(0x1100) + syllable // np.uint64(588)
            rest = syllable % np.uint64(588)
            codes[n] = first
            word = _then(word, first)
            n += one
            letter = np.uint64(0x1161) + rest // np.uint64(28)
            if rest % np.uint64(28):
                codes[n] = letter
                word = _then(word, letter)
                n += one
                letter = np.uint64(0x11A7) + rest % np.uint64(28)
        else:
            letter = np.uint64(single[code - 0x3131] if code <= 0x318E else code)
        codes[n] = letter
        word = _then(word, letter)
        n += one
    if last != _BLANK:
        codes[n] = _BLANK
        hashes[n_words] = word
        n += one
        n_words += one
    return i, np.int64(n), np.int64(n_words)


@short
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


@short
def _place(value):  # type: ignore[no-untyped-def]
    """`_bucket` without a sign, which spares the look whether a place is counted from the end."""
    return ((value ^ (value >> _FOLD)) * _MIX) >> _SHIFT


@short
def _weights(pairs, value):  # type: ignore[no-untyped-def]
    """The two weights of a feature with this hash as the halves of an int64, so that one sum is two: first + second *
    2**32."""
    pair = np.int64(pairs[_place(value)])
    first = np.int64(np.int8(pair))
    return first + ((pair - first) << 24)


@inner
def _sums(codes, n_codes, hashes, n_words, pairs):  # type: ignore[no-untyped-def]
    """(sum of the weights of a passage's features for each classifier, number of features): `features` and their
    weights in one."""
    total = np.int64(0)
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    whole = max(0, n_codes - LONGEST + 1)
    for i in range(np.uint64(whole)):  # where the longest n-gram fits, and no place is counted from the end
        value = _then(_then(_then(_SEED, codes[i]), codes[i + one]), codes[i + two])
        total += _weights(pairs, value)
        value = _then(value, codes[i + three])
        total += _weights(pairs, value)
        value = _then(value, codes[i + three + one])
        total += _weights(pairs, value)
        total += _weights(pairs, _then(value, codes[i + three + two]))
    n = whole * (LONGEST - SHORTEST + 1)
    for i in range(whole, n_codes):
        value = _SEED
        for k in range(i, n_codes):
            value = _then(value, codes[k])
            if k - i >= SHORTEST - 1:
                total += _weights(pairs, value)
                n += 1
    for k in range(np.uint64(n_words)):
        word = hashes[k]
        total += _weights(pairs, word)
        if k:
            earlier = hashes[k - one]
            total += _weights(pairs, (earlier ^ (earlier >> _FOLD)) * _MIX + word)
    n += max(0, 2 * n_words - 1)
    first = np.int64(np.int32(total))
    return first, (total - first) >> 32, n


@numba.njit(cache=True, nogil=True)
def buckets_of(data, offsets, table, fold, single):  # type: ignore[no-untyped-def]
    """Features of texts that are a passage each (cut at MAX_BYTES), for training: buckets int32, bounds [N + 1]."""
    codes, hashes = np.empty(CODES, np.uint64), np.empty(CODES, np.uint64)
    out = np.empty(BUCKETS, np.int64)
    bounds = np.zeros(len(offsets), np.int64)
    room = np.empty(1 << 20, np.int32)
    for i in range(len(offsets) - 1):
        end = min(offsets[i + 1], offsets[i] + MAX_BYTES)
        _, n_codes, _ = read_passage(data, offsets[i], end, CODES, table, fold, single, codes, hashes)
        n = features(codes, n_codes, out)
        if bounds[i] + n > len(room):
            wider = np.empty(2 * len(room) + n, np.int32)
            wider[: bounds[i]] = room[: bounds[i]]
            room = wider
        room[bounds[i] : bounds[i] + n] = out[:n]
        bounds[i + 1] = bounds[i] + n
    return room[: bounds[-1]], bounds


@numba.njit(cache=True, nogil=True)
def score_passages(data, offsets, table, fold, single, pairs, starts, logits, bounds):  # type: ignore[no-untyped-def]
    """For each passage its first byte and, as `logits` [P, 2], Σ weight / √features of both classifiers.

    pairs int16 [2**BITS]: the weight of the first classifier is the lower byte, that of the second the higher, and 256
    times the second plus the first is the number; bounds [N + 1] says which passages are of which text. Returns their
    number, -1 where `starts` has no room."""
    codes, hashes = np.empty(CODES, np.uint64), np.empty(CODES, np.uint64)
    n = 0
    for document in range(len(offsets) - 1):
        bounds[document] = n
        i, end = offsets[document], offsets[document + 1]
        while i < end:
            if n == len(starts):
                return -1
            stop, n_codes, n_words = read_passage(data, i, end, MIN_BYTES, table, fold, single, codes, hashes)
            first, second, n_features = _sums(codes, n_codes, hashes, n_words, pairs)
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
