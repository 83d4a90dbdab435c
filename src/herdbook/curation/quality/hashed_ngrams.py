"""Embeddings without a model: counts of hashed byte n-grams at unit length. They serve where no embedder is given.

N texts  E width
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from herdbook.curation.quality.scored_text import plain_line

WIDTH = 1024
SIZES = (3, 4, 5, 6)
_PRIME = np.uint32(0x01000193)


def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Square roots of signed counts of 3- to 6-grams of bytes, hashed into WIDTH places, at unit length [N, E]."""
    x_NE = np.zeros((len(texts), WIDTH), dtype=np.float32)
    for row, text in enumerate(texts):
        units = np.frombuffer(f" {plain_line(text)} ".encode("utf-8", "replace"), dtype=np.uint8).astype(np.uint32)
        total = np.zeros(WIDTH)
        hashed = np.full(len(units), 0x811C9DC5, dtype=np.uint32)
        for size in range(1, max(SIZES) + 1):
            if size > len(units):
                break
            hashed = (hashed[: len(units) - size + 1] ^ units[size - 1 :]) * _PRIME
            if size in SIZES:
                mixed = hashed ^ (hashed >> np.uint32(15))
                mixed = mixed * np.uint32(0x2C1B3C6D)
                mixed ^= mixed >> np.uint32(12)
                sign = 1.0 - 2.0 * (mixed >> np.uint32(31))
                total += np.bincount(mixed % np.uint32(WIDTH), weights=sign, minlength=WIDTH)
        root = np.sign(total) * np.sqrt(np.abs(total))
        x_NE[row] = root / max(float(np.linalg.norm(root)), 1e-9)
    return x_NE
