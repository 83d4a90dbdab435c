"""Which tensors a Llama model has, by Meta's names, and which way Meta splits each over tensor-parallel shards."""

from __future__ import annotations

import math

from herdbook.errors import InputError
from herdbook.model.args import PRESETS, ModelArgs

Shape = tuple[int, ...]

SPLIT_ROWS = ("attention.wq", "attention.wk", "attention.wv", "feed_forward.w1", "feed_forward.w3", "output")
"""ColumnParallelLinear in Meta's code: each shard has some output features, which are rows of the stored matrix."""
SPLIT_COLUMNS = ("attention.wo", "feed_forward.w2")
"""RowParallelLinear: each shard has some input features."""


def tensor_shapes(args: ModelArgs) -> dict[str, Shape]:
    """Name to shape, in the order of the model; a tied output matrix is left out."""
    dim, queries, keys = args.dim, args.n_heads * args.head_dim, args.n_kv_heads * args.head_dim
    shapes: dict[str, Shape] = {"tok_embeddings.weight": (args.vocab_size, dim)}
    for index in range(args.n_layers):
        block: dict[str, Shape] = {
            "attention.wq": (queries, dim), "attention.wk": (keys, dim), "attention.wv": (keys, dim),
            "attention.wo": (dim, queries), "feed_forward.w1": (args.ffn_dim, dim),
            "feed_forward.w2": (dim, args.ffn_dim), "feed_forward.w3": (args.ffn_dim, dim),
            "attention_norm": (dim,), "ffn_norm": (dim,),
        }  # fmt: skip
        shapes |= {f"layers.{index}.{name}.weight": shape for name, shape in block.items()}
    shapes["norm.weight"] = (dim,)
    if not args.tied_embeddings:
        shapes["output.weight"] = (args.vocab_size, dim)
    return shapes


def count_params(args: ModelArgs) -> int:
    """Number of parameters; a tied matrix counts once."""
    return sum(math.prod(shape) for shape in tensor_shapes(args).values())


def rotated_heads(name: str, args: ModelArgs) -> int | None:
    """Number of heads in wq or wk, whose rows the formats order differently; None for every other tensor."""
    if name.endswith("attention.wq.weight"):
        return args.n_heads
    return args.n_kv_heads if name.endswith("attention.wk.weight") else None


def split_axis(name: str) -> int | None:
    """Axis along which Llama 3's files are split over shards, None for what every shard holds whole."""
    stem = name.removesuffix(".weight")
    if stem == "tok_embeddings" or stem.endswith(SPLIT_ROWS):
        return 0
    return 1 if stem.endswith(SPLIT_COLUMNS) else None


def ffn_rule(dim: int, ffn_dim: int) -> tuple[float | None, int]:
    """(ffn_dim_multiplier, multiple_of) that make Meta's rule give this width: a preset's if one fits."""

    def gives(multiplier: float | None, multiple_of: int) -> bool:
        hidden = int(8 * dim / 3)
        hidden = hidden if multiplier is None else int(multiplier * hidden)
        return multiple_of * -(-hidden // multiple_of) == ffn_dim

    known = [(preset.ffn_dim_multiplier, preset.multiple_of) for preset in PRESETS.values() if preset.dim == dim]
    round_ones = [(multiplier, n) for multiplier in (None, 1.3) for n in (256, 1024, 64, 32, 8, 4, 1)]
    for rule in [*known, *round_ones]:
        if gives(*rule):
            return rule
    if gives(None, ffn_dim):
        return None, ffn_dim
    rule = (ffn_dim / int(8 * dim / 3), ffn_dim)
    if not gives(*rule):
        raise InputError(f"a feed-forward width of {ffn_dim} for dim {dim} cannot be expressed", key="ffn_dim")
    return rule
