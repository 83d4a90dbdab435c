"""Grouped-query attention with rotary positions.

B batch  T tokens  D dim  H query heads  K key/value heads  G = H/K query heads per key head
E head_dim  L cached positions
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from herdbook.model.args import ModelArgs
from herdbook.model.kv_cache import KVCache
from herdbook.model.rope import rotate


class Attention(nn.Module):
    """Meta's names: wq, wk, wv, wo; no biases."""

    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.head_dim = args.head_dim
        self.wq = nn.Linear(args.dim, args.n_heads * args.head_dim, bias=False)
        self.wk = nn.Linear(args.dim, args.n_kv_heads * args.head_dim, bias=False)
        self.wv = nn.Linear(args.dim, args.n_kv_heads * args.head_dim, bias=False)
        self.wo = nn.Linear(args.n_heads * args.head_dim, args.dim, bias=False)

    def forward(
        self,
        x_BTD: Tensor,
        rotations_BTP: Tensor,
        mask: Tensor | None,
        cached: tuple[KVCache, int, Tensor, Tensor | None, int] | None = None,
        wanted_BT: Tensor | None = None,
    ) -> Tensor:
        """mask: bool, True where a query may look, broadcastable to (B, H, T, L); None means causal.

        cached: (cache, layer, positions_BT, slots_B, length) to read keys and values of earlier tokens too.
        wanted_BT: bool, where the result is wanted; it is then (N, D) instead of (B, T, D).
        """
        # -1: a tensor-parallel shard holds fewer heads
        q_BTHE = rotate(self.wq(x_BTD).unflatten(-1, (-1, self.head_dim)), rotations_BTP)
        k_BTKE = rotate(self.wk(x_BTD).unflatten(-1, (-1, self.head_dim)), rotations_BTP)
        v_BTKE = self.wv(x_BTD).unflatten(-1, (-1, self.head_dim))
        B, T, H, E = q_BTHE.shape
        K = k_BTKE.shape[2]
        q_BHTE = q_BTHE.transpose(1, 2)
        if cached is None:
            k_BKLE, v_BKLE = k_BTKE.transpose(1, 2), v_BTKE.transpose(1, 2)
        else:
            cache, layer, positions_BT, slots_B, length = cached
            k_BKLE, v_BKLE = cache.write_and_read(layer, k_BTKE, v_BTKE, positions_BT, slots_B, length)
        if T == 1 and cached is not None:
            # The G query heads of a key head act as G queries: nothing is repeated while decoding.
            q_BKGE = q_BHTE.reshape(B, K, H // K, E)
            # Written out, because for one query it is faster on a CPU than scaled_dot_product_attention.
            scores_BKGL = (q_BKGE @ k_BKLE.to(q_BKGE.dtype).transpose(-1, -2)) * E**-0.5
            if mask is not None:
                scores_BKGL = scores_BKGL.masked_fill(~mask, -math.inf)
            wide = torch.promote_types(scores_BKGL.dtype, torch.float32)
            weights_BKGL = torch.softmax(scores_BKGL, dim=-1, dtype=wide).to(q_BKGE.dtype)
            out_BKGE = weights_BKGL @ v_BKLE.to(q_BKGE.dtype)
            out_BTD = out_BKGE.reshape(B, 1, H * E)
        else:
            out_BHTE = F.scaled_dot_product_attention(
                q_BHTE,
                k_BKLE.to(q_BHTE.dtype).repeat_interleave(H // K, dim=1),
                v_BKLE.to(q_BHTE.dtype).repeat_interleave(H // K, dim=1),
                attn_mask=mask,
                is_causal=mask is None,
            )
            out_BTD = out_BHTE.transpose(1, 2).reshape(B, T, H * E)
        return self.wo(out_BTD if wanted_BT is None else out_BTD[wanted_BT])
