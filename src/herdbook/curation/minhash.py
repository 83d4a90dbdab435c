"""Near-duplicates by MinHash (Broder 1997) with locality-sensitive hashing, every candidate VERIFIED.

Bands of signatures only propose pairs; a pair counts when the exact Jaccard similarity of its shingle sets reaches the
threshold. Of 20 bands of 5 rows a pair at Jaccard 0.8 is proposed with probability 1 - (1 - 0.8^5)^20 = 0.9996.
Documents are taken in order of preference; one goes when a document that already stays is its verified twin, and names
the nearest such one. So no removal rests on a hash alone, on a chain of resemblances, or on a document that is gone
itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from herdbook.curation.documents import Document
from herdbook.curation.shingles import U64, ShingleSets, jaccard
from herdbook.curation.verdict import Drop, Verdicts

_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Config:
    """What counts as a near-duplicate, and how pairs are found."""

    words: int = 5
    """Words of a shingle."""
    threshold: float = 0.8
    """Jaccard similarity from which a document is a near-duplicate."""
    bands: int = 20
    """Bands of the signature; one equal band proposes a pair."""
    rows: int = 5
    """Hash values of a band."""
    recall_sample: int = 3000
    """Documents among which the share of true pairs that were found is measured by an exact method; 0: not measured."""


@dataclass(frozen=True)
class Pair:
    """Two documents (a < b, places in the batch) and their exact Jaccard similarity."""

    a: int
    b: int
    similarity: float


@dataclass(frozen=True)
class Found:
    """Pairs at or above the threshold, and how many pairs were looked at."""

    pairs: list[Pair]
    n_checked: int


def _mixed(values: U64) -> U64:
    """SplitMix64's finaliser: spreads 64-bit values."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def signatures(sets: ShingleSets, n_hashes: int, seed: int = 0) -> npt.NDArray[np.uint32]:
    """MinHash signatures [N, n_hashes]: the smallest value of each of n_hashes random functions over a document's
    shingles.

    The functions are h -> high 32 bits of (a * h + b) mod 2^64 with random odd a (Dietzfelbinger's multiply-shift).
    Documents without shingles get the largest value everywhere.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    a = rng.integers(0, 2**64, n_hashes, dtype=np.uint64) | np.uint64(1)
    b = rng.integers(0, 2**64, n_hashes, dtype=np.uint64)
    n = len(sets)
    result = np.full((n, n_hashes), np.uint32(0xFFFFFFFF), dtype=np.uint32)
    start = 0
    while start < n:
        # As many whole documents as fit the chunk, so that the working set stays in the cache.
        stop = int(np.searchsorted(sets.offsets_N, sets.offsets_N[start] + _CHUNK, side="right")) - 1
        stop = min(n, max(stop, start + 1))
        low, high = int(sets.offsets_N[start]), int(sets.offsets_N[stop])
        filled = np.flatnonzero(np.diff(sets.offsets_N[start : stop + 1])) + start
        if high > low:
            values = _mixed(sets.values_S[low:high])
            bounds = sets.offsets_N[filled] - low
            for j in range(n_hashes):
                hashed = (values * a[j] + b[j]) >> np.uint64(32)
                result[filled, j] = np.minimum.reduceat(hashed, bounds)
        start = stop
    return result


def candidates(signature: npt.NDArray[np.uint32], bands: int, rows: int, eligible: npt.NDArray[np.bool_]) -> U64:
    """Pairs that share a band, as sorted unique numbers a * N + b with a < b; only eligible documents take part.

    A group of m documents with one equal band gives all its m (m - 1) / 2 pairs up to m = 256; in a larger one each is
    compared with the first 64 of the group only.
    """
    n = len(signature)
    where = np.flatnonzero(eligible)
    found: list[U64] = []
    for band in range(bands):
        part = signature[where, band * rows : (band + 1) * rows].astype(np.uint64)
        key = np.full(len(where), band, dtype=np.uint64)
        for column in range(rows):
            key = _mixed(key * np.uint64(31) + part[:, column])
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        bounds = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(ordered)]
        for start, stop in itertools.pairwise(bounds):
            if stop - start < 2:
                continue
            group = np.sort(where[order[start:stop]]).astype(np.uint64)
            i, j = np.triu_indices(len(group), 1)
            if len(group) > 256:
                few = i < 64
                i, j = i[few], j[few]
            found.append(group[i] * np.uint64(n) + group[j])
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.uint64)


def find_pairs(
    sets: ShingleSets, config: Config, seed: int = 0, eligible: npt.NDArray[np.bool_] | None = None
) -> Found:
    """All verified pairs: proposed by LSH, kept where the exact Jaccard similarity is at least the threshold."""
    n = len(sets)
    if eligible is None:
        eligible = np.ones(n, dtype=bool)
    eligible = eligible & (sets.sizes() > 0)
    proposed = candidates(signatures(sets, config.bands * config.rows, seed), config.bands, config.rows, eligible)
    sizes = sets.sizes()
    pairs = []
    for number in proposed.tolist():
        a, b = divmod(number, n)
        if min(sizes[a], sizes[b]) < config.threshold * max(sizes[a], sizes[b]):
            continue  # sizes alone rule the similarity out
        similarity = jaccard(sets.of(a), sets.of(b))
        if similarity >= config.threshold:
            pairs.append(Pair(a, b, similarity))
    return Found(pairs, len(proposed))


def exact_pairs(sets: ShingleSets, threshold: float, which: Sequence[int] | None = None) -> list[Pair]:
    """All pairs at or above the threshold among the documents `which`, without any hashing of signatures.

    The prefix filter of Bayardo et al. (2007): with shingles ordered from rare to frequent, two sets of that similarity
    share one of their first |x| - ceil(threshold * |x|) + 1. It misses nothing; it is the measure of `find_pairs`'s
    recall.
    """
    chosen = sorted(which) if which is not None else range(len(sets))
    arrays = {i: sets.of(i) for i in chosen if len(sets.of(i))}
    if not arrays:
        return []
    values, counts = np.unique(np.concatenate(list(arrays.values())), return_counts=True)
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.lexsort((values, counts))] = np.arange(len(values))
    postings: dict[int, list[int]] = {}
    seen: set[tuple[int, int]] = set()
    pairs = []
    for i, array in arrays.items():
        places = np.searchsorted(values, array)
        length = len(array) - int(np.ceil(threshold * len(array) - 1e-9)) + 1
        prefix = places[np.argsort(rank[places], kind="stable")[:length]]
        for shingle in prefix[counts[prefix] > 1].tolist():
            others = postings.setdefault(shingle, [])
            for other in others:
                if (other, i) in seen:
                    continue
                seen.add((other, i))
                small, large = sorted((len(arrays[other]), len(array)))
                if small < threshold * large:
                    continue
                similarity = jaccard(arrays[other], array)
                if similarity >= threshold:
                    pairs.append(Pair(other, i, similarity))
            others.append(i)
    return sorted(pairs, key=lambda pair: (pair.a, pair.b))


def judge(documents: Sequence[Document], pairs: Sequence[Pair], preference: Sequence[int]) -> Verdicts:
    """Drops near-duplicates ("near_duplicate") of documents that stay. `preference` is the order, best first."""
    twins: dict[int, list[tuple[float, int]]] = {}
    for pair in pairs:
        twins.setdefault(pair.a, []).append((pair.similarity, pair.b))
        twins.setdefault(pair.b, []).append((pair.similarity, pair.a))
    verdicts: Verdicts = [None] * len(documents)
    stays: set[int] = set()
    for i in preference:
        kept = [(similarity, -other) for similarity, other in twins.get(i, []) if other in stays]
        if kept:
            similarity, other = max(kept)
            verdicts[i] = Drop("near_duplicate", f"Jaccard {similarity:.3f}", kept_instead=documents[-other].id)
        else:
            stays.add(i)
    return verdicts


def clusters(n: int, pairs: Sequence[Pair]) -> list[int]:
    """Connected components of the pairs: for each document the lowest place in its component. For information only."""
    parent = list(range(n))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for pair in pairs:
        a, b = find(pair.a), find(pair.b)
        parent[max(a, b)] = min(a, b)
    return [find(i) for i in range(n)]


def measured_recall(
    sets: ShingleSets, found: Sequence[Pair], threshold: float, sample: Sequence[int]
) -> tuple[float | None, int]:
    """(share of the true pairs of a sample that were found, number of true pairs); None where there is no true pair."""
    true = {(pair.a, pair.b) for pair in exact_pairs(sets, threshold, sample)}
    ours = {(pair.a, pair.b) for pair in found}
    return (len(true & ours) / len(true) if true else None), len(true)
