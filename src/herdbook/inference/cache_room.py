"""How long a context fits into memory: the cache of a server is made once, as large as it can ever be needed."""

from __future__ import annotations

import torch

from herdbook.errors import InputError
from herdbook.model.args import ModelArgs

STEP = 256
"""Contexts are multiples of this many tokens, or all of the model's."""
SHARE = 0.5
"""Of the free memory, the cache may take so much; the rest is for the work of a pass, and for others."""


def bytes_per_token(args: ModelArgs, dtype: torch.dtype) -> int:
    """Keys and values of one token in all layers."""
    return 2 * args.n_layers * args.n_kv_heads * args.head_dim * dtype.itemsize


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def context_that_fits(
    args: ModelArgs, n_rows: int, dtype: torch.dtype, free_bytes: int, wanted: int | None = None
) -> int:
    """The length of context, in tokens, for `n_rows` answers at once: `wanted`, or the model's, or what memory allows.

    Raises InputError where `wanted` is above the model's or does not fit, and where not even `STEP` tokens do.
    """
    per_token = n_rows * bytes_per_token(args, dtype)
    room = int(free_bytes * SHARE) // per_token
    if wanted is not None and not 1 <= wanted <= args.max_seq_len:
        raise InputError(
            f"A context of {wanted} tokens was asked for; the model is meant for 1 to {args.max_seq_len}.",
            key="max_context",
            value=wanted,
        )
    least = wanted or min(STEP, args.max_seq_len)
    if room < least:
        raise InputError(
            f"A context of {least:,} tokens for {n_rows} answers at once needs {least * per_token / 1e9:.1f} GB; "
            f"{free_bytes / 1e9:.1f} GB are free, of which the cache may take half.",
            key="max_context" if wanted else "max_batch",
            value=wanted or n_rows,
            remedy="Give a smaller --max-context or --max-batch.",
        )
    return wanted or min(args.max_seq_len, max(room // STEP * STEP, least))
