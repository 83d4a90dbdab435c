"""The length of a server's context, by memory."""

import pytest
import torch

from herdbook.errors import InputError
from herdbook.inference.cache_room import bytes_per_token, context_that_fits
from herdbook.model.args import PRESETS, ModelArgs
from herdbook.model.kv_cache import KVCache

ARGS = PRESETS["llama3.1_8b"]
GB = 1_000_000_000


def test_bytes_are_those_of_the_cache():
    args = ModelArgs(dim=64, n_layers=3, n_heads=8, n_kv_heads=2, vocab_size=300, multiple_of=16)
    cache = KVCache(args, 5, 70, torch.bfloat16)
    assert 5 * 70 * bytes_per_token(args, torch.bfloat16) == cache.keys_NSKLE.nbytes + cache.values_NSKLE.nbytes
    assert bytes_per_token(ARGS, torch.bfloat16) == 131_072  # 2 x 32 layers x 8 heads x 128 x 2 bytes


@pytest.mark.parametrize(
    "free, rows, found",
    [(400 * GB, 1, 131_072), (20 * GB, 1, 76_288 - 76_288 % 256), (20 * GB, 16, 4608), (2 * GB, 16, 256)],
)
def test_what_memory_allows(free, rows, found):
    context = context_that_fits(ARGS, rows, torch.bfloat16, free)
    assert context == found
    assert rows * context * 131_072 <= free / 2
    assert context == ARGS.max_seq_len or rows * (context + 256) * 131_072 > free / 2


def test_what_was_asked_for_or_a_message():
    assert context_that_fits(ARGS, 16, torch.bfloat16, 20 * GB, 1000) == 1000
    with pytest.raises(InputError, match=r"A context of 8,192 tokens for 16 answers at once needs 17.2 GB; 20.0 GB"):
        context_that_fits(ARGS, 16, torch.bfloat16, 20 * GB, 8192)
    with pytest.raises(InputError, match="meant for 1 to 131072"):
        context_that_fits(ARGS, 16, torch.bfloat16, 20 * GB, 131_073)
    with pytest.raises(InputError, match="256 tokens for 16 answers"):
        context_that_fits(ARGS, 16, torch.bfloat16, GB)


def test_a_small_model_keeps_its_own():
    args = ModelArgs(dim=64, n_layers=3, n_heads=8, n_kv_heads=2, vocab_size=300, multiple_of=16, max_seq_len=100)
    assert context_that_fits(args, 4, torch.float32, GB) == 100
