"""What is known about a classifier of quality: figures on texts that it never saw, and what it would keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.quality.calibration import expected_calibration_error, reliability
from herdbook.curation.quality.measures import auc, f1, interval

F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


def held_out_figures(probabilities: F64, good: Bool, cut: float) -> dict[str, Any]:
    """AUC with its 95 % interval, F1 at the cut, calibration error and the reliability table of calibrated scores."""
    if not len(good):
        return {"n": 0, "auc": None, "auc_interval": [], "f1": None, "calibration_error": None, "reliability": []}

    def area(rows: npt.NDArray[np.int64]) -> float | None:
        return auc(probabilities[rows][good[rows]], probabilities[rows][~good[rows]])

    whole = area(np.arange(len(good)))
    return {
        "n": len(good),
        "auc": None if whole is None else round(whole, 4),
        "auc_interval": [round(v, 4) for v in interval(len(good), area, 200)],
        "f1": round(f1(probabilities >= cut, good), 4),
        "calibration_error": round(expected_calibration_error(probabilities, good), 4),
        "reliability": reliability(probabilities, good),
    }


def keep_rates(kept: Bool, groups: Sequence[str | None]) -> dict[str, dict[str, Any]]:
    """For each group (source, language): documents and the share that would be kept, largest group first."""
    names = np.array([group or "unknown" for group in groups], dtype=object)
    rows = {}
    for name in sorted(set(names.tolist()), key=lambda g: (-int((names == g).sum()), g)):
        inside = names == name
        rows[name] = {"documents": int(inside.sum()), "keep_rate": round(float(kept[inside].mean()), 4)}
    return rows
