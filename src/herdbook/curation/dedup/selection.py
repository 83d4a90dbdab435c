"""Verdicts on documents whose shingles and signatures lie in memory or in files: component by component.

Documents that share no band have nothing to do with each other (`components.py`). So the components are put together
into batches that fit into memory; the documents of a batch are gathered and judged by the kernel of `verified.py`.
Verdicts do not depend on the batches. One component that is larger than memory is judged on mapped files.
Shape letters: N new documents, O old ones, T = N + O (the old ones behind the new), B bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup import components, verified
from herdbook.curation.dedup.flat import Scratch, release
from herdbook.curation.dedup.shingle_kernel import U64
from herdbook.curation.dedup.signature import band_keys
from herdbook.errors import ConfigError

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
_BLOCK = 1 << 15
_GATHERED = 64
"""Documents gathered from mapped files before their pages are given back: the system maps 64 kB to 2 MB with each."""
_MOST = 2**31 - 1
"""Documents are numbered with 32 bits."""
_BATCH_BYTES = 1 << 30
"""Bytes of a batch where no limit is given."""


@dataclass(frozen=True)
class Part:
    """Shingles and signatures of some documents, in memory or mapped: those of document i are
    values_S[offsets_N1[i]:offsets_N1[i + 1]] and signature_NH[i]."""

    values_S: U64
    offsets_N1: I64
    signature_NH: npt.NDArray[np.uint32]

    def __post_init__(self) -> None:
        # Kernels are compiled once for read-only arrays, and not again for writable ones.
        for name in ("values_S", "offsets_N1", "signature_NH"):
            readable = getattr(self, name).view()
            readable.flags.writeable = False
            object.__setattr__(self, name, readable)

    def __len__(self) -> int:
        return len(self.offsets_N1) - 1


@numba.njit(cache=True, nogil=True)
def _salt(keys, salts):  # type: ignore[no-untyped-def]
    for i in range(keys.shape[0]):
        for band in range(keys.shape[1]):
            key = (keys[i, band] ^ salts[i]) * np.uint64(0x9E3779B97F4A7C15)
            keys[i, band] = (key ^ (key >> np.uint64(32))) | np.uint64(1)


@numba.njit(cache=True, nogil=True)
def gather(values, offsets, rows, out, begin):  # type: ignore[no-untyped-def]
    """Copies the shingles of some documents into `out` from `begin` on; returns where they end."""
    for row in rows:
        for s in range(offsets[row], offsets[row + 1]):
            out[begin] = values[s]
            begin += 1
    return begin


def _keys(part: Part, rows: slice | I64, salts: U64 | None, config: verified.Config) -> U64:
    """Keys of the bands of some documents [n, B], those of different groups apart."""
    keys = band_keys(np.ascontiguousarray(part.signature_NH[rows]), config.bands, config.rows)
    if salts is not None:
        _salt(keys, salts)
    return keys


def _bytes_of(config: verified.Config) -> int:
    """What the kernel needs for a document of a batch, without its shingles: signature, keys, tables, chains."""
    return 4 * config.bands * config.rows + config.bands * (8 + 12 * 4 + 4) + 48


def select(
    parts: Sequence[Part],
    n_new: int,
    config: verified.Config,
    order: I64 | None = None,
    salts_T: U64 | None = None,
    memory_limit_bytes: int | None = None,
    folder: Path | None = None,
) -> verified.NearDuplicates:
    """Verdicts on the first `n_new` documents of `parts`; the others are old: preferred to all new ones, never removed.

    `order` holds places of new documents, best first; those that are not in it take no part. Documents with different
    salts are never compared. Over `memory_limit_bytes` files in `folder` take the place of memory; without a limit all
    is in memory. Besides, some 50 bytes for each document stay in memory.
    """
    starts = np.cumsum([0, *map(len, parts)])
    n_all = int(starts[-1])
    if n_all >= _MOST:
        raise ConfigError(
            "a selection takes up to 2 billion documents.", key="documents", value=n_all,
            remedy="Give each language or part of the corpus a store of its own.",
        )  # fmt: skip
    taken = np.arange(n_new, dtype=np.int64) if order is None else np.asarray(order, dtype=np.int64)
    rank = np.full(n_new, -1, dtype=np.int32)
    rank[taken] = np.arange(len(taken), dtype=np.int32)
    budget = _BATCH_BYTES if memory_limit_bytes is None else max(memory_limit_bytes // 2, 1)

    scratch = Scratch(folder, None if memory_limit_bytes is None else memory_limit_bytes // 4)
    parent = np.arange(n_all, dtype=np.int32)
    weights = np.zeros(n_all, dtype=np.int64)
    try:
        keys_BT = scratch.array((config.bands, n_all), np.uint64)
        for part, first in zip(parts, starts.tolist()):
            for start in range(0, len(part), _BLOCK):
                stop = min(start + _BLOCK, len(part))
                rows = slice(first + start, first + stop)
                sizes = np.diff(part.offsets_N1[start : stop + 1])
                weights[rows] = sizes * 8 + _bytes_of(config)
                keys = _keys(part, slice(start, stop), None if salts_T is None else salts_T[rows], config)
                out = sizes == 0
                if first + start < n_new:
                    out |= rank[rows] < 0
                keys[out] = 0
                keys_BT[:, rows] = keys.T
                for array in (part.signature_NH, part.offsets_N1, keys_BT):
                    release(array)
        for keys_T in keys_BT:
            components.join_band(keys_T, parent, None if memory_limit_bytes is None else memory_limit_bytes // 4)
            release(keys_BT)
        del keys_BT, keys_T
    finally:
        scratch.close()
    components.roots(parent)
    batch = np.empty(n_all, dtype=np.int32)
    n_batches = components.cut_into_batches(parent, components.sizes_of(parent, n_new), weights, budget, batch)
    del weights

    kept_instead = np.full(n_new, -1, dtype=np.int64)
    similarity = np.zeros(n_new, dtype=np.float64)
    cluster = np.arange(n_new, dtype=np.int64)
    members = np.flatnonzero(batch >= 0).astype(np.int32)
    members = members[np.argsort(batch[members], kind="stable")]
    ends = np.cumsum(np.bincount(batch[members], minlength=n_batches)).tolist() if n_batches else []
    del parent, batch
    candidates = compared = 0
    begin = 0
    for end in ends:
        documents = members[begin:end].astype(np.int64)
        begin = end
        scratch = Scratch(folder, None if memory_limit_bytes is None else budget)
        try:
            found = _judge(parts, starts, documents, n_new, rank, salts_T, config, scratch)
        finally:
            scratch.close()
        for part in parts:
            for array in (part.values_S, part.offsets_N1, part.signature_NH):
                release(array)
        new = documents[documents < n_new]
        gone = np.flatnonzero(found.kept_instead[: len(new)] >= 0)
        kept_instead[new[gone]] = documents[found.kept_instead[gone]]
        similarity[new[gone]] = found.similarity[gone]
        cluster[new] = documents[found.cluster[: len(new)]]
        candidates += found.n_candidates
        compared += found.n_compared
    return verified.NearDuplicates(kept_instead, similarity, cluster, candidates, compared)


def _judge(
    parts: Sequence[Part],
    starts: I64,
    documents: I64,
    n_new: int,
    rank: I32,
    salts_T: U64 | None,
    config: verified.Config,
    scratch: Scratch,
) -> verified.NearDuplicates:
    """Gathers documents (places in ascending order) and judges them; places in the result are among `documents`."""
    n = len(documents)
    n_hashes = config.bands * config.rows
    bounds = np.searchsorted(documents, starts)
    offsets = np.zeros(n + 1, dtype=np.int64)
    for number, part in enumerate(parts):
        low, high = bounds[number], bounds[number + 1]
        rows = documents[low:high] - starts[number]
        offsets[low + 1 : high + 1] = part.offsets_N1[rows + 1] - part.offsets_N1[rows]
    np.cumsum(offsets, out=offsets)
    values = scratch.array((int(offsets[-1]),), np.uint64)
    signature = scratch.array((n, n_hashes), np.uint32)
    keys = scratch.array((n, config.bands), np.uint64)
    filled = 0
    for number, part in enumerate(parts):
        for start in range(int(bounds[number]), int(bounds[number + 1]), _GATHERED):
            stop = min(start + _GATHERED, int(bounds[number + 1]))
            rows = documents[start:stop] - starts[number]
            filled = gather(part.values_S, part.offsets_N1, rows, values, filled)
            signature[start:stop] = part.signature_NH[rows]
            keys[start:stop] = _keys(part, rows, None if salts_T is None else salts_T[documents[start:stop]], config)
            for array in (part.values_S, part.offsets_N1, part.signature_NH, values, signature, keys):
                release(array)
    n_here = int(np.searchsorted(documents, n_new))
    order = np.concatenate([np.arange(n_here, n), np.argsort(rank[documents[:n_here]], kind="stable")])
    return verified.select_gathered(values, offsets, signature, keys, order, n_here, config, scratch)
