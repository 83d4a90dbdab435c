"""Floating-point operations per token, in the two conventions that people compare."""

from __future__ import annotations

from herdbook.model.args import ModelArgs


def matmul_params(args: ModelArgs, *, with_output: bool = True) -> int:
    """Parameters that take part in matrix products for every token (the embedding look-up does not)."""
    attention = args.dim * args.head_dim * (2 * args.n_heads + 2 * args.n_kv_heads)
    block = attention + 3 * args.dim * args.ffn_dim
    return args.n_layers * block + (args.dim * args.vocab_size if with_output else 0)


def train_flops_per_token(args: ModelArgs, seq_len: int, *, causal: bool = True) -> float:
    """Forward and backward: 6 per matrix parameter, and 12 * layers * dim * seq_len for attention (PaLM, appendix B).

    causal=True counts the half of the attention matrix that a causal mask needs, causal=False the whole of it.
    """
    attention = 12 * args.n_layers * args.n_heads * args.head_dim * seq_len
    return 6.0 * matmul_params(args) + attention * (0.5 if causal else 1.0)
