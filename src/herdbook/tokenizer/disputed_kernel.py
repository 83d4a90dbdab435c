"""Looks for characters of which tokenizers think differently, at nearly the speed of memory (compiled by numba)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def first_disputed(utf8: Any, first_R: Any, last_R: Any) -> int:
    """The place of the first character of `utf8` (uint8, valid) that lies in one of R ranges; -1 where none does.

    first_R, last_R: int64, ends of ranges of code points in order. They lie beyond U+FFFF, or their first byte is 0xE0
    or 0xEA: characters that begin with another byte are passed over unseen.
    """
    suspect = np.uint8(0)
    for i in range(utf8.size):  # no early end: a loop that a compiler makes wide, and mostly the only one
        first = utf8[i]
        suspect |= np.uint8(first == 0xE0) | np.uint8(first == 0xEA) | np.uint8(first >= 0xF0)
    if not suspect:
        return -1
    for i in range(utf8.size):
        first = utf8[i]
        if first < 0xE0 or (first != 0xE0 and first != 0xEA and first < 0xF0):
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
