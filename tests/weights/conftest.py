"""Small random weights on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from herdbook.model.args import ModelArgs, RopeScaling
from herdbook.model.transformer import Transformer, init_weights
from herdbook.tokenizer import Tokenizer, train_bpe
from herdbook.weights.native import save_model, state

TEXT = "The lion beat the unicorn all around the town. Some gave them white bread and some gave them brown. " * 3
SHAPE: dict[str, Any] = dict(
    dim=64, n_layers=3, n_heads=8, n_kv_heads=4, multiple_of=16, ffn_dim_multiplier=None, max_seq_len=128,
    rope_scaling=RopeScaling(factor=8.0), norm_eps=1e-5,
)  # fmt: skip


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_bpe([TEXT], 304, n_special=16)


@pytest.fixture
def make(tokenizer: Tokenizer, tmp_path: Path) -> Callable[..., tuple[Path, dict[str, torch.Tensor], ModelArgs]]:
    """make(dtype, **changes of SHAPE) -> (herdbook folder, its tensors, its arguments)."""

    def build(dtype: torch.dtype = torch.bfloat16, name: str = "native", **changes: Any):
        args = ModelArgs(**{**SHAPE, "vocab_size": tokenizer.vocab_size, **changes})
        model = Transformer(args)
        init_weights(model, torch.Generator().manual_seed(0), std=0.3)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        model.to(dtype)
        folder = tmp_path / name
        save_model(folder, model, tokenizer)
        return folder, state(model), args

    return build
