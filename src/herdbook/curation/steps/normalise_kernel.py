"""Normalisation by kernels over Arrow's UTF-8 buffer: lines that may need more than other line ends are pointed at, and
every text is written anew with the lines that others took the place of.

What a kernel cannot decide (composition of characters, damaged text) is left to `normalise.cleaned`, a line at a time:
nothing that it does reaches over a line feed. Blocks of bytes that say by their first bytes that nothing is to be done
are passed over by a loop that the compiler turns into vector instructions.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation import character_kinds
from herdbook.curation.heuristics.words import Texts, _back, _code_at
from herdbook.curation.kernel import PLACES, inner
from herdbook.curation.wide import copy

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
SIZE = 0x10000
CONTROL, SAFE, LEAD, HIGH, TEXT = 1, 2, 4, 8, 16
BLOCK = 64


@dataclass(frozen=True)
class Found:
    """What was seen in N texts and their lines L."""

    whole_N: Mask
    """Texts of other line ends, or of nothing but white space, for which lines do not do."""
    start_L: I64
    """First byte of each line that may need more."""
    stop_L: I64
    needs_L: Mask
    """Controls or doubly decoded UTF-8; the other lines have a character that may have another NFC."""


@lru_cache(maxsize=1)
def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """(bits of each code point under SIZE, its combining class where it is its own NFC behind one that is not higher).

    SAFE are characters that are their own NFC beside any others that are (Unicode Standard Annex 15, quick check).
    """
    from herdbook.curation.steps import normalise

    table, classes = np.zeros(SIZE, dtype=np.uint8), np.zeros(SIZE, dtype=np.uint8)
    table[:0xA0] = table[0x3400:0x4DC0] = table[0x4E00:0xA000] = table[0xAC00:0xD7A4] = SAFE
    composed = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    others = np.flatnonzero(table == 0).tolist()
    for code in others:
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and parts[0][0] != "<":
            composed.add(int(parts[1], 16))
    for code in others:
        if code not in composed and unicodedata.is_normalized("NFC", chr(code)):
            classes[code] = unicodedata.combining(chr(code))
            table[code] = 0 if classes[code] else SAFE
    for low, high in normalise.CONTROLS:
        table[low : high + 1] |= CONTROL
    table[[ord(c) for c in normalise.LEAD]] |= LEAD
    table[[ord(c) for c in normalise.HIGH]] |= HIGH
    table[np.flatnonzero(character_kinds.kinds()[:SIZE] & character_kinds.ALNUM)] |= TEXT
    table[0x21:0x7F] |= TEXT
    table.flags.writeable = classes.flags.writeable = False
    return table, classes


@numba.njit(cache=True, nogil=True, inline="always")
def _is_odd(b, c, d):  # type: ignore[no-untyped-def]
    """Whether a character may be to look at, by its first three bytes: it is if it is a control, may have another NFC,
    or begins what may be doubly decoded. Never for the later bytes of a character."""
    return (
        ((b < 32) & (b != 10) & (b != 9)) | (b == 0x7F) | ((b == 0xC2) & (c < 0xA0))
        | ((b == 0xC3) & ((d == 0xC2) | (d == 0xC5) | (d == 0xC6) | (d == 0xCB) | (d == 0xE2)))
        | (b == 0xCC) | (b == 0xCD) | ((b == 0xCE) & (c < 0x88)) | ((b == 0xD2) & (c < 0x8A))
        | ((b == 0xD4) & (c > 0xAF)) | (b == 0xD5) | (b == 0xD6) | ((b == 0xD7) & ((c < 0x90) | (c > 0xAA)))
        | ((b >= 0xD8) & (b <= 0xE0)) | ((b == 0xE1) & ((c < 0xB8) | (c > 0xBB)))
        | ((b == 0xE2) & (
            ((c == 0x80) & (d < 0x8C)) | (c == 0x81) | ((c >= 0x83) & (c <= 0x85)) | (c == 0x8C) | (c == 0xAB)
            | ((c >= 0xB0) & (c <= 0xB9))
        ))
        | ((b == 0xE3) & (((c == 0x80) & (d >= 0xAA) & (d <= 0xAF)) | ((c == 0x82) & ((d == 0x99) | (d == 0x9A)))))
        | ((b == 0xEA) & (c < 0xB0)) | ((b == 0xED) & (c >= 0x9E)) | (b == 0xEE)
        | ((b == 0xEF) & ((c < 0xBC) | (c > 0xBE))) | (b >= 0xF0)
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, inline="always")
def _any_odd(text, begin):  # type: ignore[no-untyped-def]
    found = False
    for k in range(BLOCK):
        i = begin + k
        found |= _is_odd(text[i], text[i + 1], text[i + 2])
    return found


@inner
def _class_before(text, i, start, classes):  # type: ignore[no-untyped-def]
    """Combining class of the character before place i, where it is its own NFC."""
    if i <= start:
        return np.uint8(0)
    code, _ = _code_at(text, _back(text, i, start), i)
    return classes[code] if code < SIZE else np.uint8(0)


@inner
def _judged(text, i, start, stop, table, classes):  # type: ignore[no-untyped-def]
    """(whether the character at place i is a control or begins what may be doubly decoded, whether it may have another
    NFC)."""
    code, size = _code_at(text, i, stop)
    if code >= SIZE:
        return False, True
    bits = np.int64(table[code])
    if bits & CONTROL:
        return True, False
    if bits & LEAD and i + size < stop:
        following, _ = _code_at(text, i + size, stop)
        if following < SIZE and table[following] & HIGH:
            return True, False
    if bits & SAFE:
        return False, False
    order = classes[code]
    return False, order == 0 or _class_before(text, i, start, classes) > order


@inner
def _look(text, offsets, table, classes, whole, starts, stops, needs):  # type: ignore[no-untyped-def]
    """Fills the arrays of `Found` but for blank texts, the first document beginning at byte 0; returns lines found."""
    n, document, last = 0, 0, len(offsets) - 1
    end = offsets[last]
    for block in range((end + BLOCK - 1) // BLOCK):
        begin = block * BLOCK
        if begin + BLOCK + 2 <= len(text) and not _any_odd(text, begin):
            continue
        for i in range(begin, min(begin + BLOCK, end)):
            b = text[i]
            if b & 0xC0 == 0x80 or (32 <= b < 0x7F) or b == 10 or b == 9:
                continue
            while offsets[document + 1] <= i:
                document += 1
            start, stop = offsets[document], offsets[document + 1]
            if b == 13 or b == 12:
                whole[document] = True
                continue
            need, unsure = _judged(text, i, start, stop, table, classes)
            if not (need or unsure):
                continue
            if n and i < stops[n - 1]:
                needs[n - 1] = needs[n - 1] or need
                continue
            first = i
            while first > start and text[first - 1] != 10:
                first -= 1
            behind = i
            while behind < stop and text[behind] != 10:
                behind += 1
            starts[n], stops[n], needs[n] = first, behind, need
            n += 1
    return n


@inner
def _blank(text, offsets, table, starts, stops, whole):  # type: ignore[no-untyped-def]
    """Marks documents without a letter, digit or sign outside the lines that were found."""
    line = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        filled = False
        while i < stop and not filled:
            while line < len(stops) and stops[line] <= i:
                line += 1
            if line < len(stops) and starts[line] <= i:
                i = stops[line]
                continue
            code, size = _code_at(text, i, stop)
            filled = code < SIZE and table[code] & TEXT != 0
            i += size
        if not filled:
            whole[document] = True


def look(texts: Texts) -> Found:
    """Looks at all texts."""
    n, first = len(texts), texts.offsets_N1[0]
    data, offsets = texts.data[first:], texts.offsets_N1 - first
    room = int(offsets[-1]) // 2 + n + 1  # a line has a byte and its line feed
    starts, stops = np.empty(room, np.int64), np.empty(room, np.int64)
    needs, whole = np.zeros(room, np.bool_), np.zeros(n, np.bool_)
    table, classes = _tables()
    n_lines = _look(data, offsets, table, classes, whole, starts, stops, needs)
    starts, stops = starts[:n_lines], stops[:n_lines]
    _blank(data, offsets, table, starts, stops, whole)
    inside = whole[np.searchsorted(offsets, starts, side="right") - 1]
    keep = ~inside
    return Found(whole, starts[keep] + first, stops[keep] + first, needs[:n_lines][keep])


@inner
def _is_tidy(text, start, stop):  # type: ignore[no-untyped-def]
    """Whether no line ends in blanks and no two empty lines follow each other."""
    if text[stop - 1] == 32 or text[stop - 1] == 9:
        return False
    found = False
    begin = start & PLACES
    for k in range(stop - start - 1):
        b, c = text[begin + k], text[begin + k + 1]
        found |= (c == 10) & ((b == 32) | (b == 9))
    for k in range(stop - start - 2):
        found |= (text[begin + k] == 10) & (text[begin + k + 1] == 10) & (text[begin + k + 2] == 10)
    return not found


@inner
def _tidy_lines(text, start, stop, starts, stops, line, new, new_offsets, out, n):  # type: ignore[no-untyped-def]
    """Writes a text line by line, `new` lines in the place of those from number `line` on. Returns (place behind it,
    whether more than its ends changed)."""
    begin_n, feeds, changed = n, 0, False
    i = start
    while i < stop:
        end = i
        while end < stop and text[end] != 10:
            end += 1
        other = line < len(starts) and starts[line] == i
        source = new if other else text
        first, last = (new_offsets[line], new_offsets[line + 1]) if other else (i, end)
        changed = changed or other
        line += other
        behind = last
        while last > first and (source[last - 1] == 32 or source[last - 1] == 9):
            last -= 1
        changed = changed or last < behind
        if last > first:
            if n > begin_n:
                changed = changed or feeds > 3
                for _ in range(min(feeds, 3)):
                    out[n] = 10
                    n += 1
            n = copy(source, first, last, out, n)
            feeds = 0
        feeds += 1
        i = end + 1
    out[n] = 10
    return n + 1, changed


@inner
def _tidy(text, offsets, whole, starts, stops, new, new_offsets, out, out_offsets, changed):  # type: ignore[no-untyped-def]
    line, text_number = 0, len(starts)
    n = np.int64(0)
    for document in range(len(offsets) - 1):
        start, stop = offsets[document], offsets[document + 1]
        first = line
        while line < len(starts) and starts[line] < stop:
            line += 1
        if whole[document]:
            n = copy(new, new_offsets[text_number], new_offsets[text_number + 1], out, n)
            text_number += 1
        elif line == first and _is_tidy(text, start, stop):
            while text[start] == 10:
                start += 1
            while text[stop - 1] == 10:
                stop -= 1
            n = copy(text, start, stop, out, n)
            out[n] = 10
            n += 1
        else:
            n, changed[document] = _tidy_lines(text, start, stop, starts, stops, first, new, new_offsets, out, n)
        out_offsets[document + 1] = n
    return n


def tidied(texts: Texts, whole_N: Mask, start_L: I64, stop_L: I64, new: Texts) -> tuple[Any, Mask]:
    """(Arrow strings without blanks at line ends, with at most two empty lines in a row, none at either end and one
    line feed behind; whether more than the ends of a text changed [N]).

    `new` takes the place of the lines, none of them in a text that is `whole`, and then, as it is, of those texts.
    """
    import pyarrow as pa

    n = len(texts)
    room = int(texts.offsets_N1[-1] - texts.offsets_N1[0]) + n + int(new.offsets_N1[-1] - new.offsets_N1[0])
    out = np.empty(room, np.uint8)
    offsets, changed = np.zeros(n + 1, np.int64), np.zeros(n, np.bool_)
    n_bytes = _tidy(
        texts.data, texts.offsets_N1, whole_N, start_L, stop_L, new.data, new.offsets_N1, out, offsets, changed
    )
    found = pa.Array.from_buffers(pa.large_string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(out[:n_bytes])])
    return found, changed


@inner
def _count_lost(text, offsets, lost):  # type: ignore[no-untyped-def]
    for document in range(len(offsets) - 1):
        begin = offsets[document] & PLACES
        n = 0
        for k in range(offsets[document + 1] - offsets[document] - 2):
            n += (text[begin + k] == 0xEF) & (text[begin + k + 1] == 0xBF) & (text[begin + k + 2] == 0xBD)
        lost[document] = n


def count_lost(texts: Texts) -> I64:
    """Characters U+FFFD of each text [N]."""
    lost = np.zeros(len(texts), np.int64)
    _count_lost(texts.data, texts.offsets_N1, lost)
    return lost
