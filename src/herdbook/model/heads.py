"""Heads other than the language model's: one number per token (value) or per answer (reward)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ScalarHead(nn.Module):
    """A linear map from hidden states to one number, computed in at least float32; starts at zero.

    As value head of PPO (Schulman et al. 2017) and reward head of the Bradley-Terry model (Ouyang et al. 2022).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dim))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        """h: (..., D) to (...)."""
        wide = torch.promote_types(h.dtype, torch.float32)
        return (h.to(wide) * self.weight.to(wide)).sum(-1) + self.bias.to(wide)
