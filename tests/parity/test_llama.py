"""Logits and gradients against transformers' LlamaForCausalLM with the same random weights.

Exact: float64, transformers' hard casts to float32 read as casts to float64 (`without_float32_casts`). Stock: float32,
transformers as it is. Differences are max|difference| / max|reference|; docs/model.md lists the largest ones found.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from llama_pair import Pair, pair, relative, within

from herdbook.model.args import ModelArgs, RopeScaling
from herdbook.model.kv_cache import KVCache
from herdbook.model.transformer import positions_in_documents

pytestmark = pytest.mark.usefixtures("transformers")

BASE: dict[str, Any] = dict(dim=48, n_layers=3, n_heads=6, n_kv_heads=2, vocab_size=257, multiple_of=8, max_seq_len=512)
SCALED = RopeScaling(factor=8.0, original_max_seq_len=64)
SHAPES: dict[str, dict[str, Any]] = {
    "grouped": {},
    "one kv head": {"n_kv_heads": 1},
    "kv heads = heads": {"n_kv_heads": 6},
    "odd vocabulary": {"vocab_size": 131},
    "odd ffn width": {"multiple_of": 7, "ffn_dim_multiplier": 1.1},
    "one head, one layer": {"n_heads": 1, "n_kv_heads": 1, "n_layers": 1, "dim": 14},
    "tied": {"tied_embeddings": True},
    "scaled RoPE, factor 8": {"rope_scaling": SCALED},
    "scaled RoPE, factor 32, tied": {
        "rope_scaling": RopeScaling(factor=32.0, original_max_seq_len=64), "tied_embeddings": True,
    },
    "Llama 2's theta": {"rope_theta": 10_000.0, "n_kv_heads": 6},
    "other eps": {"norm_eps": 1e-2},
}  # fmt: skip
EXACT, STOCK = 1e-10, 1e-5


def tokens(batch: int, length: int, vocab_size: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(vocab_size, (batch, length), generator=torch.Generator().manual_seed(seed))


def make(shape: str, dtype: torch.dtype, attention: str = "eager", **changes: Any) -> Pair:
    return pair(ModelArgs(**{**BASE, **SHAPES[shape], **changes}), dtype, attention)


def compare_logits_and_gradients(models: Pair, limit: float, what: str, length: int = 23) -> None:
    vocab_size = models.ours.args.vocab_size
    ids = tokens(3, length, vocab_size)
    targets = tokens(3, length, vocab_size, seed=2)
    ours, theirs = models.ours(ids), models.theirs(input_ids=ids).logits
    assert within(f"{what}: logits", ours, theirs, limit)
    for logits in (ours, theirs):
        F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    compared = 0
    for name, our_grad, their_grad in models.gradients():
        assert within(f"{what}: gradients", our_grad, their_grad, limit), name
        compared += 1
    layers = models.ours.args.n_layers
    assert compared == 9 * layers + (2 if models.ours.args.tied_embeddings else 3)


@pytest.mark.usefixtures("without_float32_casts")
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_and_gradients_in_float64(shape: str) -> None:
    compare_logits_and_gradients(make(shape, torch.float64), EXACT, "float64, casts patched out")


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_and_gradients_of_stock_transformers_in_float32(shape: str) -> None:
    compare_logits_and_gradients(make(shape, torch.float32), STOCK, "float32, stock")


def test_stock_transformers_in_float64_is_not_exact() -> None:
    """Why the casts are patched out above: with them, the same comparison stops at float32's precision."""
    models = make("grouped", torch.float64)
    ids = tokens(1, 23, 257)
    assert relative(models.ours(ids), models.theirs(input_ids=ids).logits) > 1e-9


@pytest.mark.usefixtures("without_float32_casts")
@pytest.mark.parametrize("shape", ["grouped", "scaled RoPE, factor 8"])
def test_a_long_context(shape: str) -> None:
    models = make(shape, torch.float64, "sdpa", max_seq_len=8192, n_layers=2)
    ids = tokens(1, 4500, 257)
    with torch.no_grad():
        assert within("float64: 4,500 tokens", models.ours(ids), models.theirs(input_ids=ids).logits, EXACT)


def test_a_long_context_of_stock_transformers() -> None:
    """In float32 transformers rounds the angles too, ours are exact: the difference grows with the position."""
    models = make("scaled RoPE, factor 8", torch.float32, "sdpa", max_seq_len=8192, n_layers=2)
    ids = tokens(1, 4500, 257)
    with torch.no_grad():
        assert within("float32, stock: 4,500 tokens", models.ours(ids), models.theirs(input_ids=ids).logits, STOCK)


@pytest.mark.usefixtures("without_float32_casts")
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding(side: str) -> None:
    models = make("scaled RoPE, factor 8", torch.float64)
    lengths, width = [5, 17, 1, 23], 23
    ids = tokens(len(lengths), width, 257)
    real = torch.zeros_like(ids, dtype=torch.bool)
    for row, n in enumerate(lengths):
        real[row, width - n :] = side == "left"
        real[row, :n] |= side == "right"
    position_ids = (real.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        theirs = models.theirs(input_ids=ids, attention_mask=real.long(), position_ids=position_ids).logits
        ours = models.ours(ids, document_BT=torch.where(real, 0, -1))
        alone = [models.ours(ids[row : row + 1, real[row]])[0] for row in range(len(lengths))]
        padded = torch.where(real, position_ids, -1)
        cache = KVCache(models.ours.args, len(lengths), width, torch.float64)
        cached = models.ours.logits(models.ours.hidden(ids, positions_BT=padded, cache=cache))
    what = f"float64: padded on the {side}"
    assert within(what, ours[real], theirs[real], EXACT)
    assert within(what, torch.cat(alone), theirs[real], EXACT)
    assert within(what, cached[real], theirs[real], EXACT)


@pytest.mark.usefixtures("without_float32_casts")
@pytest.mark.parametrize("shape", ["grouped", "one kv head", "kv heads = heads", "scaled RoPE, factor 32, tied"])
def test_a_cache(shape: str) -> None:
    """A prompt, a second piece of three tokens, then token by token; transformers with its own cache and without."""
    models = make(shape, torch.float64)
    ids = tokens(2, 16, 257)
    cache = KVCache(models.ours.args, 2, 16, torch.float64)
    theirs_cache, ours, theirs = None, [], []
    pieces = [(0, 7), (7, 10), *((n, n + 1) for n in range(10, 16))]
    with torch.no_grad():
        whole = models.theirs(input_ids=ids).logits
        for start, end in pieces:
            positions = torch.arange(start, end).expand(2, -1)
            h = models.ours.hidden(ids[:, start:end], positions_BT=positions, cache=cache)
            ours.append(models.ours.logits(h))
            answer = models.theirs(input_ids=ids[:, start:end], past_key_values=theirs_cache, use_cache=True)
            theirs_cache = answer.past_key_values
            theirs.append(answer.logits)
    assert within("float64: key/value cache", torch.cat(ours, 1), whole, EXACT)
    assert within("float64: key/value cache", torch.cat(ours, 1), torch.cat(theirs, 1), EXACT)


@pytest.mark.usefixtures("without_float32_casts")
def test_packed_documents_equal_separate_ones() -> None:
    """Ours packed in rows with the document mask, logits and gradients; transformers one document at a time."""
    models = make("scaled RoPE, factor 8", torch.float64)
    lengths = [[9, 1, 14], [3, 21]]
    ids, targets = tokens(2, 24, 257), tokens(2, 24, 257, seed=3)
    documents = torch.tensor([[n for n, length in enumerate(row) for _ in range(length)] for row in lengths])
    assert positions_in_documents(documents)[0, 9:12].tolist() == [0, 0, 1]
    ours = models.ours(ids, document_BT=documents)
    F.cross_entropy(ours.flatten(0, 1), targets.flatten(), reduction="sum").backward()
    for row, row_lengths in enumerate(lengths):
        start = 0
        for length in row_lengths:
            part = slice(start, start + length)
            start += length
            theirs = models.theirs(input_ids=ids[row : row + 1, part]).logits
            assert within("float64: packed documents, logits", ours[row, part], theirs[0], EXACT)
            F.cross_entropy(theirs[0], targets[row, part], reduction="sum").backward()
    for name, our_grad, their_grad in models.gradients():
        assert within("float64: packed documents, gradients", our_grad, their_grad, EXACT), name


@pytest.mark.usefixtures("without_float32_casts")
def test_packed_documents_equal_transformers_own_mask() -> None:
    """transformers packs by position ids that start again at 0 (no attention mask)."""
    models = make("grouped", torch.float64)
    ids = tokens(1, 24, 257)
    documents = torch.tensor([[0] * 9 + [1] + [2] * 14])
    with torch.no_grad():
        ours = models.ours(ids, document_BT=documents)
        theirs = models.theirs(input_ids=ids, position_ids=positions_in_documents(documents), use_cache=False).logits
    assert within("float64: packed, transformers' own mask", ours, theirs, EXACT)


def test_bfloat16_is_no_worse_than_transformers() -> None:
    """Against float64 with the same (rounded) weights: root mean square of the error over ten models.

    Both round in the same places but one (transformers rounds the rotations too), so they are nearly equal: 2 % are
    left for other processors' kernels.
    """
    ours_sum = theirs_sum = 0.0
    for seed in range(10):
        models = pair(ModelArgs(**BASE, rope_scaling=SCALED), torch.bfloat16, attention="sdpa", seed=seed)
        ids = tokens(2, 200, 257, seed)
        with torch.no_grad():
            ours, theirs = models.ours(ids).double(), models.theirs(input_ids=ids).logits.double()
            exact = models.ours.double()(ids)
        ours_sum += ((ours - exact) ** 2).mean().item()
        theirs_sum += ((theirs - exact) ** 2).mean().item()
    print(f"bf16 error: ours {ours_sum**0.5:.3e}, transformers {theirs_sum**0.5:.3e}")
    assert ours_sum**0.5 <= 1.02 * theirs_sum**0.5


def test_the_comparison_can_fail() -> None:
    models = make("grouped", torch.float64)
    with torch.no_grad():
        models.ours.layers[2].attention.wk.weight[0, 0] += 0.01
        ids = tokens(1, 23, 257)
        assert relative(models.ours(ids), models.theirs(input_ids=ids).logits) > 1e-6
