"""How the inner functions of kernels are compiled: without counting references to arrays.

Numba counts a reference to each array at the beginning and end of a function that loops and calls others, by atomic
operations. In a function that is called for every word this takes more time than the word: without, words are cut
1.6 times as fast. Such a function must not make arrays; Numba refuses to compile one that does.
"""

from __future__ import annotations

from typing import Any

import numba

inner: Any = numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]
"""Decorator of functions that loops of a kernel call, and of kernels that make no array. `_nrt` is an option that Numba
does not document; its version is fixed in constraints.txt."""

short: Any = numba.njit(cache=True, nogil=True, _nrt=False, forceinline=True)  # type: ignore[call-overload]
"""Decorator of short functions that are called for a character or a word: LLVM puts them where they are called.
`inline="always"` does so before, and then each copy is typed and optimised anew, which more than doubles the time of
compilation."""

PLACES = (1 << 40) - 1
"""A place `& PLACES` is itself; the compiler learns from it that the place is not negative, and takes whole vectors."""
