"""Calibration: of what scores 0.8, four in five should be good. Isotonic regression, and tables of how far it is so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Calibration:
    """A rising map from raw scores to probabilities: straight lines between knots, constant beyond them."""

    x: tuple[float, ...] = (0.0, 1.0)
    y: tuple[float, ...] = (0.0, 1.0)

    def __call__(self, scores: F64) -> F64:
        """Probabilities of raw scores [N]."""
        return np.asarray(np.interp(scores, self.x, self.y), dtype=np.float64)


def isotonic(scores: F64, true: Bool) -> Calibration:
    """Isotonic regression by pooling adjacent violators (Zadrozny and Elkan 2002), blocks joined by straight lines.

    Straight lines and not steps: the order of raw scores is kept inside the range, so that thresholds can be fine.
    Needs both kinds of labels; else the identity comes back.
    """
    if len(scores) < 2 or true.all() or not true.any():
        return Calibration()
    order = np.argsort(scores, kind="stable")
    x, y = scores[order].astype(np.float64), true[order].astype(np.float64)
    values, first = np.unique(x, return_index=True)
    counts = np.diff([*first, len(x)]).astype(np.float64)
    blocks: list[list[float]] = []  # mean label, weight, sum of weighted scores
    for value, count, mean in zip(values, counts, np.add.reduceat(y, first) / counts):
        blocks.append([float(mean), float(count), float(value * count)])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            mean2, weight2, sum2 = blocks.pop()
            mean1, weight1, sum1 = blocks[-1]
            weight = weight1 + weight2
            blocks[-1] = [(mean1 * weight1 + mean2 * weight2) / weight, weight, sum1 + sum2]
    knots_x, knots_y = [b[2] / b[1] for b in blocks], [b[0] for b in blocks]
    low, high = min(0.0, float(x[0])), max(1.0, float(x[-1]))
    if knots_x[0] > low:  # beyond the outer blocks the map goes on to rise a little, so that order is kept there too
        knots_x, knots_y = [low, *knots_x], [knots_y[0] / 2, *knots_y]
    if knots_x[-1] < high:
        knots_x, knots_y = [*knots_x, high], [*knots_y, (1 + knots_y[-1]) / 2]
    return Calibration(tuple(knots_x), tuple(knots_y))


def reliability(probabilities: F64, true: Bool, n_bins: int = 10) -> list[dict[str, Any]]:
    """Equal bins of the predicted probability: how many fall in, what was predicted on average, what is true."""
    place = np.minimum((probabilities * n_bins).astype(int), n_bins - 1)
    rows = []
    for number in range(n_bins):
        inside = place == number
        n = int(inside.sum())
        rows.append(
            {
                "from": round(number / n_bins, 4),
                "n": n,
                "predicted": round(float(probabilities[inside].mean()), 4) if n else None,
                "true": round(float(true[inside].mean()), 4) if n else None,
            }
        )
    return rows


def expected_calibration_error(probabilities: F64, true: Bool, n_bins: int = 10) -> float:
    """Mean distance between predicted and true share over the bins, weighted by what falls in (Guo et al. 2017)."""
    rows = reliability(probabilities, true, n_bins)
    return sum(r["n"] * abs(r["predicted"] - r["true"]) for r in rows if r["n"]) / max(1, len(probabilities))
