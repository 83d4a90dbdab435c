"""Looks for characters of which tokenizers think differently, at nearly the speed of memory (compiled by numba)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_BLOCK = 4096


@numba.njit(cache=True, nogil=True)
def first_disputed(utf8: Any, first_R: Any, last_R: Any) -> int:
    """The place of the first character of `utf8` (uint8, valid) that lies in one of R ranges; -1 where none does.

    first_R, last_R: int64, ends of ranges of code points in order. Only characters that begin with the bytes E0 A2,
    E0 B1, E0 B3, EA 9F, or F0 to F4 and another than 9F (emoji) are looked up: all others are passed over unseen, such
    as Korean syllables (EA B0 to ED 9E), Devanagari and Thai.
    """
    for start in range(0, utf8.size - 1, _BLOCK):
        block = utf8[start : start + _BLOCK]
        behind = utf8[start + 1 : start + 1 + _BLOCK]
        suspect = False
        for k in range(behind.size):  # no early end: a loop that a compiler makes wide, and mostly the only one
            suspect = suspect | _is_suspect(block[k], behind[k])
        if not suspect:
            continue
        for k in range(behind.size):
            first, i = block[k], start + k
            if not _is_suspect(first, behind[k]):
                continue
            if first < 0xF0:
                point = (np.int64(first & 15) << 12) | (np.int64(utf8[i + 1] & 63) << 6) | np.int64(utf8[i + 2] & 63)
            else:
                point = (np.int64(first & 7) << 18) | (np.int64(utf8[i + 1] & 63) << 12)
                point |= (np.int64(utf8[i + 2] & 63) << 6) | np.int64(utf8[i + 3] & 63)
            place = np.searchsorted(last_R, point)
            if place < last_R.size and first_R[place] <= point:
                return i
    return -1


@numba.njit(cache=True, nogil=True, inline="always")
def _is_suspect(first: Any, second: Any) -> Any:
    """Whether a character that begins with these two bytes may lie in one of the ranges."""
    e0 = (first == 0xE0) & ((second == 0xA2) | (second == 0xB1) | (second == 0xB3))
    return e0 | ((first == 0xEA) & (second == 0x9F)) | ((first >= 0xF0) & (second != 0x9F))
