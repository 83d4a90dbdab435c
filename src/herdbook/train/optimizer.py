"""AdamW (Loshchilov and Hutter 2019) with weight decay on matrices alone.

Meta did not publish betas, decay and clipping of the main run; the defaults here are those of common Llama-shaped runs.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def adamw(
    modules: Iterable[nn.Module],
    lr: float,
    betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.1,
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """One optimiser over all parameters of the modules; norms, biases and head vectors are not decayed."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps, fused=True)
