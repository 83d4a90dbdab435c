"""A tokenizer and a model so small that a whole stage takes a second."""

from __future__ import annotations

import pytest
import torch

from herdbook.model.args import ModelArgs
from herdbook.model.transformer import Transformer, init_weights
from herdbook.tokenizer import Tokenizer, train_bpe

TEXT = (
    "What does `alpha.beta` do? Return the beta of alpha. Which function? I don't know that name. user assistant " * 3
)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_bpe([TEXT], 320, n_special=16)


@pytest.fixture
def model(tokenizer: Tokenizer) -> Transformer:
    args = ModelArgs(
        dim=32, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=tokenizer.vocab_size, multiple_of=8, max_seq_len=256
    )
    model = Transformer(args)
    init_weights(model, torch.Generator().manual_seed(0), std=0.1)
    return model
