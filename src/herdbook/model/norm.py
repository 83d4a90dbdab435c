"""RMSNorm (Zhang and Sennrich 2019), as Llama uses it: before attention, before the feed-forward and at the end."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Divides by the root mean square of the last axis; computed in at least float32, returned in the input's dtype."""

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape ending in dim, any floating dtype; same shape and dtype out."""
        wide = torch.promote_types(x.dtype, torch.float32)
        normed = torch.nn.functional.rms_norm(x.to(wide), x.shape[-1:], None, self.eps)
        return normed.to(x.dtype) * self.weight.to(x.dtype)
