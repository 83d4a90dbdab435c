"""Sketches: signs of random projections, which tell for nearly all pairs that two vectors are not similar.

On which side of a random plane through the origin a vector lies is one bit; two vectors at angle a differ in a bit with
probability a / pi (Goemans and Williamson 1995, Charikar 2002). So of B planes they differ in Binomial(B, a / pi), and
a pair that differs in more bits than similar pairs do but for a stated share is passed over. Asked after 64 bits, then
after more. Of pairs of exactly the threshold's cosine at most 1 - `recall` are missed in expectation over the planes,
of more similar ones far fewer. For vectors that spread alike in all directions, where the bounds of `short_form.py`
rule out little. A document is met in the cells that it is looked for in (`probes.py`); there may be one cell.
Shape letters: N documents, E numbers of a vector, L levels, B words of 64 bits, S slots (as many as documents), K
cells, P cells that a document is looked for in.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
LEVELS = (1, 2, 4)
"""Words of 64 bits after which is asked."""
COST = 16
"""Numbers multiplied that a word counts as: about what it takes in time of a matrix product."""
TILE = 1024
"""Kept documents that are met at a time."""


class Sketches(NamedTuple):
    """What is held of each document, and which are kept so far: arrays, as the kernels want them."""

    words_NB: U64
    head_S: U64
    """The first word of the documents that are kept, by cell, in the order in which they came."""
    place_S: npt.NDArray[np.int32]
    home_N: npt.NDArray[np.int32]
    """The cell of each document."""
    probes_NP: npt.NDArray[Any]
    """The cells in which it is looked for."""
    limits_L: I64
    """Most bits in which a pair may differ, level by level."""
    first_K: I64
    """The first slot of each cell."""
    filled_K: I64
    """How many of its slots are taken."""
    work: I64
    """[1] Numbers multiplied so far, or what counts as such."""


def planes(width: int, seed: int) -> F32:
    """Normals of random planes [E, 64 * B]."""
    drawn = np.random.Generator(np.random.PCG64(seed)).normal(size=(width, 64 * LEVELS[-1]))
    return drawn.astype(np.float32)


def words_of(units_NE: F32, planes_EB: F32) -> U64:
    """The signs of the projections, 64 in a word [N, B]."""
    return np.packbits(units_NE @ planes_EB >= 0, axis=1).view(np.uint64)


def limits(threshold: float, recall: float) -> I64:
    """For each level the fewest bits such that of pairs with the threshold's cosine at most an equal part of
    1 - `recall` differ in more [L]."""
    share = math.acos(threshold) / math.pi
    found = []
    for level in LEVELS:
        n, at, total = 64 * level, 0, (1 - share) ** (64 * level)
        while 1 - total > (1 - recall) / len(LEVELS) and at < n:
            at += 1
            total += math.comb(n, at) * share**at * (1 - share) ** (n - at)
        found.append(at)
    return np.array(found, dtype=np.int64)


@numba.njit(cache=True, nogil=True, inline="always")
def _ones(word):  # type: ignore[no-untyped-def]
    """Bits that are set; LLVM knows this for the processor's instruction."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@numba.njit(cache=True, nogil=True)
def enter(sketches, documents):  # type: ignore[no-untyped-def]
    """Documents that stay."""
    for document in documents:
        cell = sketches.home_N[document]
        slot = sketches.first_K[cell] + sketches.filled_K[cell]
        sketches.place_S[slot] = document
        sketches.head_S[slot] = sketches.words_NB[document, 0]
        sketches.filled_K[cell] += 1


@numba.njit(cache=True, nogil=True)
def _differ(head, heads, start, m, out):  # type: ignore[no-untyped-def]
    """Bits in which the first words of m documents in slots from `start` on differ from `head`."""
    row = heads[start : start + m]
    for j in range(m):
        out[j] = _ones(head ^ row[j])


@numba.njit(cache=True, nogil=True)
def _similar(sketches, levels, document, bits, out):  # type: ignore[no-untyped-def]
    """Writes the kept documents that can be similar to this one; returns their number."""
    words, limits_L = sketches.words_NB, sketches.limits_L
    n = work = 0
    for cell in sketches.probes_NP[document]:
        end = sketches.first_K[cell] + sketches.filled_K[cell]
        work += sketches.filled_K[cell]
        for start in range(sketches.first_K[cell], end, TILE):
            m = min(TILE, end - start)
            _differ(words[document, 0], sketches.head_S, start, m, bits)
            for j in range(m):
                if bits[j] > np.uint64(limits_L[0]):
                    continue
                other = sketches.place_S[start + j]
                total = bits[j]
                b = levels[0]
                passes = True
                for level in range(1, len(levels)):
                    work += levels[level] - b
                    while b < levels[level]:
                        total += _ones(words[document, b] ^ words[other, b])
                        b += 1
                    if total > np.uint64(limits_L[level]):
                        passes = False
                        break
                if passes:
                    out[n] = other
                    n += 1
    sketches.work[0] += COST * work
    return n


@numba.njit(cache=True, nogil=True)
def advance(sketches, levels, order, position, out):  # type: ignore[no-untyped-def]
    """Takes documents in order from `position` on, as `kept_cells.advance` does."""
    bits = np.empty(TILE, np.uint64)
    while position < len(order):
        n = _similar(sketches, levels, order[position], bits, out)
        if n:
            return position, n
        enter(sketches, order[position : position + 1])
        position += 1
    return position, 0


def empty(
    words_NB: U64, head_S: U64, place_S: Any, home_N: Any, probes_NP: Any, limits_L: I64, n_cells: int
) -> Sketches:
    """Sketches of a corpus of which nothing is kept yet."""
    first = np.zeros(n_cells, dtype=np.int64)
    first[1:] = np.cumsum(np.bincount(home_N, minlength=n_cells))[:-1]
    filled, work = np.zeros(n_cells, np.int64), np.zeros(1, np.int64)
    return Sketches(words_NB, head_S, place_S, home_N, probes_NP, limits_L, first, filled, work)
