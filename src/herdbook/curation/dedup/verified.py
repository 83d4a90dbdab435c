"""Near-duplicates: candidates by MinHash bands, each checked by exact Jaccard similarity against documents that STAY.

Documents are taken in order of preference. One is looked up in tables that hold the bands of the documents kept so far;
it goes when the shingle set of one of those is at least `threshold` similar, and names the most similar. Otherwise it
stays and enters the tables. So no removal rests on a hash, on a chain of resemblances or on a document that is itself
gone, and a family of thousands of copies costs one comparison each. Connected components of the verified pairs give
cluster ids, and remove nothing.
Shape letters: N documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.components import root, roots
from herdbook.curation.dedup.flat import Scratch
from herdbook.curation.dedup.shingle_kernel import U64, make_set
from herdbook.errors import ConfigError

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Config:
    """What counts as a near-duplicate, and how candidates are found."""

    words: int = 5
    """Words of a shingle."""
    threshold: float = 0.8
    """Jaccard similarity from which a document is a near-duplicate."""
    bands: int = 20
    """Bands of the signature; one equal band makes a candidate."""
    rows: int = 5
    """Hash values of a band. 20 bands of 5 propose a pair at 0.8 with probability 1 - (1 - 0.8^5)^20 = 0.9996."""
    seed: int = 0
    """Chooses the hash functions."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError("a similarity lies over 0 and up to 1.", key="threshold", value=self.threshold)
        for name in ("words", "bands", "rows"):
            if getattr(self, name) < 1:
                raise ConfigError("at least 1 is needed.", key=name, value=getattr(self, name))


@dataclass(frozen=True)
class NearDuplicates:
    """The verdicts on N documents."""

    kept_instead: I64
    """For each document the place of the kept one that is its twin, or -1: it stays."""
    similarity: npt.NDArray[np.float64]
    """Jaccard similarity with that twin; 0 for those that stay."""
    cluster: I64
    """The lowest place in the document's connected component of verified pairs."""
    n_candidates: int
    """Pairs that shared a band."""
    n_compared: int
    """Pairs whose shingle sets were compared."""
    kept_instead_old: Any = None
    """Where old documents took part: the id of the old one that is its twin, an Arrow array of strings [N], null for
    the others; `kept_instead` is then N + its place among the old ones."""

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Which documents stay [N]."""
        return self.kept_instead < 0


@numba.njit(cache=True, nogil=True)
def _jaccard(values, a, n_a, b, n_b):  # type: ignore[no-untyped-def]
    """Similarity of two sorted sets that begin at a and b."""
    i = j = both = 0
    while i < n_a and j < n_b:
        x, y = values[a + i], values[b + j]
        if x == y:
            both += 1
            i += 1
            j += 1
        elif x < y:
            i += 1
        else:
            j += 1
    return both / (n_a + n_b - both)


@numba.njit(cache=True, nogil=True)
def _select(  # type: ignore[no-untyped-def]
    values, offsets, signature, keys, order, n_new, threshold, least_agreement,
    table, heads, following, kept_instead, similarity, parent, sizes, looked_at,
):  # fmt: skip
    """Takes the documents in order; fills kept_instead, similarity and parent; returns (candidates, compared).

    Documents from n_new on stay without being looked up. table, heads [B, places] and following [B, N] hold the kept
    ones: a chain for each key."""
    bands = keys.shape[1]
    n_hashes = signature.shape[1]
    mask = np.uint64(table.shape[1] - 1)
    places = np.zeros(bands, np.int64)
    candidates = compared = 0
    for document in order:
        start, stop = offsets[document], offsets[document + 1]
        if stop == start:
            continue
        best, best_other = 0.0, np.int64(-1)
        for band in range(bands):
            key = keys[document, band]
            at = np.int64((key >> np.uint64(7)) & mask)
            while table[band, at] != 0 and table[band, at] != key:
                at = (at + 1) & np.int64(mask)
            places[band] = at
            other = heads[band, at] if document < n_new else np.int32(-1)
            while other >= 0:
                if looked_at[other] != document:
                    looked_at[other] = document
                    candidates += 1
                    agree = 0
                    for j in range(n_hashes):
                        agree += signature[document, j] == signature[other, j]
                    if agree >= least_agreement:
                        if sizes[document] < 0:
                            sizes[document] = make_set(values, start, stop)
                        if sizes[other] < 0:
                            sizes[other] = make_set(values, offsets[other], offsets[other + 1])
                        small, large = sizes[document], sizes[other]
                        if small > large:
                            small, large = large, small
                        if small >= threshold * large:
                            compared += 1
                            found = _jaccard(values, start, sizes[document], offsets[other], sizes[other])
                            if found >= threshold:
                                a, b = root(parent, np.int64(document)), root(parent, np.int64(other))
                                parent[max(a, b)] = min(a, b)
                                if found > best or (found == best and other < best_other):
                                    best, best_other = found, np.int64(other)
                other = following[band, other]
        if best_other >= 0:
            kept_instead[document] = best_other
            similarity[document] = best
            continue
        for band in range(bands):
            at = places[band]
            table[band, at] = keys[document, band]
            following[band, document] = heads[band, at]
            heads[band, at] = document
    return candidates, compared


def select_gathered(
    values_S: U64,
    offsets_N1: I64,
    signature: npt.NDArray[np.uint32],
    keys: U64,
    order: I64,
    n_new: int,
    config: Config,
    scratch: Scratch,
) -> NearDuplicates:
    """Verdicts on documents of which all is at hand; those from n_new on are old and stay. `order` holds the places of
    those that take part, best first. The shingles of compared documents are sorted in place."""
    n, n_hashes = signature.shape
    # four standard deviations below the threshold: of true pairs, 3 in 100,000 lie lower
    deviation = float(np.sqrt(config.threshold * (1 - config.threshold) / n_hashes))
    least = int(np.floor(n_hashes * max(0.0, config.threshold - 4 * deviation)))
    room = 16
    while room < 2 * n:
        room *= 2
    kept_instead = np.full(n, -1, dtype=np.int64)
    similarity = np.zeros(n, dtype=np.float64)
    parent = np.arange(n, dtype=np.int32)
    candidates, compared = _select(
        values_S, offsets_N1, signature, keys, order, n_new, config.threshold, least,
        scratch.array((config.bands, room), np.uint64), scratch.array((config.bands, room), np.int32, -1),
        scratch.array((config.bands, n), np.int32, -1), kept_instead, similarity, parent,
        np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int32),
    )  # fmt: skip
    roots(parent)
    return NearDuplicates(kept_instead, similarity, parent.astype(np.int64), candidates, compared)
