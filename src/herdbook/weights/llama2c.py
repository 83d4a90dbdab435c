"""The format of llama2.c (version 0): seven int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, longest
sequence), then float32 tensors, those of one kind for all layers together. Read only.

Order: tok_embeddings, attention_norm, wq, wk, wv, wo, ffn_norm, w1, w2, w3, norm, two RoPE tables, and the output
matrix where vocab_size is negative (otherwise it is tied). Source: `export.py` (legacy_export) of llama2.c.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import torch
from torch import Tensor

from herdbook.errors import ConfigError, InputError
from herdbook.model.args import ModelArgs
from herdbook.weights.checkpoint import Checkpoint
from herdbook.weights.safetensors_file import Entry, read_rows
from herdbook.weights.shapes import ffn_rule

_ORDER = ("attention_norm", "attention.wq", "attention.wk", "attention.wv", "attention.wo",
          "ffn_norm", "feed_forward.w1", "feed_forward.w2", "feed_forward.w3")  # fmt: skip
HEADER = struct.Struct("<7i")


class Llama2cCheckpoint(Checkpoint):
    """One file; the vocabulary lies beside it."""

    format = "llama2c"

    def __init__(self, path: Path) -> None:
        size = path.stat().st_size
        with open(path, "rb") as file:
            raw = file.read(HEADER.size)
        if len(raw) < HEADER.size:
            raise InputError(f"{path} is too short for weights.", key=str(path))
        dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, max_seq_len = HEADER.unpack(raw)
        try:
            if min(dim, hidden_dim, n_layers, n_heads, n_kv_heads, max_seq_len) < 1 or max(dim, hidden_dim) > 1 << 20:
                raise ValueError
            multiplier, multiple_of = ffn_rule(dim, hidden_dim)
            args = ModelArgs(
                dim=dim, n_layers=n_layers, n_heads=n_heads, n_kv_heads=n_kv_heads, vocab_size=abs(vocab_size),
                ffn_dim_multiplier=multiplier, multiple_of=multiple_of, rope_theta=10_000.0, max_seq_len=max_seq_len,
                tied_embeddings=vocab_size > 0,
            )  # fmt: skip
        except (ValueError, ConfigError):
            raise InputError(f"{path} does not begin like a file of llama2.c (version 0).", key=str(path)) from None
        super().__init__(path, args)
        self._entries: dict[str, Entry] = {}
        offset = self._place("tok_embeddings.weight", HEADER.size)
        for kind in _ORDER:
            for index in range(n_layers):
                offset = self._place(f"layers.{index}.{kind}.weight", offset)
        offset = self._place("norm.weight", offset) + 4 * max_seq_len * args.head_dim
        if not args.tied_embeddings:
            offset = self._place("output.weight", offset)
        if offset != size:
            raise InputError(
                f"{path} has {size} bytes; weights of this shape have {offset}.",
                key=str(path),
                remedy="Fetch it again.",
            )

    def _place(self, name: str, offset: int) -> int:
        shape = self.shapes[name]
        self._entries[name] = Entry(self.path, offset, shape, torch.float32, "F32")
        return offset + 4 * math.prod(shape)

    @property
    def files(self) -> list[Path]:
        return [self.path]

    @property
    def tokenizer_path(self) -> Path | None:
        found = sorted(path for path in self.path.parent.glob("tok*.bin") if path != self.path)
        return found[0] if len(found) == 1 else None

    def dtype(self, name: str) -> torch.dtype:
        return torch.float32

    def rows(self, name: str, start: int, end: int) -> Tensor:
        return read_rows(self._entries[name], start, end)
