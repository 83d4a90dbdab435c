"""Texts that may state a licence: those that hold one of a few phrases, whatever the case of their letters.

The phrases are rare, so blocks of bytes in which none can begin are passed over by a loop that the compiler turns into
vector instructions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import Texts
from herdbook.curation.kernel import inner, short

U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
BLOCK = 64
PHRASES = (
    "spdx-license", "creativecommons.org/", "permission is hereby granted", "permission to use",
    "redistribution and use in source", "public domain", "under the terms of",
)  # fmt: skip
"""Phrases of which one is enough."""
VERBS = ("licensed", "released", "available", "distributed", "published")
"""Words before "under", with white space between, that are enough."""
_AHEAD = 4
"""Bytes behind the first that `_any_mark` reads."""


def _table(words: tuple[str, ...]) -> U8:
    """Words as rows: the length, then the bytes."""
    rows = np.zeros((len(words), 1 + max(map(len, words))), np.uint8)
    for row, word in zip(rows, words):
        row[0], row[1 : len(word) + 1] = len(word), np.frombuffer(word.encode(), np.uint8)
    return rows


@short
def _is_mark(a, b, c, d, e):  # type: ignore[no-untyped-def]
    """Whether five bytes are in a phrase: "under", "spdx-", "permi", "redis", "vecom", "c dom"; or the first are a
    letter outside ASCII that is an s or k but for its case."""
    p, q, r, s, t = a | 0x20, b | 0x20, c | 0x20, d | 0x20, e | 0x20
    return (
        ((p == 117) & (q == 110) & (r == 100) & (s == 101) & (t == 114))
        | ((p == 115) & (q == 112) & (r == 100) & (s == 120))
        | ((p == 112) & (q == 101) & (r == 114) & (s == 109) & (t == 105))
        | ((p == 114) & (q == 101) & (r == 100) & (s == 105) & (t == 115))
        | ((p == 118) & (q == 101) & (r == 99) & (s == 111) & (t == 109))
        | ((p == 99) & (b == 32) & (r == 100) & (s == 111) & (t == 109))
        | ((a == 0xC5) & (b == 0xBF))
        | ((a == 0xE2) & (b == 0x84) & (c == 0xAA))
    )


@short
def _any_mark(text, begin):  # type: ignore[no-untyped-def]
    """Whether a phrase may be at one of the BLOCK bytes from `begin`."""
    found = False
    for k in range(BLOCK):
        i = begin + k
        found |= _is_mark(text[i], text[i + 1], text[i + 2], text[i + 3], text[i + 4])
    return found


@inner
def _stands(text, i, start, stop, row):  # type: ignore[no-untyped-def]
    """Whether a word of `_table` stands at place i, whatever the case of its letters."""
    n = np.int64(row[0])
    if i < start or i + n > stop:
        return False
    for k in range(n):
        wanted, b = row[k + 1], text[i + k]
        if b != wanted and not (97 <= wanted <= 122 and b | 0x20 == wanted):
            return False
    return True


@inner
def _states(text, i, start, stop, phrases, verbs):  # type: ignore[no-untyped-def]
    """Whether a phrase is at the mark at place i."""
    shift = 0
    first = text[i] | 0x20
    if first == 118:
        shift = 6  # "creati" before "ve"
    elif first == 99:
        shift = 5  # "publi" before "c"
    for row in range(len(phrases)):
        if _stands(text, i - shift, start, stop, phrases[row]):
            return True
    if first != 117:
        return False
    k = i
    while k > start and (text[k - 1] == 32 or (9 <= text[k - 1] <= 13 and text[k - 1] != 11)):
        k -= 1
    if k == i:
        return False
    found = False
    for row in range(len(verbs)):
        found = found or _stands(text, k - verbs[row, 0], start, k, verbs[row])
    return found


@inner
def _find(text, offsets, phrases, verbs, stated, odd):  # type: ignore[no-untyped-def]
    """Marks the documents, the first of which begins at byte 0."""
    document, last = 0, len(offsets) - 1
    end = offsets[last]
    for block in range((end + BLOCK - 1) // BLOCK):
        begin = block * BLOCK
        if begin + BLOCK + _AHEAD <= len(text) and not _any_mark(text, begin):
            continue
        for i in range(begin, min(begin + BLOCK, end)):
            b = text[i]
            if not (97 <= b | 0x20 <= 122 or b == 0xC5 or b == 0xE2):
                continue
            while offsets[document + 1] <= i:
                document += 1
            start, stop = offsets[document], offsets[document + 1]
            if stop - i < 2 or stated[document]:
                continue
            c = text[i + 2] if i + 2 < stop else np.uint8(0)
            d = text[i + 3] if i + 3 < stop else np.uint8(0)
            e = text[i + 4] if i + 4 < stop else np.uint8(0)
            if not _is_mark(b, text[i + 1], c, d, e):
                continue
            if b >= 0x80:
                odd[document] = True
            elif _states(text, i, start, stop, phrases, verbs):
                stated[document] = True


def stating(texts: Texts) -> tuple[Mask, Mask]:
    """(texts with a phrase, texts with a letter outside ASCII that is an s or k but for its case), bool [N] each. Of
    the latter no phrase is looked for that holds the letter."""
    n, first = len(texts), texts.offsets_N1[0]
    stated, odd = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    _find(texts.data[first:], texts.offsets_N1 - first, _table(PHRASES), _table(VERBS), stated, odd)
    return stated, odd
