"""One random number for one decision: uniforms as a pure function of what is decided, not of when.

A generator with a running state gives a sequence other numbers as soon as another sequence joins or leaves the batch.
Here each draw is a hash (SplitMix64's finaliser, Steele, Lea and Flood 2014) of (seed, request, sample, position), so a
completion depends on its own request alone, whatever shares the batch with it.

S sequences
"""

from __future__ import annotations

import numpy as np

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def _mix(x_S: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser on uint64 values; arithmetic wraps modulo 2**64."""
    x_S = (x_S ^ (x_S >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x_S = (x_S ^ (x_S >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x_S ^ (x_S >> np.uint64(31))


def sequence_key(seed: int, request: int, sample: int) -> int:
    """A 64-bit key for sample `sample` of request number `request` under `seed` (any integers)."""
    key = 0
    for part in (seed, request, sample):
        key = (key + (part & _MASK) + 1) * _GOLDEN & _MASK
        key = int(_mix(np.array([key], dtype=np.uint64))[0])
    return key


def uniforms(keys_S: np.ndarray, positions_S: np.ndarray) -> np.ndarray:
    """float64 in [0, 1), one for each pair of uint64 key and integer position (0 is the first generated token)."""
    counters_S = keys_S + (positions_S.astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN)
    return (_mix(counters_S) >> np.uint64(11)) * 2.0**-53
