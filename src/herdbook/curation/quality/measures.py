"""How good a score is, against labels: area under the ROC curve, F1, Cohen's kappa, Spearman's rank correlation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


def auc(positive: npt.NDArray[np.floating], negative: npt.NDArray[np.floating]) -> float | None:
    """Area under the ROC curve: the probability that a positive scores above a negative, ties counted half."""
    if not len(positive) or not len(negative):
        return None
    ordered = np.sort(negative)
    less = np.searchsorted(ordered, positive, side="left")
    equal = np.searchsorted(ordered, positive, side="right") - less
    return float((less.sum() + 0.5 * equal.sum()) / (len(positive) * len(negative)))


def f1(found: Bool, true: Bool) -> float:
    """Harmonic mean of precision and recall; 0 where nothing is found."""
    both = int((found & true).sum())
    return 2 * both / max(1, int(found.sum()) + int(true.sum()))


def kappa(found: Bool, true: Bool) -> float:
    """Cohen's kappa: agreement beyond what the two shares of "yes" would give by chance (1 perfect, 0 chance).

    0 where one side says the same of everything.
    """
    agreed = float((found == true).mean())
    p, q = float(found.mean()), float(true.mean())
    chance = p * q + (1 - p) * (1 - q)
    return 0.0 if chance == 1 or p in (0, 1) or q in (0, 1) else (agreed - chance) / (1 - chance)


def best_cut(scores: F64, true: Bool, measure: Callable[[Bool, Bool], float]) -> float:
    """The cut whose `score >= cut` measures best: half way between two scores; of equally good ones the middle one."""
    values = np.unique(scores)
    cuts = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2])
    if len(cuts) > 400:
        cuts = cuts[np.linspace(0, len(cuts) - 1, 400).astype(int)]
    found = [measure(scores >= cut, true) for cut in cuts]
    best = np.flatnonzero(np.array(found) >= max(found) - 1e-12)
    return float(cuts[best[len(best) // 2]])


def ranks(values: F64) -> F64:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def spearman(a: F64, b: F64) -> float | None:
    """Spearman's rank correlation; None where one side has a single value."""
    x, y = ranks(a), ranks(b)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > 0 else None


def interval(n: int, measure: Callable[[npt.NDArray[np.int64]], float | None], repeats: int = 500) -> list[float]:
    """95 % bootstrap interval of a measure of n rows; `measure` is given the numbers of the rows that were drawn."""
    rng = np.random.Generator(np.random.PCG64(0))
    values = [v for _ in range(repeats) if (v := measure(rng.integers(0, n, n))) is not None]
    return [float(np.quantile(values, q)) for q in (0.025, 0.975)] if values else []
