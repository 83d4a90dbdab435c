"""The frugal cross-entropy against its plain twin: loss, gradients, memory."""

from __future__ import annotations

import pytest
import torch

from herdbook.model.args import ModelArgs
from herdbook.model.frugal_cross_entropy import frugal_cross_entropy, plain_cross_entropy
from herdbook.model.transformer import Transformer, init_weights


def inputs(n=37, dim=16, vocab_size=301, dtype=torch.float64, ignored=0.3):
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(n, dim, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    weight = torch.randn(vocab_size, dim, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    targets = torch.randint(vocab_size, (n,), generator=generator)
    targets[torch.rand(n, generator=generator) < ignored] = -100
    return h, weight, targets


def relative(a, b):
    return ((a.double() - b.double()).abs().max() / b.double().abs().max()).item()


def loss_and_gradients(function, h, weight, targets, scale=1.0, **settings):
    h.grad = weight.grad = None
    loss = function(h, weight, targets, **settings)
    (loss * scale).backward()
    return loss.detach(), h.grad, weight.grad


@pytest.mark.parametrize("rows", [1, 5, 37, 1000])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
def test_equals_the_plain_twin(rows, dtype, limit):
    h, weight, targets = inputs(dtype=dtype)
    chunk = rows * 301 * (8 if dtype == torch.float64 else 4)
    frugal = loss_and_gradients(frugal_cross_entropy, h, weight, targets, 0.7, chunk_bytes=chunk)
    plain = loss_and_gradients(plain_cross_entropy, h, weight, targets, 0.7)
    for one, other in zip(frugal, plain):
        assert one.dtype == other.dtype
        assert relative(one, other) <= limit


@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_the_vocabulary_of_llama3_in_float32(scale):
    """Logits of standard deviation 1.7 and 5.7; at the second both are further from float64 than from each other."""
    h, weight, targets = inputs(n=40, dim=32, vocab_size=128_256, dtype=torch.float32)
    weight = (weight.detach() * scale).requires_grad_()
    wide = h.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    exact = loss_and_gradients(plain_cross_entropy, *wide, targets)
    frugal = loss_and_gradients(frugal_cross_entropy, h, weight, targets, chunk_bytes=7 * 128_256 * 4)
    plain = loss_and_gradients(plain_cross_entropy, h, weight, targets)
    for one, other, true in zip(frugal, plain, exact):
        assert relative(one, other) <= 1e-6 or relative(one, true) < relative(other, true)
    if scale < 1:
        assert max(relative(one, other) for one, other in zip(frugal, plain)) <= 1e-6


def test_under_autocast_products_are_in_its_dtype_and_the_gradient_of_the_matrix_is_summed_in_float32():
    h, weight, targets = inputs(n=64, dim=32, vocab_size=1001, dtype=torch.float32)
    wide = h.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    exact = loss_and_gradients(plain_cross_entropy, *wide, targets)
    with torch.autocast("cpu", torch.bfloat16):
        frugal = loss_and_gradients(frugal_cross_entropy, h, weight, targets, chunk_bytes=5 * 1001 * 4)
        plain = loss_and_gradients(plain_cross_entropy, h, weight, targets)
    for one, other, true in zip(frugal, plain, exact):
        assert one.dtype == torch.float32
        assert 0 < relative(one, true) <= 1.1 * relative(other, true) + 1e-4


def test_bfloat16_is_as_near_to_float64_as_the_plain_twin():
    h, weight, targets = inputs(n=200, dtype=torch.bfloat16)
    exact = loss_and_gradients(
        plain_cross_entropy, h.detach().double().requires_grad_(), weight.detach().double().requires_grad_(), targets
    )
    frugal = loss_and_gradients(frugal_cross_entropy, h, weight, targets, chunk_bytes=50 * 301 * 4)
    plain = loss_and_gradients(plain_cross_entropy, h, weight, targets)
    for one, other, true in zip(frugal, plain, exact):
        assert relative(one, true) <= 1.1 * relative(other, true) + 1e-7


def test_no_gradient_is_made_that_nobody_wants():
    h, weight, targets = inputs()
    with torch.no_grad():
        assert relative(frugal_cross_entropy(h, weight, targets), plain_cross_entropy(h, weight, targets)) < 1e-13
    loss = frugal_cross_entropy(h.detach(), weight, targets)
    loss.backward()
    assert h.grad is None
    assert weight.grad is not None


def test_targets_that_are_all_ignored_give_nan_as_in_pytorch():
    h, weight, targets = inputs(ignored=2.0)
    assert torch.isnan(frugal_cross_entropy(h, weight, targets))
    assert torch.isnan(plain_cross_entropy(h, weight, targets))


@pytest.mark.parametrize("tied", [False, True])
def test_a_whole_model_gets_the_same_gradients(tied):
    args = ModelArgs(dim=32, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=307, multiple_of=8, tied_embeddings=tied)
    tokens, targets = torch.randint(307, (2, 11)), torch.randint(307, (2, 11)).flatten()
    found = []
    for function in (frugal_cross_entropy, plain_cross_entropy):
        model = Transformer(args)
        init_weights(model, torch.Generator().manual_seed(0), std=0.2)
        model.double()
        function(model.hidden(tokens).flatten(0, 1), model.output.weight, targets).backward()
        found.append({name: p.grad for name, p in model.named_parameters()})
    assert found[0].keys() == found[1].keys()
    assert max(relative(found[0][name], found[1][name]) for name in found[0]) < 1e-12
