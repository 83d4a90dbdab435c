"""Marks of mathematics in texts: commands and brackets of LaTeX, dollar signs, MathML, signs; and which texts can hold
a whole formula at all.

Marks are rare: blocks of bytes are passed over by a loop that the compiler turns into vector instructions, and only
blocks with one are read byte by byte. A formula itself is told by the expression of `maths.py`; what a text must hold
for it to find any is looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import Texts, _code_at
from herdbook.curation.kernel import inner, short

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
BLOCK = 64
MOST_BYTES = 1300
"""At least the bytes of the longest formula between single dollar signs: 302 characters."""


@dataclass(frozen=True)
class Marks:
    """What was counted in N texts; texts without a mark have zeros everywhere."""

    marked_N: Mask
    formula_N: Mask
    """Texts that may hold a formula."""
    command_N: I64
    """Characters in commands of LaTeX."""
    signs_N: I64
    opened_N: I64
    """Opening curly brackets and beginnings of environments."""
    closed_N: I64
    characters_N: I64


@short
def _any_mark(text, begin):  # type: ignore[no-untyped-def]
    """Whether a mark may begin at one of the BLOCK bytes from `begin`; the byte after them is read too."""
    found = False
    for k in range(BLOCK):
        b, c = text[begin + k], text[begin + k + 1]
        found |= (
            (b == 36) | (b == 92) | ((b == 60) & (c == 109))  # $, a backslash, <m
            | ((b == 0xE2) & ((c & 0xFC) == 0x88)) | ((b == 0xF0) & (c == 0x9D))
        )  # fmt: skip
    return found


@inner
def _is_letter(b):  # type: ignore[no-untyped-def]
    return 97 <= b | 0x20 <= 122


@inner
def _is_space(b):  # type: ignore[no-untyped-def]
    return b == 32 or 9 <= b <= 13 or 28 <= b <= 31


@inner
def _is_word(b):  # type: ignore[no-untyped-def]
    return _is_letter(b) or 48 <= b <= 57 or b == 95


@inner
def _follows(text, i, stop, word):  # type: ignore[no-untyped-def]
    """Whether the bytes of `word` stand at place i."""
    same = i + len(word) <= stop
    for k in range(len(word) if same else 0):
        same = same and text[i + k] == word[k]
    return same


@inner
def _dollars(text, i, start, stop):  # type: ignore[no-untyped-def]
    """Whether a formula may begin with the dollar sign at place i; of bytes outside ASCII nothing is asked."""
    if i + 1 >= stop:
        return False
    if text[i + 1] == 36:
        return True
    if _is_space(text[i + 1]):
        return False
    if i > start and (text[i - 1] == 92 or text[i - 1] == 36 or _is_word(text[i - 1])):
        return False
    sign = False
    k = i + 1
    end = min(stop, i + MOST_BYTES)
    while k < end and text[k] != 36 and text[k] != 10:
        b = text[k]
        sign = (
            sign or b == 92 or b == 94 or b == 95 or b == 61 or b == 123 or b == 125 or b == 60 or b == 62 or b == 43
            or b == 42 or b == 47
        )  # fmt: skip  # \ ^ _ = { } < > + * /
        k += 1
    if k >= end or text[k] != 36 or _is_space(text[k - 1]):
        return False
    if k + 1 < stop and _is_word(text[k + 1]):
        return False
    return sign or (k == i + 2 and _is_letter(text[i + 1]))


@inner
def _look_at(  # type: ignore[no-untyped-def]
    text, i, start, stop, document, begins, ends, formula, command, signs, opened, closed
):  # fmt: skip
    """Counts the mark at place i, if there is one; returns whether there is."""
    b = text[i]
    following = text[i + 1] if i + 1 < stop else np.uint8(0)
    if b == 36:
        formula[document] = formula[document] or _dollars(text, i, start, stop)
        return True
    if b == 92:
        if following == 40 or following == 91:
            formula[document] = True
            return True
        if not _is_letter(following):
            return False
        k = i + 1
        while k < stop and _is_letter(text[k]):
            k += 1
        command[document] += k - i
        if _follows(text, i + 1, stop, begins):
            formula[document] = True
            opened[document] += 1
        elif _follows(text, i + 1, stop, ends):
            closed[document] += 1
        return True
    if b == 60:
        if not (following == 109 and i + 5 <= stop and text[i + 2] == 97 and text[i + 3] == 116 and text[i + 4] == 104):
            return False
        formula[document] = True
        return True
    if b == 0xE2 or b == 0xF0:
        code, _ = _code_at(text, i, stop)
        if 0x2200 <= code <= 0x22FF or 0x1D400 <= code <= 0x1D7FF:
            signs[document] += 1
            return True
    return False


@inner
def _count(text, start, stop):  # type: ignore[no-untyped-def]
    """(opening curly brackets, closing ones, characters)."""
    opened, closed, characters = 0, 0, 0
    for i in range(start, stop):
        b = text[i]
        opened += b == 123
        closed += b == 125
        characters += (b & 0xC0) != 0x80
    return opened, closed, characters


@inner
def _find(  # type: ignore[no-untyped-def]
    text, offsets, begins, ends, marked, formula, command, signs, opened, closed, characters
):  # fmt: skip
    """Counts the marks of all documents, the first of which begins at byte 0."""
    document, last = 0, len(offsets) - 1
    end = offsets[last]
    for block in range((end + BLOCK - 1) // BLOCK):
        begin = block * BLOCK
        if begin + BLOCK < len(text) and not _any_mark(text, begin):
            continue
        for i in range(begin, min(begin + BLOCK, end)):
            b = text[i]
            if b == 36 or b == 92 or b == 60 or b == 0xE2 or b == 0xF0:
                while offsets[document + 1] <= i:
                    document += 1
                if _look_at(
                    text, i, offsets[document], offsets[document + 1], document, begins, ends, formula, command, signs,
                    opened, closed,
                ):  # fmt: skip
                    marked[document] = True
    for document in range(last):
        if marked[document]:
            more, less, characters[document] = _count(text, offsets[document], offsets[document + 1])
            opened[document] += more
            closed[document] += less


def marks(texts: Texts) -> Marks:
    """The marks of each text."""
    n, first = len(texts), texts.offsets_N1[0]
    marked, formula = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    command, signs, opened, closed, characters = (np.zeros(n, np.int64) for _ in range(5))
    begins, ends = (np.frombuffer(name, np.uint8) for name in (b"begin{", b"end{"))
    data, offsets = texts.data[first:], texts.offsets_N1 - first
    _find(data, offsets, begins, ends, marked, formula, command, signs, opened, closed, characters)
    return Marks(marked, formula, command, signs, opened, closed, characters)
