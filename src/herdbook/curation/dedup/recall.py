"""How many true pairs a selection parted, measured by an exact join that uses no signatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.groups import coded
from herdbook.curation.dedup.selection import Part
from herdbook.curation.dedup.shingle_kernel import Shingles, sets_of
from herdbook.curation.dedup.verified import NearDuplicates


@dataclass(frozen=True)
class Recall:
    """What an exact join says of a selection."""

    recall: float | None
    """Share of the true pairs of which not both documents stayed; None where the sample has no true pair."""
    n_true_pairs: int
    """Pairs of the sample whose Jaccard similarity reaches the threshold."""
    n_documents: int
    """Documents of the sample."""


@numba.njit(cache=True, nogil=True)
def _shared(values, offsets, seen, out, starts):  # type: ignore[no-untyped-def]
    """Copies the shingles that may stand in another set too: those whose place among `seen` is met again. Returns their
    number. The others make no pair; they count in the sizes of the sets."""
    mask = np.uint64(len(seen) - 1)
    for s in range(len(values)):
        at = values[s] & mask
        seen[at] = min(seen[at] + 1, 2)
    n = np.int64(0)
    for document in range(len(offsets) - 1):
        for s in range(offsets[document], offsets[document + 1]):
            if seen[values[s] & mask] > 1:
                out[n] = values[s]
                n += 1
        starts[document + 1] = n
    return n


@numba.njit(cache=True, nogil=True)
def _true_pairs(documents, starts, sizes, posted, bounds, groups, threshold, first, second):  # type: ignore[no-untyped-def]
    """Counts shared shingles of each document with all earlier ones over lists of who has a shingle. Returns the number
    of pairs; writes as many as there is room for.

    documents: for each entry (document, shingle number) the shingle, by document, from starts[i]; posted: the documents
    that have a shingle, ascending, from bounds[shingle]; sizes: of the whole sets."""
    n = len(starts) - 1
    shared = np.zeros(n, np.int64)
    met = np.empty(n, np.int64)
    found = 0
    for i in range(n):
        n_met = 0
        for e in range(starts[i], starts[i + 1]):
            shingle = documents[e]
            for p in range(bounds[shingle], bounds[shingle + 1]):
                other = posted[p]
                if other >= i:
                    break
                if shared[other] == 0:
                    met[n_met] = other
                    n_met += 1
                shared[other] += 1
        size = sizes[i]
        for m in range(n_met):
            other = met[m]
            both = shared[other]
            shared[other] = 0
            if groups[other] != groups[i]:
                continue
            if both / (size + sizes[other] - both) >= threshold:
                if found < len(first):
                    first[found], second[found] = other, i
                found += 1
    return found


def true_pairs(
    part: Part, rows: npt.NDArray[np.int64], threshold: float, groups: npt.NDArray[np.int32] | None = None
) -> npt.NDArray[np.int64]:
    """All pairs [P, 2] (places in `rows`, the first lower) of one group whose Jaccard similarity reaches `threshold`.
    Compares what has any shingle in common: exact, for samples."""
    sets = sets_of(Shingles(part.values_S, part.offsets_N1), rows)
    sizes = np.diff(sets.offsets_N1)
    values, starts = np.empty(len(sets.values_S), dtype=np.uint64), np.zeros(len(rows) + 1, dtype=np.int64)
    seen = np.zeros(1 << max(16, 2 + len(values).bit_length()), dtype=np.uint8)
    values = values[: _shared(sets.values_S, sets.offsets_N1, seen, values, starts)]
    if not len(values):
        return np.empty((0, 2), dtype=np.int64)
    owners = np.repeat(np.arange(len(sets), dtype=np.int64), np.diff(starts))
    order = np.argsort(values, kind="stable")  # of equal shingles the first document's first
    ordered = values[order]
    first_of = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.cumsum(first_of) - 1
    bounds = np.append(np.flatnonzero(first_of), len(order))
    posted = owners[order]
    of = np.zeros(len(sets), dtype=np.int32) if groups is None else groups
    room = 1024
    while True:
        first, second = np.empty(room, np.int64), np.empty(room, np.int64)
        n = _true_pairs(numbers, starts, sizes, posted, bounds, of, threshold, first, second)
        if n <= room:
            return np.stack([first[:n], second[:n]], axis=1)
        room = n


def measured_recall(
    part: Part,
    found: NearDuplicates,
    taken: npt.NDArray[np.int64],
    groups: Any,
    threshold: float,
    sample: int,
    seed: int,
) -> Recall:
    """The recall of a selection among `sample` documents drawn by lot from `taken`."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    rows = np.sort(rng.permutation(taken)[:sample])
    numbers = None if groups is None else coded(len(part), groups)[1][rows]
    pairs = rows[true_pairs(part, rows, threshold, numbers)]
    if not len(pairs):
        return Recall(None, 0, len(rows))
    parted = ~(found.kept[pairs[:, 0]] & found.kept[pairs[:, 1]])
    return Recall(float(parted.mean()), len(pairs), len(rows))
