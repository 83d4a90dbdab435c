"""What Python's own string methods say of each code point, as tables for kernels that repeat those methods on UTF-8.

`heuristics/characters.py` holds the properties that published rules ask for; this file those of `str.isalpha`,
`str.split`, `str.splitlines` and `str.lower`. Made once per process, in some 0.1 s.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

SIZE = 0x34000
"""Code points from here on are neither letters nor digits nor white space."""
ALPHA = 1
ALNUM = 2
DIGIT = 4
SPACE = 8
LINE_END = 16
"""Where `str.splitlines` cuts."""
LOWER = 32
"""Lower or title case: what makes `str.isupper` false."""
UPPER = 64
DOTTED_I = 0x130
"""The only letter whose lower case has two characters: i and a dot above."""
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@lru_cache(maxsize=1)
def kinds() -> npt.NDArray[np.uint8]:
    """Bits of each code point under SIZE, uint8 [SIZE]."""
    table = np.zeros(SIZE, dtype=np.uint8)
    for code in range(SIZE):
        c = chr(code)
        if c.isalnum():
            bits = ALNUM | (ALPHA if c.isalpha() else 0) | (DIGIT if c.isdigit() else 0)
        elif c.isspace():
            bits = SPACE
        elif not c.isupper() and not c.islower():
            continue
        else:
            bits = 0
        if c.isupper():
            bits |= UPPER
        elif c.islower() or c.istitle():
            bits |= LOWER
        table[code] = bits
    table[[ord(c) for c in _LINE_ENDS]] |= LINE_END
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1)
def lower_case() -> npt.NDArray[np.int32]:
    """Lower case of each code point under SIZE, int32 [SIZE]; itself where it has none, and for DOTTED_I."""
    folded = np.arange(SIZE, dtype=np.int32)
    for code in np.flatnonzero(kinds() & (UPPER | LOWER)).tolist():
        lowered = chr(code).lower()
        if len(lowered) == 1:
            folded[code] = ord(lowered)
    folded.flags.writeable = False
    return folded
