"""A tiny random model whose answers are varied: its weights are so large that some tokens are clearly more likely."""

import pytest
import torch

from herdbook.inference.chat_model import ChatModel
from herdbook.model.args import ModelArgs
from herdbook.model.transformer import Transformer, init_weights
from herdbook.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """One token for each byte, and 16 special tokens."""
    return Tokenizer({bytes([byte]): byte for byte in range(256)}, n_special=16)


@pytest.fixture(scope="session")
def model(tokenizer: Tokenizer) -> Transformer:
    args = ModelArgs(
        dim=32, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=tokenizer.vocab_size, ffn_dim_multiplier=None,
        multiple_of=16, max_seq_len=48,
    )  # fmt: skip
    model = Transformer(args)
    init_weights(model, torch.Generator().manual_seed(0), std=0.3)
    return model.eval()


@pytest.fixture(scope="session")
def chat_transformer(tokenizer: Tokenizer) -> Transformer:
    """As `model`, with a context long enough for a few turns."""
    args = ModelArgs(
        dim=32, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=tokenizer.vocab_size, ffn_dim_multiplier=None,
        multiple_of=16, max_seq_len=256,
    )  # fmt: skip
    model = Transformer(args)
    init_weights(model, torch.Generator().manual_seed(1), std=0.3)
    return model.eval()


@pytest.fixture
def chat_model(chat_transformer: Transformer, tokenizer: Tokenizer) -> ChatModel:
    return ChatModel(chat_transformer, tokenizer)
