"""Semantic duplicates: documents whose vectors point almost the same way (SemDeDup, Abbas et al. 2023), verified.

k-means on the sphere (faiss, seeded) puts the vectors into clusters, and only documents of one cluster or of
neighbouring ones are compared: each document is also a visitor in the clusters next nearest to it, but for those that
cannot hold anything within reach of the threshold. Among the pairs seen so, the rule is that of the MinHash step:
documents are taken in order of preference, and one goes when a document that STAYS is at least `threshold` similar. So
every removed document names a kept one, and chains remove nothing. (SemDeDup itself keeps one of each connected group,
the one farthest from the centroid; here the caller's preference decides.)

The order is that of all documents, yet the work goes cluster by cluster: a document is decided when none of the better
ones that it resembles is undecided, and what remains is looked at again (Blelloch, Fineman and Shun 2012 show that few
rounds do). Memory: the vectors of a block, and about 100 bytes a document; `vectors_NE` may be mapped from disk.
The tests' slow twin compares all pairs.
Shape letters: N documents, M documents of before, E numbers of a vector, K clusters, P clusters that a document visits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.components import root
from herdbook.errors import ConfigError

I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]
UNDECIDED, KEPT, GONE = 0, 1, 2
BLOCK = 2048
"""Rows of a block of cosines."""
TILE = 128
"""The same where each pair of one list is wanted once."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What counts as a semantic duplicate, and how pairs are found."""

    threshold: float = 0.95
    """Cosine from which a document is a duplicate. Each embedder has its own: `embeddings.THRESHOLDS`."""
    n_clusters: int = 0
    """Clusters of k-means; 0: the square root of the number of documents, and one cluster up to 4,000 documents."""
    probe: int = 4
    """Most clusters in which a document is looked for, its own included. More misses less and costs more."""
    seed: int = 0
    """Draws the documents from which k-means learns, and its first centroids."""
    niter: int = 10
    """Rounds of k-means."""
    points_per_cluster: int = 40
    """Documents for each cluster from which k-means learns."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError("a cosine lies over 0 and up to 1.", key="threshold", value=self.threshold)
        for name, least in (("n_clusters", 0), ("probe", 1), ("niter", 1), ("points_per_cluster", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"at least {least} is needed.", key=name, value=getattr(self, name))


@dataclass(frozen=True)
class SemanticDuplicates:
    """The verdicts on N documents."""

    kept_instead: I64
    """For each document the place of the kept one most like it, or -1: it stays. N + i: place i in `against`."""
    similarity: npt.NDArray[np.float64]
    """Cosine with that one; 0 for those that stay."""
    cluster: I64
    """The lowest place among documents that verified pairs of a kept and a removed one connect: an id, nothing more."""
    centroid: npt.NDArray[np.int32]
    """Number of the k-means cluster."""
    n_clusters: int
    n_compared: int
    """Cosines that were computed, those of k-means included."""

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Which documents stay [N]."""
        return self.kept_instead < 0


class _Rows:
    """Rows of new vectors and, after them, of those of before, as unit vectors of float32."""

    def __init__(self, new: Any, before: Any) -> None:
        self.parts = [new] if before is None else [new, before]
        self.n_new = len(new)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def read(self, rows: I64) -> F32:
        if len(self.parts) == 1:
            return np.asarray(self.parts[0][rows], dtype=np.float32)
        out = np.empty((len(rows), self.parts[0].shape[1]), dtype=np.float32)
        old = rows >= self.n_new
        out[~old] = self.parts[0][rows[~old]]
        out[old] = self.parts[1][rows[old] - self.n_new]
        return out


def semantic_duplicates(
    vectors_NE: Any, preference_N: Any, config: Config | None = None, *, against: Any = None
) -> SemanticDuplicates:
    """Finds semantic duplicates among unit vectors (float16 or float32 [N, E], an array or a np.memmap).

    `preference_N`: of two duplicates the one with the larger value stays; where they are equal, the earlier. `against`:
    vectors [M, E] of documents that stay whatever comes, such as those of an earlier corpus. Rows of zeros are
    duplicates of nothing. Raises ConfigError where k-means is needed and faiss is not installed.
    """
    config = config or Config()
    rows = _Rows(vectors_NE, against)
    n, total = rows.n_new, len(rows)
    rank = _ranks(preference_N, n, total)
    centroid, visits, k, counted = _assign(rows, config)
    members, visitors = _by_cluster(centroid, k), _by_visit(visits, k)
    state = np.full(total, UNDECIDED, dtype=np.uint8)
    state[n:] = KEPT
    threshold = np.float32(config.threshold)
    while (state == UNDECIDED).any():
        near_kept, near_undecided = np.zeros(total, dtype=np.bool_), np.zeros(total, dtype=np.bool_)
        for home, guests in zip(members, visitors):
            for a, b, cosines in _blocks(rows, home, guests, state, UNDECIDED, (UNDECIDED, KEPT)):
                counted += cosines.size
                _mark(a, b, cosines, state, rank, threshold, near_kept, near_undecided)
        undecided = state == UNDECIDED
        state[undecided & near_kept] = GONE
        state[undecided & ~near_kept & ~near_undecided] = KEPT
    best = np.full(total, -1, dtype=np.int64)
    similarity = np.zeros(total, dtype=np.float32)
    parent = np.arange(total, dtype=np.int64)
    for home, guests in zip(members, visitors):
        for a, b, cosines in _blocks(rows, home, guests, state, GONE, (KEPT,)):
            counted += cosines.size
            _name(a, b, cosines, state, rank, threshold, best, similarity, parent)
    exact = similarity.astype(np.float64)
    gone = np.flatnonzero(best[:n] >= 0)
    for start in range(0, len(gone), BLOCK):
        some = gone[start : start + BLOCK]
        exact[some] = np.einsum("ne,ne->n", rows.read(some), rows.read(best[some]), dtype=np.float64)
    cluster = np.array([root(parent, i) for i in range(n)], dtype=np.int64)
    return SemanticDuplicates(best[:n], exact[:n], cluster, centroid[:n], k, counted)


def _ranks(preference_N: Any, n: int, total: int) -> I64:
    """0 for the document that is taken first; those of before come before all."""
    preference = np.asarray(preference_N)
    if preference.shape != (n,):
        raise ConfigError("one preference for each document is needed.", key="preference", value=preference.shape)
    rank = np.empty(total, dtype=np.int64)
    rank[np.lexsort((np.arange(n), -preference))] = np.arange(n)
    rank[n:] = np.arange(n, total) - total
    return rank


def _assign(rows: _Rows, config: Config) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], int, int]:
    """(nearest cluster of each document, the others that it visits [N, P - 1], -1 for none; clusters, cosines)."""
    total = len(rows)
    k = config.n_clusters or (1 if total <= 4000 else round(total**0.5))
    k = min(k, max(1, total))
    if k == 1:
        return np.zeros(total, dtype=np.int32), np.zeros((total, 0), dtype=np.int32), 1, 0
    centroids_KE, counted = _centroids(rows, k, config)
    probe = min(config.probe, k)
    home = np.empty(total, dtype=np.int32)
    visits = np.full((total, probe - 1), -1, dtype=np.int32)
    reach = (1 - config.threshold**2) ** 0.5
    squares = 2 - 2 * np.clip(centroids_KE @ centroids_KE.T, -1, 1)  # squared distances between centroids
    size = max(16, min(BLOCK, (1 << 26) // k))
    for start in range(0, total, size):
        some = np.arange(start, min(start + size, total))
        near = rows.read(some) @ centroids_KE.T
        nearest = np.argpartition(-near, probe - 1, axis=1)[:, :probe]
        nearest = np.sort(nearest, axis=1)  # equal cosines: the lower number
        order = np.argsort(-np.take_along_axis(near, nearest, axis=1), axis=1, kind="stable")
        nearest = np.take_along_axis(nearest, order, axis=1)
        home[some] = nearest[:, 0]
        if probe > 1:
            # What is within arccos(threshold) of a document lies on the other side of the plane between two centroids
            # only where the document is no farther from that plane than sin(arccos(threshold)).
            cosines = np.take_along_axis(near, nearest, axis=1)
            apart = np.sqrt(np.maximum(squares[nearest[:, :1], nearest[:, 1:]], 1e-12))
            reachable = (cosines[:, :1] - cosines[:, 1:]) / apart <= reach + 1e-6
            visits[some] = np.where(reachable, nearest[:, 1:], -1)
    return home, visits, k, counted + total * k


def _centroids(rows: _Rows, k: int, config: Config) -> tuple[F32, int]:
    """(unit centroids [K, E] by k-means on a drawn sample, cosines computed)."""
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            "semantic deduplication of this many documents needs faiss, which is not installed.",
            key="semantic",
            remedy="Run `pip install 'herdbook[semantic]'`, or leave the step out.",
        ) from error
    size = min(len(rows), k * config.points_per_cluster)
    drawn = np.random.Generator(np.random.PCG64(config.seed)).choice(len(rows), size, replace=False)
    sample = rows.read(np.sort(drawn))
    with _one_thread(faiss):
        kmeans = faiss.Kmeans(
            sample.shape[1], k, niter=config.niter, seed=config.seed, spherical=True,
            min_points_per_centroid=1, max_points_per_centroid=config.points_per_cluster + 1,
        )  # fmt: skip
        kmeans.train(sample)
    return np.asarray(kmeans.centroids, dtype=np.float32), size * k * config.niter


@contextlib.contextmanager
def _one_thread(faiss: Any) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _by_cluster(centroid: npt.NDArray[np.int32], k: int) -> list[I64]:
    """Places of the documents of each cluster, in their order."""
    order = np.argsort(centroid, kind="stable")
    return np.split(order, np.searchsorted(centroid[order], np.arange(1, k)))


def _by_visit(visits: npt.NDArray[np.int32], k: int) -> list[I64]:
    """Places of the documents that visit each cluster."""
    documents, columns = np.nonzero(visits >= 0)
    cluster = visits[documents, columns]
    order = np.lexsort((documents, cluster))
    return np.split(documents[order], np.searchsorted(cluster[order], np.arange(1, k)))


def _blocks(
    rows: _Rows, home: I64, guests: I64, state: Any, judged: int, judges: tuple[int, ...]
) -> Iterator[tuple[I64, I64, F32]]:
    """Cosines in blocks (some places, some places, their cosines), which hold every pair of a judged and a judging
    document that this cluster shows: two of its own documents, or one of its own and a visitor."""
    own, visiting = state[home], state[guests]
    pending = home[own == judged]
    others = [home[np.isin(own, judges) & (own != judged)], guests[np.isin(visiting, judges)]]
    if judged in judges:
        for i in range(0, len(pending), TILE):
            a = pending[i : i + TILE]
            x_AE = rows.read(a)
            for j in range(i, len(pending), TILE):  # each pair once
                b = pending[j : j + TILE]
                yield a, b, x_AE @ rows.read(b).T
    for left, right in ((pending, np.concatenate(others)), (home[own == KEPT], guests[visiting == judged])):
        for i in range(0, len(left) if len(right) else 0, BLOCK):
            a = left[i : i + BLOCK]
            x_AE = rows.read(a)
            for j in range(0, len(right), BLOCK):
                b = right[j : j + BLOCK]
                yield a, b, x_AE @ rows.read(b).T


@numba.njit(cache=True, nogil=True)
def _mark(a, b, cosines, state, rank, threshold, near_kept, near_undecided):  # type: ignore[no-untyped-def]
    """Marks undecided documents that resemble a better one which is kept, or is undecided itself."""
    for i in range(len(a)):
        for j in range(len(b)):
            if cosines[i, j] >= threshold and a[i] != b[j]:
                worse, better = a[i], b[j]
                if rank[worse] < rank[better]:
                    worse, better = better, worse
                if state[worse] == 0:
                    if state[better] == 1:
                        near_kept[worse] = True
                    elif state[better] == 0:
                        near_undecided[worse] = True


@numba.njit(cache=True, nogil=True)
def _name(a, b, cosines, state, rank, threshold, best, similarity, parent):  # type: ignore[no-untyped-def]
    """For documents that are gone the most similar of the better ones that stay."""
    for i in range(len(a)):
        for j in range(len(b)):
            found = cosines[i, j]
            if found < threshold or state[a[i]] == state[b[j]]:
                continue
            worse, better = a[i], b[j]
            if state[better] == 2:
                worse, better = better, worse
            if rank[better] > rank[worse]:
                continue
            one, other = root(parent, worse), root(parent, better)
            parent[max(one, other)] = min(one, other)
            old = best[worse]
            if old < 0 or found > similarity[worse] or (found == similarity[worse] and rank[better] < rank[old]):
                best[worse], similarity[worse] = better, found
