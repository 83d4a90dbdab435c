"""How far a document's words lie from a corpus's: the Kullback-Leibler divergence (Llama 3, section 3.1.1).

Words in lower case are counted in 65,536 buckets by hash. D(document || corpus) in nats; the corpus is smoothed by one
count in each bucket, so that no word is impossible.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import Words

N_BUCKETS = 1 << 16


@dataclass(frozen=True)
class WordDistribution:
    """Natural logarithm of the share of each bucket in a corpus, float64 [N_BUCKETS]."""

    log_share: npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _add(folded, counts):  # type: ignore[no-untyped-def]
    for value in folded:
        counts[value & np.uint64(65535)] += 1


@numba.njit(cache=True, nogil=True)
def _divergence(folded, bounds, log_share, result):  # type: ignore[no-untyped-def]
    counts = np.zeros(65536, np.int64)
    for document in range(len(bounds) - 1):
        start, stop = bounds[document], bounds[document + 1]
        n = stop - start
        if n == 0:
            continue
        for i in range(start, stop):
            counts[folded[i] & np.uint64(65535)] += 1
        total = 0.0
        for i in range(start, stop):
            bucket = folded[i] & np.uint64(65535)
            if counts[bucket] > 0:
                share = counts[bucket] / n
                total += share * (np.log(share) - log_share[bucket])
                counts[bucket] = 0
        result[document] = total


def word_distribution(batches: Iterable[Words]) -> WordDistribution:
    """The distribution of the words of a corpus, given batch by batch."""
    counts = np.zeros(N_BUCKETS, dtype=np.int64)
    for words in batches:
        _add(words.folded_T, counts)
    return WordDistribution(np.log((counts + 1) / (counts.sum() + N_BUCKETS)))


def divergence(words: Words, corpus: WordDistribution) -> npt.NDArray[np.float64]:
    """D(document || corpus) in nats of each document [N]; 0 where there is no word."""
    result = np.zeros(len(words.bounds_N1) - 1, dtype=np.float64)
    _divergence(words.folded_T, words.bounds_N1, corpus.log_share, result)
    return result
