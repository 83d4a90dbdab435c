"""Rotary position embedding (Su et al. 2021) in Meta's interleaved layout, with Llama 3.1's frequency scaling.

T tokens  E head_dim  P = E/2 rotated pairs
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from herdbook.model.args import RopeScaling


def frequencies(head_dim: int, theta: float, scaling: RopeScaling | None = None) -> Tensor:
    """Angle per token of each pair: theta ** (-2p / head_dim); float64 tensor of shape (P,).

    With `scaling`, wavelengths above the old context / low factor are stretched by `factor`, those below the old
    context / high factor are kept, those between are interpolated (Llama 3.1, `apply_scaling` of the published model).
    """
    freqs_P = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    if scaling is None:
        return freqs_P
    wavelength_P = 2 * math.pi / freqs_P
    smooth_P = (scaling.original_max_seq_len / wavelength_P - scaling.low_freq_factor) / (
        scaling.high_freq_factor - scaling.low_freq_factor
    )
    smooth_P = smooth_P.clamp(0.0, 1.0)
    return (1 - smooth_P) * freqs_P / scaling.factor + smooth_P * freqs_P


def rotation_table(
    head_dim: int,
    max_seq_len: int,
    theta: float,
    scaling: RopeScaling | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Unit complex numbers exp(i * position * frequency), shape (max_seq_len, P), complex64 or complex128."""
    angles_TP = torch.outer(torch.arange(max_seq_len, dtype=torch.float64), frequencies(head_dim, theta, scaling))
    table_TP = torch.polar(torch.ones_like(angles_TP), angles_TP)
    return table_TP.to(torch.complex128 if dtype == torch.float64 else torch.complex64)


def rotate(x_BTHE: Tensor, rotations_BTP: Tensor) -> Tensor:
    """Rotates neighbouring pairs of the last axis; computed in at least float32, returned in the input's dtype."""
    wide = torch.promote_types(x_BTHE.dtype, torch.float32)
    pairs = torch.view_as_complex(x_BTHE.to(wide).unflatten(-1, (-1, 2)))
    turned = pairs * rotations_BTP.unsqueeze(-2)
    return torch.view_as_real(turned).flatten(-2).to(x_BTHE.dtype)
