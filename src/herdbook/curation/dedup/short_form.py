"""Short forms of unit vectors: a few numbers that say when two vectors cannot be similar.

The numbers of a short form are the vector's coordinates along the directions in which the vectors differ most
(principal components of a sample), and for each of a few levels the length of what the coordinates up to there leave
out, its rest. For each level, by the inequality of Cauchy and Schwarz,

    cosine(x, y) <= x's coordinates . y's coordinates + x's rest * y's rest

So where that falls under the threshold at any level, two documents are no duplicates, for certain, and their vectors
need not be read. The coordinates up to a level and the rest are a unit vector of their own, and so is what k-means
gets to see.
Shape letters: N documents, E numbers of a vector, D coordinates of a short form, L levels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
LEVELS = (8, 16, 32, 64, 128)
"""Numbers of coordinates after which a bound is asked for."""
HEAD_MOST = 64
"""Most coordinates of the first level."""
NEXT = 1000
"""What the second level costs for a pair, in time of numbers multiplied at the first: it is read out of order."""
FEW = 1e-4
"""Share of pairs that may pass the last level."""
SLACK = 1e-4
"""What is added to a bound for the rounding of float32."""


def directions(sample_SE: F32, n: int) -> F32:
    """The `n` orthonormal directions [E, n] along which the sample differs most, the first most; a sample that
    differs along fewer has directions of no meaning behind them."""
    centred = sample_SE - sample_SE.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(vectors[:, ::-1][:, :n], dtype=np.float32)


def rests(coordinates_ND: F32, levels: tuple[int, ...]) -> F32:
    """Lengths of what the coordinates of unit vectors up to each level leave out [N, L]."""
    squares = np.cumsum(np.square(coordinates_ND, dtype=np.float64), axis=1)[:, np.array(levels) - 1]
    return np.sqrt(np.maximum(0.0, 1.0 - squares)).astype(np.float32)


def levels_for(coordinates_SD: F32, threshold: float) -> tuple[int, ...]:
    """The levels that are worth asking, by the share of a sample's pairs that pass each: the first is the cheapest
    start, the last the one that few pass."""
    possible = [level for level in LEVELS if level <= coordinates_SD.shape[1]] or [coordinates_SD.shape[1]]
    if len(coordinates_SD) < 2:
        return (possible[0],)
    upper = np.triu_indices(len(coordinates_SD), 1)
    rest_SL = rests(coordinates_SD, tuple(possible))
    passing = []
    for number, level in enumerate(possible):
        left, rest = coordinates_SD[:, :level], rest_SL[:, number]
        bounds = (left @ left.T + np.outer(rest, rest))[upper]
        passing.append(float((bounds >= threshold - SLACK).mean()))
    costs = [level + NEXT * share for level, share in zip(possible, passing) if level <= HEAD_MOST]
    first = int(np.argmin(costs)) if costs else 0
    last = next((number for number, share in enumerate(passing) if share <= FEW), len(possible) - 1)
    return tuple(possible[first : max(first, last) + 1])


def unit(vectors_NE: npt.NDArray[Any]) -> F32:
    """The same directions with length 1, float32; zeros stay zeros."""
    lengths = np.sqrt(np.einsum("ne,ne->n", vectors_NE, vectors_NE, dtype=np.float64))
    found: F32 = (vectors_NE / np.maximum(lengths, 1e-12)[:, None]).astype(np.float32)
    return found
