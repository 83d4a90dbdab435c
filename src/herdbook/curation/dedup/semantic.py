"""Semantic duplicates: documents whose vectors point almost the same way (SemDeDup, Abbas et al. 2023), verified.

The rule is that of the MinHash step: documents are taken in order of preference, and one goes when a document that
STAYS is at least `threshold` similar. So every removed document names a kept one, and chains remove nothing. (SemDeDup
itself keeps one of each connected group, the one farthest from the centroid; here the caller's preference decides.)

SemDeDup compares within the clusters of k-means alone, and misses what they part. Here k-means and short forms of the
vectors (`short_form.py`, `kept_cells.py`) only rule out what cannot be similar, by bounds that hold for certain; what
they leave is compared in full. So the verdicts are those of comparing all pairs. `recall` under 1 gives that up for
speed where the work would grow with the square of the number of documents: where those bounds rule out too little,
sketches of 256 bits (`sketches.py`) do it, and among many documents only the nearest cells are looked into
(`probes.py`).
Memory: 200 to 750 bytes a document, in files of `folder` beyond the limit; `vectors_NE` may be mapped from disk. The
tests' slow twin compares all pairs.
Shape letters: N documents, M documents of before, E numbers of a vector, D coordinates of a short form, K clusters, W
numbers that clusters are made of, P clusters that a document is looked for in, B bits of a sketch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup import kept_cells, probes, sketches
from herdbook.curation.dedup.components import root
from herdbook.curation.dedup.flat import Scratch, release
from herdbook.curation.dedup.short_form import LEVELS, directions, levels_for, rests, unit
from herdbook.errors import ConfigError

I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]
BLOCK = 2048
"""Vectors that are read at a time."""
CELL_COORDINATES = 32
"""Most coordinates of which clusters are made."""
AT_ONCE = 8192
"""Documents after which progress is told."""
LEARN = 2048
"""Vectors from which the directions of short forms are learnt."""
COMPARE = 512
"""Vectors of which all pairs are compared to choose the levels of short forms."""
FEW_DOCUMENTS = 4000
"""Up to so many there is one cluster, and no sketches."""
MANY_DOCUMENTS = 100_000
"""From so many on a document is looked for in the nearest clusters alone."""
WEAK = 32
"""Bounds that need more coordinates than this to begin with rule out too little."""
Points = Callable[[I64], F32]
"""Unit vectors of coordinates and rest of some documents."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What counts as a semantic duplicate, and how pairs are found."""

    threshold: float = 0.95
    """Cosine from which a document is a duplicate. Each embedder has its own: `embeddings.THRESHOLDS`."""
    n_clusters: int = 0
    """Clusters of k-means; 0: the square root of the number of documents, and one cluster up to 4,000 documents."""
    probe: int = 0
    """Most clusters in which a document is looked for, the nearest ones: fewer cost less and miss more. 0: all that can
    hold a similar one; among more than 100,000 documents, and in clusters with sketches, as many as `recall` asks
    for."""
    recall: float = 0.99
    """Of pairs with exactly the threshold's cosine the share that must be found, in expectation, where not all are:
    among more than 100,000 documents, and among more than 4,000 where bounds rule out too little (vectors that spread
    alike in all directions). More similar ones are missed far less. 1: nothing is missed anywhere."""
    seed: int = 0
    """Draws the documents from which k-means learns, its first centroids, and the planes of sketches."""
    niter: int = 10
    """Rounds of k-means."""
    points_per_cluster: int = 40
    """Documents for each cluster from which k-means learns."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError("a cosine lies over 0 and up to 1.", key="threshold", value=self.threshold)
        if not 0 < self.recall <= 1:
            raise ConfigError("a share lies over 0 and up to 1.", key="recall", value=self.recall)
        for name, least in (("n_clusters", 0), ("probe", 0), ("niter", 1), ("points_per_cluster", 1)):
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
    """0: none were made, sketches did without."""
    n_compared: int
    """Products of two whole vectors (E multiplications), or as much work: k-means, directions, clusters, short forms,
    sketches and comparisons."""

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Which documents stay [N]."""
        return self.kept_instead < 0


class _Rows:
    """Rows of new vectors and, after them, of those of before."""

    def __init__(self, new: Any, before: Any) -> None:
        self.parts = [new] if before is None else [new, before]
        self.n_new = len(new)
        self.width = new.shape[1]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def read(self, rows: I64) -> F32:
        """Vectors as they are, float32 [len(rows), E]."""
        if len(self.parts) == 1:
            return np.asarray(self.parts[0][rows], dtype=np.float32)
        out = np.empty((len(rows), self.width), dtype=np.float32)
        old = rows >= self.n_new
        out[~old] = self.parts[0][rows[~old]]
        out[old] = self.parts[1][rows[old] - self.n_new]
        return out

    def units(self, rows: I64) -> F32:
        """The same with length 1; rows of zeros stay zeros."""
        return unit(self.read(rows))

    def release(self) -> None:
        """Gives the memory of mapped files back."""
        for part in self.parts:
            release(part)


def semantic_duplicates(
    vectors_NE: Any,
    preference_N: Any,
    config: Config | None = None,
    *,
    against: Any = None,
    folder: Path | None = None,
    memory_limit_bytes: int | None = None,
    bar: Callable[[int], object] = lambda documents: None,
) -> SemanticDuplicates:
    """Finds semantic duplicates among vectors (float16 or float32 [N, E]: an array, a np.memmap or `flat.FileRows`).

    `preference_N`: of two duplicates the one with the larger value stays; where they are equal, the earlier. `against`:
    vectors [M, E] of documents that stay whatever comes, such as those of an earlier corpus. Rows of zeros are
    duplicates of nothing. Beyond `memory_limit_bytes` short forms lie in files of `folder`. `bar` is told now and then
    how many more documents have been judged. Raises ConfigError where k-means is needed and faiss is not installed.
    """
    config = config or Config()
    rows = _Rows(vectors_NE, against)
    order = _best_first(preference_N, rows.n_new)
    if not len(rows):
        return SemanticDuplicates(order, order.astype(np.float64), order, order.astype(np.int32), 0, 0)
    scratch = Scratch(folder, memory_limit_bytes)
    try:
        return _judge(rows, order, config, scratch, bar)
    finally:
        scratch.close()


def _best_first(preference_N: Any, n: int) -> I64:
    """Places in order of preference."""
    preference = np.asarray(preference_N)
    if preference.shape != (n,):
        raise ConfigError("one preference for each document is needed.", key="preference", value=preference.shape)
    return np.lexsort((np.arange(n), -preference))


@dataclass(frozen=True)
class _Search:
    """How candidates are found among the documents that are kept so far."""

    enter: Callable[[I64], None]
    """Documents that stay."""
    advance: Callable[[I64, int, I64], tuple[int, int]]
    """From an order, a position in it and room for places to the position of the next document with candidates and
    their number; documents without any have been entered."""
    empty_N: npt.NDArray[np.bool_]
    """Which rows are zeros."""
    home_N: npt.NDArray[np.int32]
    n_clusters: int
    mapped: Any
    """The array that is read everywhere, of which memory is given back now and then."""
    counted: int
    """Products of whole vectors so far."""
    work: I64
    """[1] Numbers multiplied since."""


def _judge(
    rows: _Rows, order: I64, config: Config, scratch: Scratch, bar: Callable[[int], object]
) -> SemanticDuplicates:
    """Verdicts on the new rows, taken in `order`."""
    n, total = rows.n_new, len(rows)
    basis_ED, levels, counted = _basis(rows, config)
    if levels[0] > WEAK and total > FEW_DOCUMENTS and config.recall < 1:
        search = _sketched(rows, config, scratch, basis_ED[:, : levels[0]], counted)
    else:
        search = _clustered(rows, config, scratch, basis_ED, levels, counted)
    counted, empty = search.counted, search.empty_N
    search.enter(n + np.flatnonzero(~empty[n:]))
    order = order[~empty[order]]
    rank = np.full(total, -1, dtype=np.int64)  # those of before: none, the earlier first
    rank[order] = np.arange(len(order))
    best = np.full(n, -1, dtype=np.int64)
    similarity = np.zeros(n, dtype=np.float64)
    parent = np.arange(total, dtype=np.int64)
    candidates = np.empty(total, dtype=np.int64)
    position = since = told = 0
    while position < len(order):
        some = order[: position + AT_ONCE]
        position, n_candidates = search.advance(some, position, candidates)
        if position < len(some):
            document = order[position : position + 1]
            twins, cosines = _twins(rows, document, candidates[:n_candidates], config.threshold)
            if len(twins):
                first = np.lexsort((twins, rank[twins], -cosines))[0]
                best[document], similarity[document] = twins[first], cosines[first]
                _join(parent, int(document[0]), twins.tolist())
            else:
                search.enter(document)
            position += 1
            counted += n_candidates
            since += n_candidates
        if since > 8 * BLOCK:
            rows.release()
            release(search.mapped)
            since = 0
        if position - told >= AT_ONCE or position == len(order):
            bar(position - told)
            told = position
    cluster = np.array([root(parent, i) for i in range(n)], dtype=np.int64)
    counted += -(-int(search.work[0]) // max(1, rows.width))
    return SemanticDuplicates(best, similarity, cluster, search.home_N[:n], search.n_clusters, counted)


def _twins(rows: _Rows, document: I64, candidates: I64, threshold: float) -> tuple[I64, npt.NDArray[np.float64]]:
    """(those of the candidates that are at least `threshold` similar to a document, their cosines)."""
    x_E = rows.read(document)[0].astype(np.float64)
    parts = []
    for start in range(0, len(candidates), BLOCK):
        y_AE = rows.read(candidates[start : start + BLOCK]).astype(np.float64)
        parts.append(y_AE @ x_E / np.sqrt((x_E @ x_E) * np.einsum("ae,ae->a", y_AE, y_AE)))
    cosines = np.concatenate(parts)
    similar = cosines >= threshold - 1e-12  # of a vector with itself it may be a hair under 1
    return candidates[similar], cosines[similar]


def _join(parent: I64, document: int, twins: list[int]) -> None:
    for twin in twins:
        one, other = root(parent, document), root(parent, twin)
        parent[max(one, other)] = min(one, other)


def _sketched(rows: _Rows, config: Config, scratch: Scratch, basis_EW: F32, counted: int) -> _Search:
    """By signs of random projections, among many documents in the nearest cells of k-means."""
    total = len(rows)

    def points(units: F32) -> F32:
        return _with_rest(units @ basis_EW)

    k = config.n_clusters or (_n_clusters(total) if total > MANY_DOCUMENTS or config.probe else 1)
    centroids_KW, work = _centroids(lambda some: points(rows.units(some)), total, k, config)
    k = len(centroids_KW)
    probe = min(config.probe or _probe(rows, points, centroids_KW, config), k)
    recall = config.recall if k == 1 else 1 - (1 - config.recall) * (1 - probes.SHARE)
    # what every look-up reads comes first: where memory does not do for all, the rest lies in files
    head_S, place_S = scratch.array((total,), np.uint64), scratch.array((total,), np.int32)
    probes_NP = scratch.array((total, probe), np.uint16 if k <= 1 << 16 else np.int32)
    words_NB = scratch.array((total, sketches.LEVELS[-1]), np.uint64)
    planes_EB = sketches.planes(rows.width, config.seed)
    empty, home = np.zeros(total, dtype=np.bool_), np.zeros(total, dtype=np.int32)
    for start in range(0, total, BLOCK):
        some = np.arange(start, min(start + BLOCK, total))
        units = rows.units(some)
        empty[some] = ~units.any(axis=1)
        words_NB[some] = sketches.words_of(units, planes_EB)
        if k > 1:
            home[some], probes_NP[some] = probes.nearest(points(units), centroids_KW, probe)
        rows.release()
        release(words_NB)
    limits = sketches.limits(config.threshold, recall)
    made = sketches.empty(words_NB, head_S, place_S, home, probes_NP, limits, k)
    made.work[0] += work + (total * centroids_KW.size if k > 1 else 0)
    levels = np.array(sketches.LEVELS)
    return _Search(
        lambda documents: sketches.enter(made, documents),
        lambda order, position, out: sketches.advance(made, levels, order, position, out),
        empty, home, k if k > 1 else 0, words_NB, counted + total * planes_EB.shape[1], made.work,
    )  # fmt: skip


def _with_rest(coordinates_NW: F32) -> F32:
    """Points of which cells are made: unit vectors of coordinates and the length of what they leave out."""
    rest = rests(coordinates_NW, (coordinates_NW.shape[1],))
    return np.concatenate([coordinates_NW, rest], axis=1)


def _n_clusters(total: int) -> int:
    return 1 if total <= FEW_DOCUMENTS else round(total**0.5)


def _probe(rows: _Rows, points: Callable[[F32], F32], centroids_KW: F32, config: Config) -> int:
    """How many of the nearest clusters a document must be looked for in, so that `recall` is kept."""
    if len(centroids_KW) == 1:
        return 1
    units = rows.units(_drawn(len(rows), probes.SAMPLE, [config.seed, 1]))  # not those of which the clusters were made
    units = units[units.any(axis=1)]
    if not len(units):
        return 1
    twins = probes.twins_of(units, config.threshold, config.seed)
    return probes.enough(probes.needed(points(units), points(twins), centroids_KW), config.recall)


def _clustered(
    rows: _Rows, config: Config, scratch: Scratch, basis_ED: F32, levels: tuple[int, ...], counted: int
) -> _Search:
    """By cells of k-means and short forms, which lose nothing."""
    total = len(rows)
    n_coordinates, n_head = levels[-1], levels[0]
    # what every look-up reads comes first: where memory does not do for all, the rest lies in files
    room = kept_cells.Room(
        scratch.array((total,), np.int32),
        scratch.array((n_head + 1, total), np.float32),
        scratch.array((total, n_coordinates), np.float32),
        scratch.array((total, len(levels)), np.float32),
    )
    empty = np.zeros(total, dtype=np.bool_)
    for start in range(0, total, BLOCK):
        some = np.arange(start, min(start + BLOCK, total))
        units = rows.units(some)
        empty[some] = ~units.any(axis=1)
        room.coordinates_ND[some] = units @ basis_ED
        room.rest_NL[some] = rests(room.coordinates_ND[some], levels)
        rows.release()
        release(room.coordinates_ND)
    k = config.n_clusters or _n_clusters(total)
    cell_level = max((i for i, level in enumerate(levels) if level <= CELL_COORDINATES), default=0)

    def points(some: I64) -> F32:
        coordinates = room.coordinates_ND[some, : levels[cell_level]]
        return np.concatenate([coordinates, room.rest_NL[some, cell_level, None]], axis=1)

    centroids_KW, work = _centroids(points, total, k, config)
    home_N, widest_K = _homes(points, total, centroids_KW)
    probe = config.probe
    if not probe and total > MANY_DOCUMENTS and config.recall < 1:
        basis_EW = basis_ED[:, : levels[cell_level]]
        probe = _probe(rows, lambda units: _with_rest(units @ basis_EW), centroids_KW, config)
    cells = kept_cells.cells_of(room, levels, cell_level, home_N, centroids_KW, widest_K, config.threshold, probe)
    cells.work[0] += work + total * centroids_KW.size
    return _Search(
        lambda documents: kept_cells.enter(cells, documents),
        lambda order, position, out: kept_cells.advance(cells, order, position, out),
        empty, home_N, len(cells.first_K), room.coordinates_ND, counted + total * n_coordinates, cells.work,
    )  # fmt: skip


def _basis(rows: _Rows, config: Config) -> tuple[F32, tuple[int, ...], int]:
    """(directions of the short forms [E, D], their levels, products of whole vectors), learnt from a sample."""
    sample_SE = rows.units(_drawn(len(rows), LEARN, config.seed))
    basis_ED = directions(sample_SE, min(LEVELS[-1], rows.width))
    some = sample_SE[_drawn(len(sample_SE), COMPARE, config.seed)]
    levels = levels_for(some @ basis_ED, config.threshold)
    compared = len(some) ** 2 * sum(level for level in LEVELS if level <= rows.width) // max(1, rows.width)
    return basis_ED[:, : levels[-1]], levels, len(sample_SE) * rows.width + compared


def _drawn(n: int, most: int, seed: int | list[int]) -> I64:
    """Up to `most` of n places, in order."""
    return np.sort(np.random.Generator(np.random.PCG64(seed)).choice(n, min(n, most), replace=False))


def _homes(points: Points, total: int, centroids_KW: F32) -> tuple[npt.NDArray[np.int32], F32]:
    """(the nearest centroid of each document, the smallest cosine of a document with each centroid)."""
    home_N = np.empty(total, dtype=np.int32)
    widest_K = np.ones(len(centroids_KW), dtype=np.float32)
    for start in range(0, total, BLOCK):
        some = np.arange(start, min(start + BLOCK, total))
        home_N[some], cosine = probes.homes(points(some), centroids_KW)
        np.minimum.at(widest_K, home_N[some], cosine)
    return home_N, widest_K


def _centroids(points: Points, total: int, k: int, config: Config) -> tuple[F32, int]:
    """(unit centroids [K, W] by k-means on a drawn sample, numbers multiplied)."""
    k = min(k, total)
    if k == 1:
        middle = points(np.arange(min(total, 2 * BLOCK))).sum(axis=0, keepdims=True)
        return middle / np.maximum(np.linalg.norm(middle), 1e-12), 0
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            "semantic deduplication of this many documents needs faiss, which is not installed.",
            key="semantic",
            remedy="Run `pip install 'herdbook[semantic]'`, or leave the step out.",
        ) from error
    drawn = _drawn(total, k * config.points_per_cluster, config.seed)
    sample = np.concatenate([points(drawn[i : i + BLOCK]) for i in range(0, len(drawn), BLOCK)])
    with _one_thread(faiss):
        kmeans = faiss.Kmeans(
            sample.shape[1], k, niter=config.niter, seed=config.seed, spherical=True,
            min_points_per_centroid=1, max_points_per_centroid=config.points_per_cluster + 1,
        )  # fmt: skip
        kmeans.train(sample)
    return np.asarray(kmeans.centroids, dtype=np.float32), sample.size * k * config.niter


@contextlib.contextmanager
def _one_thread(faiss: Any) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
