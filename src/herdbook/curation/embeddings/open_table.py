"""Looking up 64-bit keys in an open hash table whose size is a power of two, in Numba; 0 is a free place."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, inline="always")
def find(keys, key):  # type: ignore[no-untyped-def]
    """The place of a key, or the free place where it belongs."""
    value = key * np.uint64(0xD6E8FEB86659FD93)
    mask = np.int64(len(keys) - 1)
    at = np.int64(value >> np.uint64(33)) & mask
    while keys[at] != 0 and keys[at] != key:
        at = (at + 1) & mask
    return at
