"""Packed batches, DPO, PPO and reward losses against slow, obvious twins."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch

from herdbook.posttrain.batches import Example, collate, make_example
from herdbook.posttrain.dpo import answer_logprobs, dpo_loss, labelled_pairs
from herdbook.posttrain.ppo import generalised_advantages, logprobs_and_values, pad_answers, policy_loss
from herdbook.posttrain.preferences import sampled_pairs
from herdbook.posttrain.rejection import confidence, favourites
from herdbook.posttrain.reward_model import RewardModel, bradley_terry_loss
from herdbook.tasks.grading import ABSTAIN, DescriptionIndex
from herdbook.tokenizer.chat import ChatFormat
from herdbook.train.loss import IGNORE


def some_examples(n: int = 9) -> list[Example]:
    rng = np.random.default_rng(0)
    return [
        Example(
            tuple(rng.integers(0, 300, rng.integers(2, 9)).tolist()),
            tuple(rng.integers(0, 300, rng.integers(1, 7)).tolist()),
        )
        for _ in range(n)
    ]


def test_collate_keeps_every_sequence_whole():
    examples = some_examples()
    batch = collate(examples, row_len=24)
    assert batch.tokens_BT.shape[1] <= 24
    for number, example in enumerate(examples):
        here = batch.document_BT == number
        assert tuple(batch.tokens_BT[here].tolist()) == example.prompt + example.answer
        targets = batch.targets_BT[here].tolist()
        n = len(example.prompt)
        assert tuple(targets[n - 1 : n - 1 + len(example.answer)]) == example.answer
        assert targets[: n - 1] == [IGNORE] * (n - 1)
        assert targets[-1] == IGNORE
        assert batch.tokens_BT.flatten()[batch.last_S[number]] == example.answer[-1]
    assert batch.answer_tokens().tolist() == [len(example.answer) for example in examples]


def test_a_long_example_widens_the_row_instead_of_being_cut():
    long = Example(tuple(range(30)), tuple(range(20)))
    assert collate([long, *some_examples(2)], row_len=16).tokens_BT.shape[1] == 50


def test_loss_is_on_the_answer_alone(tokenizer):
    example = make_example(ChatFormat(tokenizer), tokenizer, "What does `alpha.beta` do?", "Return the beta. ")
    ids, mask = ChatFormat(tokenizer).encode_dialog_with_mask(
        [
            {"role": "user", "content": "What does `alpha.beta` do?"},
            {"role": "assistant", "content": "Return the beta."},
        ]
    )
    assert list(example.prompt + example.answer) == ids
    assert [0] * len(example.prompt) + [1] * len(example.answer) == mask


def test_packed_answer_logprobs_equal_one_by_one(model):
    model.double()
    examples = some_examples()
    sums, counts = answer_logprobs(model, examples, 24, "cpu", "float32")
    for example, total, count in zip(examples, sums, counts, strict=True):
        ids = torch.tensor([example.prompt + example.answer])
        logprobs = torch.log_softmax(model(ids), -1)[0]
        n = len(example.prompt)
        expected = sum(
            logprobs[n - 1 + i, token] for i, token in enumerate(example.answer[:-1])
        )  # end of turn left out
        assert float(total) == pytest.approx(float(expected), abs=1e-9)
        assert count == len(example.answer) - 1


def test_dpo_loss_equals_its_equation():
    chosen, rejected, ref_chosen, ref_rejected = torch.tensor([[-3.0, -5.0], [-4.0, -2.0], [-3.5, -5.0], [-3.0, -2.5]])
    expected = 0.0
    for i in range(2):
        margin = (chosen[i] - ref_chosen[i]) - (rejected[i] - ref_rejected[i])
        expected += -math.log(1 / (1 + math.exp(-0.1 * float(margin)))) / 2
    assert float(dpo_loss(chosen, rejected, ref_chosen, ref_rejected, 0.1)) == pytest.approx(expected)


def test_bradley_terry_loss_is_log_two_when_undecided():
    assert float(bradley_terry_loss(torch.ones(4), torch.ones(4))) == pytest.approx(math.log(2))


def test_pad_answers_keeps_the_order_of_each_answer():
    owner = torch.tensor([2, 2, 0, 0, 0, 1, 2])
    values = torch.arange(7.0)
    matrix, flat = pad_answers(values, owner, 4)
    assert matrix.tolist() == [[2, 3, 4], [5, 0, 0], [0, 1, 6], [0, 0, 0]]
    assert torch.equal(matrix.flatten()[flat], values)


def slow_advantages(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """Equation 16 of Schulman et al. 2016, as a sum."""
    n = len(rewards)
    deltas = [rewards[t] + gamma * (values[t + 1] if t + 1 < n else 0.0) - values[t] for t in range(n)]
    return [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, n)) for t in range(n)]


def test_advantages_equal_the_sum_of_the_paper():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([5, 1, 3])
    inside = torch.arange(5)[None] < lengths[:, None]
    rewards = torch.randn(3, 5, generator=generator, dtype=torch.float64) * inside
    values = torch.randn(3, 5, generator=generator, dtype=torch.float64) * inside
    advantages, returns = generalised_advantages(rewards, values, lengths, 0.97, 0.9)
    for row, length in enumerate(lengths.tolist()):
        expected = slow_advantages(rewards[row, :length].tolist(), values[row, :length].tolist(), 0.97, 0.9)
        assert advantages[row, :length].tolist() == pytest.approx(expected)
        assert advantages[row, length:].tolist() == [0.0] * (5 - length)
        assert returns[row, :length].tolist() == pytest.approx(
            [a + v for a, v in zip(expected, values[row].tolist(), strict=False)]
        )


def test_policy_loss_clips_on_the_side_that_would_gain():
    old = torch.zeros(4)
    new = torch.log(torch.tensor([1.5, 1.5, 0.5, 0.5])).requires_grad_()
    loss = policy_loss(new, old, torch.tensor([1.0, -1.0, 1.0, -1.0]), 0.2)
    assert float(loss.detach()) == pytest.approx(-(1.2 - 1.5 + 0.5 - 0.8) / 4)
    loss.backward()
    assert (new.grad != 0).tolist() == [False, True, True, False]


def test_first_ppo_step_has_the_gradient_of_plain_policy_gradient(model):
    batch = collate(some_examples(), 24)
    logprobs, _ = logprobs_and_values(model.double(), None, batch)
    advantages = torch.randn(len(logprobs), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    parameters = list(model.layers.parameters())
    clipped = torch.autograd.grad(
        policy_loss(logprobs, logprobs.detach(), advantages, 0.2), parameters, retain_graph=True
    )
    plain = torch.autograd.grad(-(logprobs * advantages).mean(), parameters)
    for a, b in zip(clipped, plain, strict=True):
        torch.testing.assert_close(a, b)


def test_reward_model_scores_do_not_depend_on_the_packing(model, tmp_path, tokenizer):
    reward_model = RewardModel(model)
    torch.nn.init.normal_(reward_model.head.weight)
    examples = some_examples()
    together = reward_model.scores(examples, 24, "cpu", "float32")
    apart = torch.cat([reward_model.scores([example], 24, "cpu", "float32") for example in examples])
    torch.testing.assert_close(together, apart)
    reward_model.save(tmp_path / "rm", tokenizer, {})
    loaded, _ = RewardModel.load(tmp_path / "rm")
    assert torch.equal(loaded.scores(examples, 24, "cpu", "float32"), together)


def test_favourite_is_the_best_finished_answer():
    scores = np.array([[0.1, 0.9, 0.5], [3.0, 2.0, 1.0]])
    finished = np.array([[True, False, True], [True, True, True]])
    assert favourites(scores, finished).tolist() == [2, 0]


def test_confidence_is_a_softmax_over_distinct_finished_answers():
    scores = np.array([1.0, 1.0, 0.0, 9.0])
    finished = np.array([True, True, True, False])
    assert confidence(["a", "a", "b", "c"], scores, finished) == pytest.approx(1 / (1 + math.exp(-1)))
    assert confidence(["a", "a", "a", "a"], scores, finished) == 1.0
    assert confidence(["a"], scores[:1], np.array([False])) == 0.0


def test_weights_of_pairs():
    good, bad = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    plain = bradley_terry_loss(good, bad)
    assert float(bradley_terry_loss(good, bad, torch.ones(2))) == pytest.approx(float(plain))
    only_second = bradley_terry_loss(good, bad, torch.tensor([0.0, 3.0]))
    assert float(only_second) == pytest.approx(math.log1p(math.exp(2.0)))


FACTS = [
    {"name": f"m.f{i}", "module": "m", "short": f"f{i}", "summary": f"Word{i} does thing{i}.", "signature": None}
    for i in range(6)
]
INDEX = DescriptionIndex({fact["name"]: fact["summary"] for fact in FACTS})
KNOWN = {"type": "name", "fact": "m.f1", "known": True, "text": "Which?", "expected": "`m.f1`"}
UNKNOWN = {"type": "describe", "fact": "m.x", "known": False, "text": "What is m.x?", "expected": ABSTAIN}


def test_pairs_take_the_most_frequent_mistake():
    pairs = sampled_pairs(KNOWN, ["`m.f2`", "`m.f3`", "`m.f3`", "`m.f1`"], INDEX)
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [("`m.f1`", "`m.f3`")]
    assert sampled_pairs(KNOWN, ["`m.f2`", "`m.f3`", ABSTAIN, "`m.f1`"], INDEX, min_share=0.5) == []
    assert sampled_pairs(KNOWN, ["`m.f2`", "`m.f2`"], INDEX, min_share=0.5)[0].chosen == KNOWN["expected"]


def test_needless_abstentions_are_balanced_by_honest_ones():
    def made(ratio):
        questions = [*[KNOWN] * 40, *[UNKNOWN] * 200]
        answers = [*[[ABSTAIN] * 2] * 40, *[["Invented."] * 2] * 10, *[[ABSTAIN] * 2] * 190]
        pairs = labelled_pairs(questions, answers, FACTS, 0.5, ratio, np.random.default_rng(0))
        return Counter(pair.reason for pair in pairs)

    assert made(0.0) == {"answer_over_abstention": 40, "honest_over_invention": 10}
    assert made(1.5) == {"answer_over_abstention": 40, "honest_over_invention": 60}
    assert made(99.0)["honest_over_invention"] == 200
