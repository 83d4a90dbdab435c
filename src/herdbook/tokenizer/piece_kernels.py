"""Kernels that cut text by Llama 3's split pattern and count the pieces, at native speed (compiled by numba).

The pattern is written out by hand: at each place the class of a character or two decides what matches;
no alternative needs to look back. Twin: `split_pattern.split`, the pattern itself.

Letters of shapes: C code points, P pieces (capacity), A bytes of all pieces (capacity), S slots (a power of 2).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np

from herdbook.tokenizer.split_pattern import compile_split

OTHER, LETTER, NUMBER, SPACE, NEWLINE = 0, 1, 2, 3, 4


@cache
def character_classes() -> np.ndarray:
    """The class of each code point, uint8 of shape (0x110000,), as the library `regex` sees it."""
    points = [*range(0xD800), *range(0xE000, 0x110000)]
    text = "".join(map(chr, points))
    classes = np.zeros(0x110000, dtype=np.uint8)
    for pattern, name in ((r"\p{L}+", LETTER), (r"\p{N}+", NUMBER), (r"\s+", SPACE), (r"[\r\n]+", NEWLINE)):
        for match in compile_split(pattern).finditer(text):
            start, end = match.span()
            classes[[ord(c) for c in text[start:end]]] = name
    return classes


@numba.njit(cache=True, nogil=True, inline="always")
def _character(utf8: Any, at: Any) -> tuple[Any, Any]:
    """(code point, place of the next character) at a place of valid UTF-8."""
    first = utf8[at]
    if first < 0x80:
        return np.int64(first), at + 1
    if first < 0xE0:
        return (np.int64(first & 31) << 6) | (utf8[at + 1] & 63), at + 2
    if first < 0xF0:
        return (np.int64(first & 15) << 12) | (np.int64(utf8[at + 1] & 63) << 6) | (utf8[at + 2] & 63), at + 3
    high = (np.int64(first & 7) << 18) | (np.int64(utf8[at + 1] & 63) << 12)
    return high | (np.int64(utf8[at + 2] & 63) << 6) | (utf8[at + 3] & 63), at + 4


@numba.njit(cache=True, nogil=True)
def _contraction(utf8: Any, at: int, end: int) -> int:
    """End of `(?i:'s|'t|'re|'ve|'m|'ll|'d)` whose apostrophe stands before `at`; -1 where there is none."""
    if at >= end:
        return -1
    first = utf8[at] | 0x20
    if first == ord("s") or first == ord("t") or first == ord("m") or first == ord("d"):
        return at + 1 if utf8[at] < 0x80 else -1
    if at + 1 >= end:
        return -1
    second = utf8[at + 1] | 0x20
    if (first == ord("r") or first == ord("v")) and second == ord("e"):
        return at + 2
    if first == ord("l") and second == ord("l"):
        return at + 2
    if utf8[at] == 0xC5 and utf8[at + 1] == 0xBF:  # U+017F, the long s, is an s in lower case too
        return at + 2
    return -1


@numba.njit(cache=True, nogil=True)
def piece_end(utf8: Any, start: int, end: int, classes_C: Any) -> int:
    """Where the piece that begins at `start` ends. utf8: uint8, valid up to `end`."""
    point, after = _character(utf8, start)
    kind = classes_C[point]
    if point == ord("'"):
        found = _contraction(utf8, after, end)
        if found > 0:
            return found
    at = after
    if kind == LETTER or (kind != NUMBER and kind != NEWLINE and at < end):
        letters = kind == LETTER
        while at < end:
            point_2, after_2 = _character(utf8, at)
            if classes_C[point_2] != LETTER:
                break
            letters, at = True, after_2
        if letters:
            return at
    if kind == NUMBER:
        for _ in range(2):
            if at < end:
                point_2, after_2 = _character(utf8, at)
                if classes_C[point_2] == NUMBER:
                    at = after_2
                else:
                    break
        return at
    others = kind == OTHER
    if others or point == ord(" "):
        while at < end:
            point_2, after_2 = _character(utf8, at)
            if classes_C[point_2] != OTHER:
                break
            others, at = True, after_2
        if others:
            while at < end and (utf8[at] == 10 or utf8[at] == 13):
                at += 1
            return at
    # blank space: up to its last newline; without one all but its last character; a single one alone
    at, last, newline = start, start, -1
    while at < end:
        point_2, after_2 = _character(utf8, at)
        kind_2 = classes_C[point_2]
        if kind_2 < SPACE:
            break
        last, at = at, after_2
        if kind_2 == NEWLINE:
            newline = at
    if newline > 0:
        return newline
    return at if at == end or last == start else last


@numba.njit(cache=True, nogil=True)
def count_into(
    utf8: Any, start: int, end: int, classes_C: Any, slots_S: Any, hashes_P: Any, offsets_P: Any, counts_P: Any,
    arena_A: Any, used: Any, whole: bool,
) -> int:  # fmt: skip
    """Count the pieces of utf8[start:end]; whole: it is one piece as it stands.

    used: int64 (2,), pieces and arena bytes in use, updated in place.

    Returns `end`, or the place of the first piece that found no room: then the arrays have to be made larger.
    """
    mask = slots_S.size - 1
    at = start
    while at < end:
        stop = end if whole else piece_end(utf8, at, end, classes_C)
        size = stop - at
        digest = np.uint64(14695981039346656037)
        for i in range(at, stop):
            digest = (digest ^ np.uint64(utf8[i])) * np.uint64(1099511628211)
        digest ^= digest >> np.uint64(29)
        slot = np.int64(digest & np.uint64(mask))
        while True:
            piece = slots_S[slot]
            if piece < 0:
                n, filled = used[0], used[1]
                if n + 1 >= hashes_P.size or filled + size > arena_A.size:
                    return at
                slots_S[slot] = n
                hashes_P[n] = digest
                counts_P[n] = 1
                arena_A[filled : filled + size] = utf8[at:stop]
                offsets_P[n + 1] = filled + size
                used[0], used[1] = n + 1, filled + size
                break
            if hashes_P[piece] == digest and offsets_P[piece + 1] - offsets_P[piece] == size:
                same, begin = True, offsets_P[piece]
                for i in range(size):
                    if arena_A[begin + i] != utf8[at + i]:
                        same = False
                        break
                if same:
                    counts_P[piece] += 1
                    break
            slot = (slot + 1) & mask
        at = stop
    return end


@numba.njit(cache=True, nogil=True)
def rebuild_slots(slots_S: Any, hashes_P: Any, n: int) -> None:
    """Enter pieces 0 to n-1 into emptied slots."""
    slots_S[:] = -1
    mask = slots_S.size - 1
    for piece in range(n):
        slot = np.int64(hashes_P[piece] & np.uint64(mask))
        while slots_S[slot] >= 0:
            slot = (slot + 1) & mask
        slots_S[slot] = piece


@numba.njit(cache=True, nogil=True)
def forget(hashes_P: Any, offsets_P: Any, counts_P: Any, arena_A: Any, used: Any, at_most: int) -> None:
    """Drop the pieces counted `at_most` times or less; the others move together, in their order."""
    kept, filled = 0, 0
    for piece in range(used[0]):
        begin, stop = offsets_P[piece], offsets_P[piece + 1]
        if counts_P[piece] <= at_most:
            continue
        size = stop - begin
        for i in range(size):
            arena_A[filled + i] = arena_A[begin + i]
        hashes_P[kept], counts_P[kept] = hashes_P[piece], counts_P[piece]
        filled += size
        kept += 1
        offsets_P[kept] = filled
    used[0], used[1] = kept, filled
