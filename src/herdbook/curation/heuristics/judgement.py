"""From rules to verdicts: each rule is a reason code with a mask of the documents that break it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rule = tuple[str, npt.NDArray[np.bool_]]


def share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """part / whole; 0 where the whole is 0."""
    return np.asarray(part / np.maximum(whole, 1), dtype=np.float64)


def first_reason(rules: Sequence[Rule], n: int) -> npt.NDArray[np.object_]:
    """The first rule that each of n documents breaks, or None, object [n]."""
    reasons = np.full(n, None, dtype=object)
    free = np.ones(n, dtype=bool)
    for reason, broken in rules:
        reasons[broken & free] = reason
        free &= ~broken
    return reasons
