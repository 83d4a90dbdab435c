"""Our model and transformers' LlamaForCausalLM with the same random weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from herdbook.model.args import ModelArgs
from herdbook.model.transformer import Transformer, init_weights
from herdbook.weights.hf_config import config_from_args, hf_name
from herdbook.weights.rope_layout import to_halves


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """max|a - b| / max|b|, in float64."""
    return ((a.double() - b.double()).abs().max() / b.double().abs().max()).item()


FOUND: dict[str, tuple[float, float]] = {}
"""What was compared -> largest difference found, limit; printed at the end of a run."""


def within(what: str, a: torch.Tensor, b: torch.Tensor, limit: float) -> bool:
    """Whether `relative(a, b)` is at most `limit`; the difference is noted."""
    difference = relative(a, b)
    FOUND[what] = max(FOUND.get(what, (0.0, limit)), (difference, limit))
    return difference <= limit


def hf_state(args: ModelArgs, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors (weights or gradients) by Hugging Face's names, in its order of rows."""
    heads = {"attention.wq.weight": args.n_heads, "attention.wk.weight": args.n_kv_heads}
    out = {}
    for name, tensor in state.items():
        n = next((n for end, n in heads.items() if name.endswith(end)), None)
        out[hf_name(name)] = tensor if n is None else to_halves(tensor, n)
    return out


@dataclass
class Pair:
    """Our model and transformers', with the same weights."""

    ours: Transformer
    theirs: Any

    def gradients(self) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
        """(name, ours in their layout, theirs) of every parameter."""
        grads = {name: p.grad for name, p in self.ours.named_parameters() if p.grad is not None}
        mapped = hf_state(self.ours.args, grads)
        for name, parameter in self.theirs.named_parameters():
            yield name, mapped[name], parameter.grad


def pair(args: ModelArgs, dtype: torch.dtype, attention: str = "eager", std: float = 0.1, seed: int = 0) -> Pair:
    from transformers import LlamaConfig, LlamaForCausalLM

    ours = Transformer(args)
    init_weights(ours, torch.Generator().manual_seed(seed), std=std)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            if "norm" in name:  # ones would hide a norm that forgets its weight
                parameter.copy_(1 + 0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    ours = ours.to(dtype)
    config = LlamaConfig(**config_from_args(args), attn_implementation=attention)
    theirs = LlamaForCausalLM(config).to(dtype)
    theirs.load_state_dict(hf_state(args, ours.state_dict()), strict=True)
    return Pair(ours.eval(), theirs.eval())


class FloatIsDouble:
    """The module torch, in which float32 means float64."""

    float = float32 = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)
