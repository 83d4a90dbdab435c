"""Sampling: the fast path against the textbook, and the properties that a distribution must have."""

import numpy as np
import pytest
import torch

from herdbook.errors import InputError
from herdbook.inference.randomness import sequence_key, uniforms
from herdbook.inference.reference import sample_reference
from herdbook.inference.sampling import SamplingParams, inverse_cdf, sample


def _sample(logits_SV, temperature, top_k, top_p, uniform_S):
    n = len(logits_SV)
    return sample(
        logits_SV,
        torch.full((n,), temperature),
        torch.full((n,), top_k),
        torch.full((n,), top_p),
        torch.as_tensor(uniform_S, dtype=torch.float64),
    )


@pytest.mark.parametrize("vocab", [5, 700, 4101])
@pytest.mark.parametrize("spread", [0.1, 3.0])
@pytest.mark.parametrize(
    "temperature, top_k, top_p",
    [
        (0.0, 0, 1.0), (1.0, 0, 1.0), (0.7, 0, 1.0), (1.0, 3, 1.0),
        (1.3, 0, 0.9), (0.8, 70, 0.5), (1.0, 0, 0.001), (1.0, 0, 0.99),
    ],
)
def test_equals_the_textbook(vocab, spread, temperature, top_k, top_p):
    generator = torch.Generator().manual_seed(vocab)
    logits_SV = torch.randn(6, vocab, generator=generator) * spread
    uniform_S = torch.rand(6, generator=generator, dtype=torch.float64)
    ids_S, logprob_S = _sample(logits_SV, temperature, top_k, top_p, uniform_S)
    expected = [
        sample_reference(row, temperature, top_k, top_p, u)
        for row, u in zip(logits_SV.tolist(), uniform_S.tolist(), strict=True)
    ]
    assert ids_S.tolist() == expected
    model_logprob_S = torch.log_softmax(logits_SV.double(), dim=-1).gather(-1, ids_S[:, None])[:, 0]
    assert torch.allclose(logprob_S.double(), model_logprob_S, atol=1e-5)


def test_settings_may_differ_from_row_to_row():
    generator = torch.Generator().manual_seed(5)
    logits_SV = torch.randn(4, 300, generator=generator) * 2
    uniform_S = torch.rand(4, generator=generator, dtype=torch.float64)
    settings = [(0.0, 0, 1.0), (1.0, 0, 1.0), (0.5, 4, 1.0), (2.0, 0, 0.7)]
    temperature_S, top_k_S, top_p_S = (torch.tensor(column) for column in zip(*settings, strict=True))
    ids_S, _ = sample(logits_SV, temperature_S, top_k_S, top_p_S, uniform_S)
    expected = [
        sample_reference(row, *setting, u)
        for row, setting, u in zip(logits_SV.tolist(), settings, uniform_S.tolist(), strict=True)
    ]
    assert ids_S.tolist() == expected


def test_draws_follow_the_distribution():
    probs_V = torch.tensor([0.5, 0.25, 0.125, 0.125])
    n = 20_000
    draws_S = uniforms(np.full(n, sequence_key(0, 0, 0), dtype=np.uint64), np.arange(n))
    ids_S, _ = _sample(probs_V.log().expand(n, 4).contiguous(), 1.0, 0, 1.0, draws_S)
    counts_V = torch.bincount(ids_S, minlength=4) / n
    assert torch.allclose(counts_V, probs_V, atol=0.012)  # over 3 standard errors of the first


def test_logprob_of_an_improbable_token_is_exact():
    logits_SV = torch.tensor([[0.0, 200.0, -300.0]])
    ids_S, logprob_S = _sample(logits_SV, 1000.0, 0, 1.0, [0.999])  # so hot that even the last token is drawn
    assert ids_S.tolist() == [2]
    assert logprob_S.item() == pytest.approx(-500.0)


@pytest.mark.parametrize("width", [4, 1000])
def test_inverse_cdf_never_takes_an_impossible_token(width):
    weights_SC = torch.zeros(3, width)
    weights_SC[0, 2] = weights_SC[1, 0] = weights_SC[2, width - 1] = 0.3
    for uniform in (0.0, 0.5, 1 - 2.0**-53):
        assert inverse_cdf(weights_SC, torch.full((3,), uniform, dtype=torch.float64)).tolist() == [2, 0, width - 1]


def test_block_search_equals_plain_search():
    generator = torch.Generator().manual_seed(1)
    weights_SC = torch.rand(500, 777, generator=generator) ** 8
    uniform_S = torch.rand(500, generator=generator, dtype=torch.float64)
    cumulative_SC = weights_SC.double().cumsum(-1)
    expected = (cumulative_SC > (uniform_S * cumulative_SC[:, -1])[:, None]).int().argmax(-1)
    assert torch.equal(inverse_cdf(weights_SC, uniform_S), expected)


def test_uniforms_depend_on_every_part_and_look_uniform():
    keys = {sequence_key(*parts) for parts in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (0, 1, 1)]}
    assert len(keys) == 6
    keys_S = np.array([sequence_key(0, request, 0) for request in range(1000)], dtype=np.uint64)
    draws = np.stack([uniforms(keys_S, np.full(1000, position)) for position in range(10)])
    assert draws.min() >= 0
    assert draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.01
    assert abs(draws.var() - 1 / 12) < 0.003
    assert abs(np.corrcoef(draws[0], draws[1])[0, 1]) < 0.1
    assert abs(np.corrcoef(draws[0, :-1], draws[0, 1:])[0, 1]) < 0.1


@pytest.mark.parametrize(
    "key, value",
    [("temperature", -1.0), ("top_p", 0.0), ("top_p", 1.5), ("top_k", -1), ("max_new_tokens", 0), ("n", 0)],
)
def test_a_setting_out_of_range_is_named(key, value):
    with pytest.raises(InputError, match=key) as caught:
        SamplingParams(**{key: value})
    assert caught.value.key == key
