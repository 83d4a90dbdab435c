"""Documents as sets of shingles: hashes of k words in a row. The slow twin of
`dedup/shingle_kernel.py`.

A word is a run of letters, digits and underscores in lower case; in scripts without spaces every character is a word.
The hash of a word depends on its letters only (BLAKE2b), that of a shingle on its words in order, so that sets made at
another time or place can be compared. Texts of fewer than k words have one shingle of all their words.
Shape letters: S all shingles of all documents one after the other, N documents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+"
)
_ASCII_WORD = re.compile(r"[a-z0-9_]+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    lowered = text.lower()
    return (_ASCII_WORD if lowered.isascii() else WORD).findall(lowered)


@dataclass(frozen=True)
class ShingleSets:
    """Sorted, unique shingle hashes of N documents: those of document i are values_S[offsets_N[i]:offsets_N[i + 1]]."""

    values_S: U64
    offsets_N: npt.NDArray[np.int64]
    k: int

    def __len__(self) -> int:
        return len(self.offsets_N) - 1

    def of(self, i: int) -> U64:
        """Shingles of one document."""
        return self.values_S[self.offsets_N[i] : self.offsets_N[i + 1]]

    def sizes(self) -> npt.NDArray[np.int64]:
        """Number of shingles of each document."""
        return np.diff(self.offsets_N)


class Shingler:
    """Turns texts into shingle sets; keeps the hashes of the words that it has met."""

    def __init__(self, k: int) -> None:
        self.k = k
        self._hashes: dict[str, int] = {}

    def _word_hashes(self, tokens: list[str]) -> U64:
        known = self._hashes
        for word in set(tokens).difference(known):
            known[word] = int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little")
        return np.fromiter(map(known.__getitem__, tokens), dtype=np.uint64, count=len(tokens))

    def shingles(self, text: str) -> U64:
        """Sorted unique shingle hashes of a text; empty where it has no word."""
        tokens = words(text)
        if not tokens:
            return np.empty(0, dtype=np.uint64)
        hashes = self._word_hashes(tokens)
        k = min(self.k, len(hashes))
        total = np.full(len(hashes) - k + 1, k, dtype=np.uint64)
        for j in range(k):
            total = (total ^ (total >> np.uint64(31))) * _MULTIPLIER + hashes[j : len(hashes) - k + 1 + j]
        return np.unique(total ^ (total >> np.uint64(29)))

    def sets(self, texts: Sequence[str]) -> ShingleSets:
        """Shingle sets of many texts."""
        parts = [self.shingles(text) for text in texts]
        offsets = np.zeros(len(parts) + 1, dtype=np.int64)
        np.cumsum([len(part) for part in parts], out=offsets[1:])
        values = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
        return ShingleSets(values, offsets, self.k)


def jaccard(a: U64, b: U64) -> float:
    """|a ∩ b| / |a ∪ b| of two sorted unique arrays; 0 where both are empty."""
    if not len(a) or not len(b):
        return 0.0
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)
