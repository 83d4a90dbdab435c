"""Number formats of a training step: float32 weights, bfloat16 products where the machine has them."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from functools import cache

import torch

from herdbook.errors import ConfigError

CHOICES = ("auto", "float32", "bfloat16")


@cache
def _cpu_has_bfloat16() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = next((line for line in file if line.startswith("flags")), "").split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def resolve(precision: str, device: str) -> str:
    """'float32' or 'bfloat16'; 'auto' takes bfloat16 where processor or GPU computes in it."""
    if precision not in CHOICES:
        raise ConfigError(f"precision={precision!r} is none of {', '.join(CHOICES)}", key="precision")
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if _cpu_has_bfloat16() else "float32"


def autocast(precision: str, device: str) -> AbstractContextManager:
    """Context in which the forward pass of a training step runs. precision: as from `resolve`."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)
