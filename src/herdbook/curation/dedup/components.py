"""Which documents can have to do with each other at all: connected components of equal bands.

Two documents without an equal band are never compared, so components are judged one by one, in any order and with the
same verdicts. That is what makes the selection possible in bounded memory. Keys of a band are cast into buckets that
fit the processor's cache; in a small table a key finds the first document that had it, and the two are joined. No pair
is written down: a family of a million copies costs a million joins.
Shape letters: T documents, B bands.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.shingle_kernel import U64

I32 = npt.NDArray[np.int32]
_BUCKET = 4096
"""Keys of a bucket, about."""
_MOST_BITS = 14
_ENTRY = 12
"""Bytes of a key and its document in a bucket."""


@numba.njit(cache=True, nogil=True)
def root(parent, i):  # type: ignore[no-untyped-def]
    """The representative of i; shortens the way to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, nogil=True)
def roots(parent):  # type: ignore[no-untyped-def]
    """Makes every document point to its representative, which is the lowest of its component."""
    for i in range(len(parent)):
        parent[i] = parent[parent[i]]  # the parent is lower, and so is done


@numba.njit(cache=True, nogil=True)
def _spread(key):  # type: ignore[no-untyped-def]
    return (key ^ (key >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)


@numba.njit(cache=True, nogil=True)
def _count(keys, shift, counts):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        if keys[i] != 0:
            counts[np.int64(_spread(keys[i]) >> shift)] += 1


@numba.njit(cache=True, nogil=True)
def _join(keys, shift, first, starts, cast_keys, cast_documents, parent):  # type: ignore[no-untyped-def]
    """Joins documents of equal keys of the buckets `first`, `first + 1`, ...; starts[k] is the place of a bucket."""
    n_buckets = len(starts) - 1
    places = starts[:-1].copy()
    for i in range(len(keys)):
        if keys[i] == 0:
            continue
        bucket = np.int64(_spread(keys[i]) >> shift) - first
        if 0 <= bucket < n_buckets:
            at = places[bucket]
            cast_keys[at] = keys[i]
            cast_documents[at] = i
            places[bucket] = at + 1
    largest = 0
    for bucket in range(n_buckets):
        largest = max(largest, starts[bucket + 1] - starts[bucket])
    room = 16
    while room < 2 * largest:
        room *= 2
    table = np.zeros(room, np.uint64)
    holder = np.zeros(room, np.int32)
    for bucket in range(n_buckets):
        low, high = starts[bucket], starts[bucket + 1]
        size = 16
        while size < 2 * (high - low):
            size *= 2
        mask = np.int64(size - 1)
        table[:size] = 0
        for e in range(low, high):
            key = cast_keys[e]
            at = np.int64(_spread(key) >> np.uint64(17)) & mask
            while table[at] != 0 and table[at] != key:
                at = (at + 1) & mask
            if table[at] == 0:
                table[at] = key
                holder[at] = cast_documents[e]
            else:
                a = root(parent, np.int64(holder[at]))
                b = root(parent, np.int64(cast_documents[e]))
                if a < b:
                    parent[b] = a
                elif b < a:
                    parent[a] = b


def join_band(keys: U64, parent: I32, memory_limit_bytes: int | None = None) -> None:
    """Joins in `parent` [T] all documents whose key [T] in this band is equal; key 0: takes no part.

    Working memory: 12 bytes for each key, or `memory_limit_bytes`; then the keys are read once for each part.
    """
    bits = 1
    while bits < _MOST_BITS and (_BUCKET << bits) < len(keys):
        bits += 1
    shift = np.uint64(64 - bits)
    counts = np.zeros(1 << bits, dtype=np.int64)
    _count(keys, shift, counts)
    most = max(int(counts.sum()), 1) if memory_limit_bytes is None else max(1, memory_limit_bytes // _ENTRY)
    first = 0
    while first < len(counts):
        # as many buckets as fit; a single one that does not is taken all the same
        totals = np.cumsum(counts[first:])
        n = max(1, int(np.searchsorted(totals, most, side="right")))
        starts = np.zeros(n + 1, dtype=np.int64)
        starts[1:] = totals[:n]
        size = int(starts[-1])
        if size:
            _join(keys, shift, first, starts, np.empty(size, np.uint64), np.empty(size, np.int32), parent)
        first += n


@numba.njit(cache=True, nogil=True)
def sizes_of(parent, n_new):  # type: ignore[no-untyped-def]
    """Documents in the component of each representative; 0 elsewhere, where it is 1, and where all are old (i >= n_new:
    representatives are the lowest of their component)."""
    sizes = np.zeros(len(parent), np.int32)
    for i in range(len(parent)):
        sizes[parent[i]] += 1
    for i in range(len(parent)):
        if sizes[i] == 1 or i >= n_new:
            sizes[i] = 0
    return sizes


@numba.njit(cache=True, nogil=True)
def cut_into_batches(parent, sizes, weights, budget, batch):  # type: ignore[no-untyped-def]
    """Number of the batch of each document of a component, -1 of the others; returns the number of batches.

    weights [T]: bytes that a document needs; a batch holds whole components of up to `budget` bytes together, or one
    that is larger by itself."""
    total = np.zeros(len(parent), np.int64)
    for i in range(len(parent)):
        if sizes[parent[i]] > 0:
            total[parent[i]] += weights[i]
    n, filled = -1, np.int64(0)
    for i in range(len(parent)):
        r = parent[i]
        if sizes[r] == 0:
            batch[i] = -1
            continue
        if r == i:
            if n < 0 or filled + total[i] > budget:
                n += 1
                filled = np.int64(0)
            filled += total[i]
            batch[i] = n
        else:
            batch[i] = batch[r]
    return n + 1
