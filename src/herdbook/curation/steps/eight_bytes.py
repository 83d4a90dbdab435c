"""Eight bytes of a text at once, as a number: for kernels that look for the end of a word or a line.

A test of all eight bytes gives a mask: the high bit of each byte that passes it. `(byte & LOW) + each(0x80 - n)` has
the high bit where a byte under 128 is n or more; `((byte & LOW) ^ each(n)) + LOW` where it is not n. Neither carries
into the next byte.
"""

from __future__ import annotations

import numba
import numpy as np

from herdbook.curation.kernel import inner

_U = np.uint64
PLACES = (1 << 40) - 1
"""A place `& PLACES` is itself; the compiler learns from it that the place is not negative."""


def each(byte: int) -> np.uint64:
    """The number whose eight bytes are all the same."""
    return _U(0x0101010101010101 * byte)


ONES, LOW, HIGH = each(1), each(0x7F), each(0x80)
_COUNTED = _U(0x0001020304050607)


@inner
def eight_bytes(text, i):  # type: ignore[no-untyped-def]
    """The eight bytes from place i, the first lowest. The compiler makes one load of it."""
    p = i & PLACES
    low = _U(text[p]) | _U(text[p + 1]) << _U(8) | _U(text[p + 2]) << _U(16) | _U(text[p + 3]) << _U(24)
    high = _U(text[p + 4]) | _U(text[p + 5]) << _U(8) | _U(text[p + 6]) << _U(16) | _U(text[p + 7]) << _U(24)
    return low | high << _U(32)


@numba.njit(cache=True, nogil=True, inline="always")
def first_byte(mask):  # type: ignore[no-untyped-def]
    """Number of the first byte whose high bit is set in a mask that is not empty."""
    lowest = mask & (~mask + _U(1))
    return np.int64(((lowest >> _U(7)) * _COUNTED) >> _U(56))
