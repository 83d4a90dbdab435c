"""The transformer against a slow one written from the paper, cached against uncached, packed against separate."""

from __future__ import annotations

import math

import pytest
import torch

from herdbook.errors import ConfigError
from herdbook.model.args import PRESETS, ModelArgs, RopeScaling
from herdbook.model.flops import matmul_params
from herdbook.model.kv_cache import KVCache
from herdbook.model.rope import frequencies
from herdbook.model.transformer import Transformer, init_weights, num_params, positions_in_documents

SMALL = dict(dim=48, n_layers=3, n_heads=6, n_kv_heads=2, vocab_size=97, multiple_of=8, max_seq_len=64)


def make(dtype: torch.dtype = torch.float64, **changes) -> Transformer:
    model = Transformer(ModelArgs(**{**SMALL, **changes}))
    init_weights(model, torch.Generator().manual_seed(0), std=0.2)
    return model.to(dtype).eval()


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()


def slow_logits(model: Transformer, tokens: list[int]) -> torch.Tensor:
    """One sequence, one head and one token at a time, in float64, from the equations."""
    a, w = model.args, {name: p.detach().double() for name, p in model.named_parameters()}
    if a.tied_embeddings:
        w["output.weight"] = w["tok_embeddings.weight"]

    def norm(x, name):
        return x / torch.sqrt((x * x).mean() + a.norm_eps) * w[name]

    def rotate(x, position):
        out = x.clone()
        for pair in range(a.head_dim // 2):
            angle = position * a.rope_theta ** (-2 * pair / a.head_dim)
            c, s = math.cos(angle), math.sin(angle)
            out[2 * pair] = x[2 * pair] * c - x[2 * pair + 1] * s
            out[2 * pair + 1] = x[2 * pair] * s + x[2 * pair + 1] * c
        return out

    x = [w["tok_embeddings.weight"][t] for t in tokens]
    for n in range(a.n_layers):
        p = f"layers.{n}."
        normed = [norm(v, p + "attention_norm.weight") for v in x]
        q, k, v = ([w[p + f"attention.w{c}.weight"] @ u for u in normed] for c in "qkv")
        for t in range(len(x)):
            heads = []
            for h in range(a.n_heads):
                g = h // (a.n_heads // a.n_kv_heads)
                part, group = slice(h * a.head_dim, (h + 1) * a.head_dim), slice(g * a.head_dim, (g + 1) * a.head_dim)
                query = rotate(q[t][part], t)
                scores = torch.stack([query @ rotate(k[j][group], j) for j in range(t + 1)]) / math.sqrt(a.head_dim)
                weights = torch.softmax(scores, 0)
                heads.append(sum(weights[j] * v[j][group] for j in range(t + 1)))
            x[t] = x[t] + w[p + "attention.wo.weight"] @ torch.cat(heads)
        for t in range(len(x)):
            u = norm(x[t], p + "ffn_norm.weight")
            gate = w[p + "feed_forward.w1.weight"] @ u
            x[t] = x[t] + w[p + "feed_forward.w2.weight"] @ (
                gate * torch.sigmoid(gate) * (w[p + "feed_forward.w3.weight"] @ u)
            )
    return torch.stack([w["output.weight"] @ norm(v, "norm.weight") for v in x])


@pytest.mark.parametrize(
    "changes", [{}, {"n_kv_heads": 6}, {"n_kv_heads": 1}, {"tied_embeddings": True, "vocab_size": 11}]
)
def test_equals_the_slow_model(changes):
    model = make(**changes)
    tokens = [5, 9, 1, 0, 7, 7, 3]
    assert relative(model(torch.tensor([tokens]))[0], slow_logits(model, tokens)) < 1e-12


def test_packed_documents_equal_separate_documents():
    model = make()
    one, two = torch.randint(97, (1, 9)), torch.randint(97, (1, 6))
    packed = model(torch.cat([one, two], 1), document_BT=torch.tensor([[0] * 9 + [1] * 6]))
    assert relative(packed[:, :9], model(one)) < 1e-12
    assert relative(packed[:, 9:], model(two)) < 1e-12
    unmasked = model(torch.cat([one, two], 1))
    assert relative(packed[:, 9:], unmasked[:, 9:]) > 1e-3  # the mask does something


def test_cached_equals_uncached_with_padding_and_slots():
    model = make()
    sequences = [torch.randint(97, (n,)) for n in (5, 9)]
    cache = KVCache(model.args, 4, 32, torch.float64)
    slots = torch.tensor([2, 0])
    tokens, positions = torch.zeros(2, 9, dtype=torch.long), torch.full((2, 9), -1)
    for row, sequence in enumerate(sequences):
        tokens[row, : len(sequence)] = sequence
        positions[row, : len(sequence)] = torch.arange(len(sequence))
    first = model.hidden(tokens, positions_BT=positions, cache=cache, slots_B=slots)
    for row, sequence in enumerate(sequences):
        assert relative(first[row, : len(sequence)], model.hidden(sequence[None])[0]) < 1e-12
    following = torch.tensor([[3], [4]])
    at = torch.tensor([[5], [9]])
    second = model.hidden(following, positions_BT=at, cache=cache, slots_B=slots)
    for row, sequence in enumerate(sequences):
        whole = model.hidden(torch.cat([sequence, following[row]])[None])[0, -1]
        assert relative(second[row, 0], whole) < 1e-12


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("llama3_8b", 8_030_261_248),
        ("llama3.1_8b", 8_030_261_248),
        ("llama3_70b", 70_553_706_496),
        ("llama3.1_70b", 70_553_706_496),
        ("llama3.2_1b", 1_235_814_400),
        ("llama3.2_3b", 3_212_749_824),
        ("llama2_7b", 6_738_415_616),
    ],
)
def test_preset_has_the_published_number_of_parameters(name, count):
    with torch.device("meta"):
        assert num_params(Transformer(PRESETS[name])) == count


def test_405b_has_the_published_number_of_parameters():
    """Published as 405.85B."""
    with torch.device("meta"):
        assert round(num_params(Transformer(PRESETS["llama3.1_405b"])) / 1e9, 2) == 405.85


@pytest.mark.parametrize(("name", "width"), [("llama3_8b", 14_336), ("llama3_70b", 28_672), ("llama3.1_405b", 53_248)])
def test_preset_has_the_published_ffn_width(name, width):
    assert PRESETS[name].ffn_dim == width


def test_scaled_rope_keeps_short_waves_and_stretches_long_ones():
    plain, scaled = frequencies(128, 500_000.0), frequencies(128, 500_000.0, RopeScaling(factor=8.0))
    wavelength = 2 * math.pi / plain
    assert torch.equal(scaled[wavelength < 8192 / 4], plain[wavelength < 8192 / 4])
    assert torch.equal(scaled[wavelength > 8192], plain[wavelength > 8192] / 8)
    between = (wavelength > 8192 / 4) & (wavelength < 8192)
    assert bool(((scaled[between] < plain[between]) & (scaled[between] > plain[between] / 8)).all())


def test_positions_restart_in_every_document():
    documents = torch.tensor([[4, 4, 4, 7, 7, -1, -1]])
    assert positions_in_documents(documents).tolist() == [[0, 1, 2, 0, 1, 0, 1]]


def test_bfloat16_weights_give_float32_logits_near_the_exact_ones():
    model = make(torch.float32)
    tokens = torch.randint(97, (2, 12))
    exact = model(tokens)
    model.bfloat16()
    rounded = model(tokens)
    assert rounded.dtype == torch.float32
    assert relative(rounded, exact) < 0.1


def test_matmul_params_count_the_matrices():
    model = make()
    matrices = sum(p.numel() for n, p in model.named_parameters() if p.ndim == 2 and n != "tok_embeddings.weight")
    assert matmul_params(model.args) == matrices


@pytest.mark.parametrize("wrong", [{"n_kv_heads": 4}, {"n_heads": 5}, {"dim": 0}])
def test_impossible_shapes_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ModelArgs(**{**SMALL, **wrong})


def test_wanted_positions_alone_are_those_of_all_and_so_are_the_gradients():
    """The last feed-forward skipped elsewhere: the same hidden states and, from a loss on them, the same gradients."""
    model = make()
    random = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 97, (3, 20), generator=random)
    document = torch.arange(20).expand(3, 20) // 7
    wanted = torch.rand(3, 20, generator=random) < 0.4
    gradients = []
    for only_wanted in (False, True):
        model.zero_grad()
        if only_wanted:
            hidden = model.hidden(tokens, document_BT=document, wanted_BT=wanted)
        else:
            hidden = model.hidden(tokens, document_BT=document)[wanted]
        assert hidden.shape == (int(wanted.sum()), 48)
        model.logits(hidden).square().sum().backward()
        gradients.append((hidden.detach(), {name: p.grad for name, p in model.named_parameters()}))
    (all_h, all_g), (wanted_h, wanted_g) = gradients
    assert relative(wanted_h, all_h) < 1e-13
    for name, gradient in all_g.items():
        assert relative(wanted_g[name], gradient) < 1e-12, name
    with pytest.raises(ValueError, match="every position"):
        model.hidden(tokens, positions_BT=torch.zeros_like(tokens), cache=object(), wanted_BT=wanted)
