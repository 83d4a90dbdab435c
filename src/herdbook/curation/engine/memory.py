"""Memory that is free, given back to the operating system between two phases.

Allocators keep what was freed for the next who asks. A phase's arrays are of other sizes than those of the phase
before, so what is kept would lie beside what is needed.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

ENVIRONMENT = {
    "GLIBC_TUNABLES": ":".join(
        f"glibc.malloc.{name}={value}"
        for name, value in {"trim_threshold": 1 << 25, "mmap_threshold": 1 << 25, "arena_max": 1}.items()
    ),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""How the process of a curation allocates: arrays over 32 MiB go back at once, all threads share one heap, and Arrow
uses malloc, so that freed columns serve for arrays and the other way round."""


@functools.cache
def _trim() -> Callable[[int], int] | None:
    """glibc's malloc_trim; None where there is none."""
    try:
        found = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    found.argtypes, found.restype = [ctypes.c_size_t], ctypes.c_int
    return found


def give_back() -> None:
    """Gives what is free back; costs milliseconds."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    trim = _trim()
    if trim is not None:
        trim(0)
