"""SwiGLU feed-forward (Shazeer 2020): w2(silu(w1 x) * w3 x)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from herdbook.model.args import ModelArgs


class FeedForward(nn.Module):
    """Meta's names: w1 gates, w3 rises, w2 falls."""

    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.w1 = nn.Linear(args.dim, args.ffn_dim, bias=False)
        self.w2 = nn.Linear(args.ffn_dim, args.dim, bias=False)
        self.w3 = nn.Linear(args.dim, args.ffn_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., dim) to (..., dim)."""
        return self.w2(F.silu(self.w1(x)) * self.w3(x))
