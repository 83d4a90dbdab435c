"""Keys and values of tokens already seen, one row per sequence.

S slots (sequences)  K key/value heads  L positions  E head_dim
"""

from __future__ import annotations

import torch
from torch import Tensor

from herdbook.model.args import ModelArgs


class KVCache:
    """A rectangle of keys and values per layer, written at given positions and read from the start."""

    def __init__(
        self,
        args: ModelArgs,
        n_slots: int,
        max_len: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (args.n_layers, n_slots, args.n_kv_heads, max_len, args.head_dim)
        self.n_slots, self.max_len = n_slots, max_len
        self.keys_NSKLE = torch.zeros(shape, dtype=dtype, device=device)
        self.values_NSKLE = torch.zeros(shape, dtype=dtype, device=device)

    def write_and_read(
        self, layer: int, k_BTKE: Tensor, v_BTKE: Tensor, positions_BT: Tensor, slots_B: Tensor | None, length: int
    ) -> tuple[Tensor, Tensor]:
        """Stores the new keys and values at their positions and returns the first `length` of each row.

        positions_BT: int64; a negative position is padding and is not stored. slots_B: rows to use, None for
        the first B.
        Returns two tensors (B, K, length, E).
        """
        keys_SKLE, values_SKLE = self.keys_NSKLE[layer], self.values_NSKLE[layer]
        B, T = positions_BT.shape
        rows_B = torch.arange(B, device=positions_BT.device) if slots_B is None else slots_B
        if T == 1:
            where_B, whose_B, new_k, new_v = positions_BT[:, 0], rows_B, k_BTKE[:, 0], v_BTKE[:, 0]
        else:
            real = positions_BT >= 0
            where_B, whose_B = positions_BT[real], rows_B[:, None].expand(B, T)[real]
            new_k, new_v = k_BTKE[real], v_BTKE[real]
        keys_SKLE[whose_B, :, where_B] = new_k.to(keys_SKLE.dtype)
        values_SKLE[whose_B, :, where_B] = new_v.to(values_SKLE.dtype)
        if slots_B is None:
            return keys_SKLE[:B, :, :length], values_SKLE[:B, :, :length]
        return keys_SKLE[slots_B, :, :length], values_SKLE[slots_B, :, :length]

    def copy_slot(self, source: int, targets: list[int], length: int) -> None:
        """Copies the first `length` positions of one row to others: samples of one prompt share its prefill."""
        for tensor in (self.keys_NSKLE, self.values_NSKLE):
            tensor[:, targets, :, :length] = tensor[:, source : source + 1, :, :length]
