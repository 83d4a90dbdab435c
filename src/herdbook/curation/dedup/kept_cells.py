"""Kept documents by cell, and the look-up: which of them can be similar to a new one, by short forms alone.

The unit vectors of coordinates and rest (`short_form.py`) are cut into cells, each the region nearest to one centroid.
A document that is within the angle a = arccos(threshold) of one in a cell is no farther from the cell's centroid than
its farthest member and a together, and no farther than a from the plane that parts the cell from its own. Cells that
fail either are passed over. In the others the bounds of the short forms are asked level by level; what all of them let
pass is a candidate. Nothing that is similar enough is lost, whatever the cells are.
Shape letters: N documents, K cells, D coordinates, L levels, H coordinates up to the first, W numbers that cells are
made of, S slots (as many as documents).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.short_form import SLACK

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
TILE = 512
"""Kept documents that are met at a time."""
WIDE = 1e-3
"""Slack of angles: the arc cosine of a rounded number near 1."""


class Room(NamedTuple):
    """What is held of each document."""

    place_S: I32
    """The document in a slot."""
    heads_HS: F32
    """Its coordinates up to the first level, and the rest there: H + 1 rows."""
    coordinates_ND: F32
    rest_NL: F32


class Cells(NamedTuple):
    """The cells of a corpus, and the documents that are kept so far, by cell: arrays, as the kernels want them."""

    room: Room
    levels_L: I64
    cell_level: int
    """Number of the level whose coordinates and rest the cells are made of."""
    home_N: I32
    centroids_WK: F32
    apart_KK: F32
    """Distance of two centroids."""
    reach_K: F32
    """Cosine with the centroid from which a document can be similar to a member."""
    sine: np.float32
    """Farthest from the parting plane, as a sine."""
    least: np.float32
    """Bound of the cosine under which two documents are not similar."""
    probe: int
    """Most cells that are looked into, the nearest ones; 0: all."""
    first_K: I64
    """The first slot of each cell."""
    filled_K: I64
    """How many of its slots are taken."""
    work: I64
    """[1] Numbers multiplied so far."""


def cells_of(
    room: Room, levels: tuple[int, ...], cell_level: int, home_N: I32, centroids_KW: F32, widest_K: F32,
    threshold: float, probe: int,
) -> Cells:  # fmt: skip
    """Empty cells. `home_N`: the cell of each document; `widest_K`: the least cosine of a member with its centroid."""
    k = len(centroids_KW)
    angle = np.arccos(threshold)
    reach = np.cos(np.minimum(np.pi, np.arccos(np.clip(widest_K, -1, 1)) + angle)) - WIDE
    first = np.zeros(k, dtype=np.int64)
    first[1:] = np.cumsum(np.bincount(home_N, minlength=k))[:-1]
    apart = np.sqrt(np.maximum(0, 2 - 2 * centroids_KW @ centroids_KW.T))
    return Cells(
        room, np.array(levels), cell_level, home_N, np.ascontiguousarray(centroids_KW.T), apart.astype(np.float32),
        reach.astype(np.float32), np.float32(np.sin(angle)), np.float32(threshold - SLACK),
        0 if probe >= k else probe, first, np.zeros(k, dtype=np.int64), np.zeros(1, dtype=np.int64),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def enter(cells, documents):  # type: ignore[no-untyped-def]
    """Documents that stay."""
    room = cells.room
    n = room.heads_HS.shape[0] - 1
    for document in documents:
        cell = cells.home_N[document]
        slot = cells.first_K[cell] + cells.filled_K[cell]
        cells.filled_K[cell] += 1
        room.place_S[slot] = document
        for d in range(n):
            room.heads_HS[d, slot] = room.coordinates_ND[document, d]
        room.heads_HS[n, slot] = room.rest_NL[document, 0]


@numba.njit(cache=True, nogil=True)
def _cosines(cells, document, near):  # type: ignore[no-untyped-def]
    """Cosines of a document with the centroids [K]."""
    near[:] = 0
    width = cells.centroids_WK.shape[0]
    for d in range(width):
        if d < width - 1:
            number = cells.room.coordinates_ND[document, d]
        else:
            number = cells.room.rest_NL[document, cells.cell_level]
        row = cells.centroids_WK[d]
        for c in range(len(near)):
            near[c] += number * row[c]
    cells.work[0] += width * len(near)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _passes(coordinates, rest, levels, least, document, other, bound):  # type: ignore[no-untyped-def]
    """(whether the bounds from the second level on let two documents pass, numbers multiplied); `bound`: the first."""
    total = bound - rest[document, 0] * rest[other, 0]
    start = levels[0]
    work = 1
    for level in range(1, len(levels)):
        stop = levels[level]
        for d in range(start, stop):
            total += coordinates[document, d] * coordinates[other, d]
        work += stop - start + 1
        start = stop
        if total + rest[document, level] * rest[other, level] < least:
            return False, work
    return True, work


@numba.njit(cache=True, nogil=True, fastmath=True)
def _bounds(head, heads, start, m, bound):  # type: ignore[no-untyped-def]
    """Bounds of a document's cosine with the m documents in slots from `start` on, at the first level."""
    bound[:m] = 0
    last = len(head) - 1
    for d in range(0, last, 4):  # levels are multiples of 4 but where a vector is shorter
        if d + 4 <= last:
            a, b, c, e = head[d], head[d + 1], head[d + 2], head[d + 3]
            row_a, row_b = heads[d, start : start + m], heads[d + 1, start : start + m]
            row_c, row_e = heads[d + 2, start : start + m], heads[d + 3, start : start + m]
            for j in range(m):
                bound[j] += a * row_a[j] + b * row_b[j] + c * row_c[j] + e * row_e[j]
        else:
            for rest in range(d, last):
                row = heads[rest, start : start + m]
                for j in range(m):
                    bound[j] += head[rest] * row[j]
    row = heads[last, start : start + m]
    for j in range(m):
        bound[j] += head[last] * row[j]


@numba.njit(cache=True, nogil=True)
def _similar(cells, document, near, head, bound, out):  # type: ignore[no-untyped-def]
    """Writes the kept documents that can be similar to this one; returns their number."""
    place, heads, coordinates, rest = cells.room
    levels, least = cells.levels_L, cells.least
    _cosines(cells, document, near)
    n_head = len(head)
    head[: n_head - 1] = coordinates[document, : n_head - 1]
    head[n_head - 1] = rest[document, 0]
    home = cells.home_N[document]
    nearest = np.float32(-2)
    if cells.probe:
        nearest = np.partition(near, len(near) - cells.probe)[len(near) - cells.probe]
    n = work = 0
    for c in range(len(near)):
        if cells.filled_K[c] == 0 or near[c] < nearest or near[c] < cells.reach_K[c]:
            continue
        if near[home] - near[c] > cells.sine * cells.apart_KK[home, c] + SLACK:
            continue
        end = cells.first_K[c] + cells.filled_K[c]
        for start in range(cells.first_K[c], end, TILE):
            m = min(TILE, end - start)
            _bounds(head, heads, start, m, bound)
            work += m * n_head
            for j in range(m):
                if bound[j] >= least:
                    other = place[start + j]
                    passes, more = _passes(coordinates, rest, levels, least, document, other, bound[j])
                    work += more
                    if passes:
                        out[n] = other
                        n += 1
    cells.work[0] += work
    return n


@numba.njit(cache=True, nogil=True)
def advance(cells, order, position, out):  # type: ignore[no-untyped-def]
    """Takes documents in order from `position` on; what no kept one can be similar to stays.

    Returns the position of the first one with candidates and their number, which stand in `out` (the caller decides,
    and goes on with the next position); or the end and 0.
    """
    near = np.empty(cells.centroids_WK.shape[1], np.float32)
    head = np.empty(cells.room.heads_HS.shape[0], np.float32)
    bound = np.empty(TILE, np.float32)
    while position < len(order):
        n = _similar(cells, order[position], near, head, bound, out)
        if n:
            return position, n
        enter(cells, order[position : position + 1])
        position += 1
    return position, 0
