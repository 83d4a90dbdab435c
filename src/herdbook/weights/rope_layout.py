"""The order of rows in wq and wk: Meta rotates neighbouring pairs, Hugging Face the two halves of a head.

Row 2p + i of a head in Meta's layout (pair p, part i) is row i * E/2 + p in Hugging Face's. GGUF files of architecture
`llama` keep Meta's order.

H heads  E head_dim  D dim
"""

from __future__ import annotations

from torch import Tensor


def to_halves(weight_HED: Tensor, n_heads: int) -> Tensor:
    """Meta's rows to Hugging Face's; (H*E, D) in and out, any dtype, the values untouched."""
    pairs = weight_HED.unflatten(0, (n_heads, -1, 2))  # (H, E/2, 2, D)
    return pairs.transpose(1, 2).reshape(weight_HED.shape)


def to_pairs(weight_HED: Tensor, n_heads: int) -> Tensor:
    """The inverse of `to_halves`."""
    halves = weight_HED.unflatten(0, (n_heads, 2, -1))  # (H, 2, E/2, D)
    return halves.transpose(1, 2).reshape(weight_HED.shape)
