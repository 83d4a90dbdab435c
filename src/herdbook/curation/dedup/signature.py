"""MinHash signatures (Broder 1997) of rows of shingles, and the keys of their bands.

The functions are h -> (a * h + b) mod 2^32 on 32 bits of each shingle, a odd: compilers turn the loop over functions
into vector instructions. The smallest value over a document's shingles estimates resemblance: two documents agree in a
function with about the probability of their Jaccard similarity.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.shingle_kernel import U64, Shingles

_BLOCK = 2048


@numba.njit(cache=True, nogil=True)
def _sign(values, offsets, a, b, out):  # type: ignore[no-untyped-def]
    n = len(a)
    short = np.empty(_BLOCK, np.uint32)
    for document in range(len(offsets) - 1):
        row = out[document]
        begin, end = offsets[document], offsets[document + 1]
        while begin < end:
            # a block of shingles stays in the cache while all functions pass over it
            size = min(_BLOCK, end - begin)
            for s in range(size):
                short[s] = np.uint32(values[begin + s] >> np.uint64(32))  # the upper bits are mixed well
            for j in range(n):
                factor, term = a[j], b[j]
                least = row[j]
                for s in range(size):
                    least = min(least, np.uint32(factor * short[s] + term))
                row[j] = least
            begin += size


@numba.njit(cache=True, nogil=True)
def _band_keys(signature, rows, keys):  # type: ignore[no-untyped-def]
    for i in range(signature.shape[0]):
        for band in range(keys.shape[1]):
            key = np.uint64(band + 1)
            for j in range(band * rows, (band + 1) * rows):
                key = (key ^ (key >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(signature[i, j])
            key ^= key >> np.uint64(29)
            keys[i, band] = key | np.uint64(1)  # never 0, which marks a free place


def sign(shingles: Shingles, n_hashes: int, seed: int = 0) -> npt.NDArray[np.uint32]:
    """Signatures [N, n_hashes]; documents without shingles get the largest value everywhere."""
    rng = np.random.Generator(np.random.PCG64(seed))
    a = (rng.integers(0, 2**32, n_hashes, dtype=np.uint32) | np.uint32(1)).astype(np.uint32)
    b = rng.integers(0, 2**32, n_hashes, dtype=np.uint32)
    out = np.full((len(shingles), n_hashes), 0xFFFFFFFF, dtype=np.uint32)
    _sign(shingles.values_S, shingles.offsets_N1, a, b, out)
    return out


def band_keys(signature: npt.NDArray[np.uint32], bands: int, rows: int) -> U64:
    """A key for each band of each document [N, bands]; equal parts of signatures give equal keys."""
    keys = np.zeros((len(signature), bands), dtype=np.uint64)
    _band_keys(signature, rows, keys)
    return keys
