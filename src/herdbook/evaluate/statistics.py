"""Intervals for what the evaluation measures: the bootstrap over facts.

Several questions are asked about one fact and their answers stand or fall together, so an interval that treated every
answer as an independent draw would be too narrow. What is resampled here is therefore the *fact* (the cluster): whole
facts are drawn with replacement, with all their answers, and the figure is computed again (Cameron, Gelbach and
Miller 2008, "Bootstrap-based improvements for inference with clustered errors"; Efron and Tibshirani 1993, chapter 13,
for the percentile interval).

Two models that answered the same questions are compared pair by pair: `bootstrap_difference` resamples the facts once
for both, so the difficulty of a fact cancels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Draws held in memory at once: 4 M indices of 8 bytes are 32 MB, whatever the number of facts and resamples.
_DRAWS_PER_BLOCK = 4_000_000


class Interval(NamedTuple):
    """A figure with the bounds of its interval.

    `n` counts the values that the figure was computed from (answers, pairs, documents), not the resampled clusters.
    """

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """`{"value", "low", "high", "n"}`, as evaluation.json and report.json hold it."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}

    def excludes(self, value: float) -> bool:
        """True when the whole interval lies on one side of `value`."""
        return value < self.low or value > self.high


def bootstrap_mean(
    values: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    n: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """The mean of `values` and its bootstrap interval over `clusters`.

    values    [N] numbers or booleans; for pairwise comparisons 1 = win, 0.5 = tie, 0 = loss.
    clusters  [N] labels (the fact of each value); None: every value is a cluster of its own.
    n         resamples.
    seed      of the resampling; the same seed, values and clusters give the same bounds, whatever the order of the rows
              (up to rounding in the last digit).

    Every value weighs the same in the mean, so a fact with three answers weighs three times a fact with one.

    Where all values are 0, or all 1, resampling can see no spread and would claim certainty; there the bounds are the
    exact binomial ones over clusters (Clopper and Pearson 1934): 0 of 30 facts gives [0, 0.116].

    Raises ValueError for no values, values that are not finite, or lengths that differ.
    """
    values_N = _finite_vector(values, "values")
    return _bootstrap(values_N, np.ones_like(values_N), clusters, n, seed, confidence, proportion=True)


def bootstrap_ratio(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    n: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Sum of `numerators` over sum of `denominators`, for instance bits over bytes, with documents as clusters.

    Raises ValueError as `bootstrap_mean` does, and for a denominator that is not positive.
    """
    top_N, bottom_N = _finite_vector(numerators, "numerators"), _finite_vector(denominators, "denominators")
    if len(top_N) != len(bottom_N):
        raise ValueError(f"{len(top_N)} numerators but {len(bottom_N)} denominators")
    if (bottom_N <= 0).any():
        raise ValueError("every denominator must be positive")
    return _bootstrap(top_N, bottom_N, clusters, n, seed, confidence, proportion=False)


def bootstrap_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    n: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Mean of `a` minus mean of `b`, where row i of both answers the same question (paired).

    Raises ValueError as `bootstrap_mean` does.
    """
    a_N, b_N = _finite_vector(a, "a"), _finite_vector(b, "b")
    if len(a_N) != len(b_N):
        raise ValueError(f"{len(a_N)} values in a but {len(b_N)} in b")
    return _bootstrap(a_N - b_N, np.ones_like(a_N), clusters, n, seed, confidence, proportion=False)


# N values, C clusters, R resamples


def _bootstrap(
    top_N: NDArray[np.float64],
    bottom_N: NDArray[np.float64],
    clusters: Sequence[Any] | NDArray[Any] | None,
    n: int,
    seed: int,
    confidence: float,
    *,
    proportion: bool,
) -> Interval:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must lie between 0 and 1")
    if n < 1:
        raise ValueError(f"n={n} resamples; at least 1 is needed")
    top_C, bottom_C = _cluster_sums(top_N, bottom_N, clusters)
    value = float(top_C.sum() / bottom_C.sum())
    tail = (1 - confidence) / 2
    if proportion and _all_equal(top_N, 0.0):
        return Interval(0.0, 0.0, float(1 - tail ** (1 / len(top_C))), len(top_N))
    if proportion and _all_equal(top_N, 1.0):
        return Interval(1.0, float(tail ** (1 / len(top_C))), 1.0, len(top_N))
    resampled_R = np.concatenate(list(_resampled(top_C, bottom_C, n, seed)))
    low, high = np.quantile(resampled_R, [tail, 1 - tail])
    # Clipped so that low <= value <= high also where rounding in the sums would put the mean a last digit outside.
    return Interval(value, float(min(low, value)), float(max(high, value)), len(top_N))


def _resampled(
    top_C: NDArray[np.float64], bottom_C: NDArray[np.float64], n: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    n_clusters = len(top_C)
    rows = max(1, _DRAWS_PER_BLOCK // n_clusters)
    for start in range(0, n, rows):
        draw_RC = rng.integers(0, n_clusters, size=(min(rows, n - start), n_clusters))
        yield top_C[draw_RC].sum(1) / bottom_C[draw_RC].sum(1)


def _cluster_sums(
    top_N: NDArray[np.float64], bottom_N: NDArray[np.float64], clusters: Sequence[Any] | NDArray[Any] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums by cluster, clusters in the order of their labels, so that the order of the rows does not matter."""
    if clusters is None:
        return top_N, bottom_N
    labels = np.asarray(clusters)
    if labels.shape != top_N.shape:
        raise ValueError(f"{len(top_N)} values but clusters of shape {labels.shape}")
    _, index_N = np.unique(labels, return_inverse=True)
    top_C: NDArray[np.float64] = np.bincount(index_N, weights=top_N).astype(np.float64)
    bottom_C: NDArray[np.float64] = np.bincount(index_N, weights=bottom_N).astype(np.float64)
    return top_C, bottom_C


def _finite_vector(values: ArrayLike, what: str) -> NDArray[np.float64]:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or not len(vector):
        raise ValueError(f"{what} must be a non-empty list of numbers, not of shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise ValueError(f"{what} contains a number that is not finite")
    return vector


def _all_equal(values_N: NDArray[np.float64], constant: float) -> bool:
    return bool((values_N == constant).all())
