"""In how many cells a document is looked for, where looking into all that can hold a similar one takes too long (an
inverted file with several probes: Jegou, Douze and Schmid 2011).

A kept document lies in the cell of the nearest centroid; a new one like it may be nearer to another centroid. How often
is measured on twins that are made for the purpose: some documents, each turned by the threshold's angle in a direction
drawn by lot, half any direction and half one in which documents differ from each other. As many cells are looked into
as almost all of these twins need. Documents that are more similar than the threshold asks for need fewer.
Shape letters: S documents of the sample, O some of them, E numbers of a vector, W numbers that cells are made of, K
cells, P cells that a document is looked for in.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.short_form import unit

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
SAMPLE = 4096
"""Documents for which twins are made."""
DIFFER = 1024
"""Of these, from which it is known how documents differ."""
SHARE = 0.25
"""Share of what may be missed that cells may miss; the rest is for what comes after them."""


def twins_of(units_SE: F32, threshold: float, seed: int) -> F32:
    """Unit vectors with exactly this cosine to the given ones, in directions drawn by lot [S, E]."""
    rng = np.random.Generator(np.random.PCG64(seed))
    others_OE = units_SE[:DIFFER] - units_SE[:DIFFER].mean(axis=0)
    alike = rng.normal(size=(len(units_SE), len(others_OE))).astype(np.float32) @ others_OE
    turned = unit(alike) + unit(rng.normal(size=units_SE.shape).astype(np.float32))
    across = unit(turned - np.einsum("se,se->s", turned, units_SE)[:, None] * units_SE)
    return threshold * units_SE + math.sqrt(1 - threshold * threshold) * across


def needed(points_SW: F32, twins_SW: F32, centroids_KW: F32) -> I64:
    """How many of the cells nearest to each point must be looked into to meet its twin's [S]."""
    near_SK = points_SW @ centroids_KW.T
    home_S, _ = homes(twins_SW, centroids_KW)
    of_home_S = near_SK[np.arange(len(home_S)), home_S]
    return (near_SK >= of_home_S[:, None]).sum(axis=1)


def enough(needed_S: I64, recall: float) -> int:
    """Fewest cells with which no more than `SHARE` of the misses that `recall` allows are theirs."""
    return int(np.quantile(needed_S, 1 - SHARE * (1 - recall), method="higher"))


def homes(points_NW: F32, centroids_KW: F32) -> tuple[I64, F32]:
    """(the nearest centroid [N], the cosine with it [N])."""
    near_NK = points_NW @ centroids_KW.T
    home_N = np.argmax(near_NK, axis=1)
    return home_N, near_NK[np.arange(len(home_N)), home_N]


def nearest(points_NW: F32, centroids_KW: F32, probe: int) -> tuple[I64, I64]:
    """(the nearest centroid [N], the `probe` nearest ones in no order [N, P])."""
    near_NK = points_NW @ centroids_KW.T
    return np.argmax(near_NK, axis=1), np.argpartition(near_NK, -probe, axis=1)[:, -probe:]
