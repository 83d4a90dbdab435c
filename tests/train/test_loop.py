"""The loop: resumed equals uninterrupted, a bad loss publishes nothing, losses equal their definitions."""

from __future__ import annotations

import itertools
import json
import math

import pytest
import torch
from torch import nn

from herdbook.errors import HerdbookError
from herdbook.model.args import ModelArgs
from herdbook.model.transformer import Transformer, init_weights
from herdbook.train.checkpoint import Checkpoints
from herdbook.train.loop import OptimizerConfig, train
from herdbook.train.loss import IGNORE, next_token_loss, token_logprobs
from herdbook.train.schedule import warmup_cosine
from herdbook.workspace import Workspace

ARGS = ModelArgs(dim=16, n_layers=2, n_heads=2, n_kv_heads=1, vocab_size=29, multiple_of=8, max_seq_len=32)


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def make_model() -> Transformer:
    model = Transformer(ARGS)
    init_weights(model, torch.Generator().manual_seed(1))
    return model


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return tuple(torch.randint(29, (2, 8), generator=generator) for _ in range(2))


def run(folder, *, die_at: int | None = None, n_steps: int = 12) -> tuple[Transformer, dict, list[dict]]:
    workspace = Workspace.local(folder)
    model = make_model()

    def step(number: int):
        if number == die_at:
            raise Killed
        tokens, targets = batch(number)
        return next_token_loss(model, tokens, targets, torch.zeros_like(tokens)), {}

    config = OptimizerConfig(lr=1e-2, warmup=3)
    figures = train(
        workspace,
        nn.ModuleList([model]),
        config,
        n_steps,
        step,
        label="test",
        items_per_step=16,
        checkpoint_seconds=0.0,
    )
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return model, figures, rows


@pytest.mark.parametrize("die_at", [0, 1, 7, 11])
def test_resumed_equals_uninterrupted(tmp_path, die_at):
    whole, figures, rows = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "parts", die_at=die_at)
    parts, figures_again, rows_again = run(tmp_path / "parts")
    assert figures_again["loss"] == figures["loss"]
    assert [row["loss"] for row in rows_again] == [row["loss"] for row in rows]
    assert [row["step"] for row in rows_again] == list(range(1, 13))
    for (name, a), (_, b) in zip(whole.named_parameters(), parts.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_an_unreadable_checkpoint_is_passed_over(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(1, {"value": torch.ones(3)})
    newest = checkpoints.save(2, {"value": torch.zeros(3)})
    newest.write_bytes(newest.read_bytes()[:40])
    step, state = checkpoints.load()
    assert step == 1
    assert state["value"].tolist() == [1, 1, 1]


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    model = make_model()

    def step(number: int):
        loss = model.norm.weight.sum()
        return loss * (float("nan") if number == 2 else 1.0), {}

    with pytest.raises(HerdbookError, match="step 2"):
        train(Workspace.local(tmp_path / "x"), nn.ModuleList([model]), OptimizerConfig(), 5, step, label="test")


def test_loss_and_logprobs_equal_the_definition():
    model = make_model().double()
    tokens, targets = batch(0)
    targets = targets.masked_fill(torch.rand(2, 8, generator=torch.Generator().manual_seed(9)) < 0.4, IGNORE)
    documents = torch.tensor([[0, 0, 0, 1, 1, 1, 1, -1], [0] * 8])
    logprobs = torch.log_softmax(model(tokens, document_BT=documents), -1)
    expected = torch.tensor(
        [[logprobs.detach()[b, t, targets[b, t]] if targets[b, t] >= 0 else 0.0 for t in range(8)] for b in range(2)]
    ).double()
    torch.testing.assert_close(token_logprobs(model, tokens, targets, documents), expected)
    mean = -expected.sum() / (targets >= 0).sum()
    torch.testing.assert_close(next_token_loss(model, tokens, targets, documents), mean)


def test_schedule_warms_up_and_falls_to_its_fraction():
    rates = [warmup_cosine(step, 100, 10, 2.0, 0.01) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(2.0) == rates[9]
    assert rates[100] == pytest.approx(0.02)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[55] == pytest.approx(2.0 * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 2))))


def test_the_loss_of_a_large_vocabulary_is_the_plain_one(monkeypatch):
    args = ModelArgs(dim=16, n_layers=1, n_heads=2, n_kv_heads=1, vocab_size=301, multiple_of=8, max_seq_len=32)
    model = Transformer(args).double()
    init_weights(model, torch.Generator().manual_seed(0), 0.3)
    tokens = torch.randint(0, 301, (3, 20), generator=torch.Generator().manual_seed(1))
    targets = torch.where(tokens % 3 == 0, IGNORE, (tokens * 7) % 301)
    found = []
    for limit in (10_000, 301):
        monkeypatch.setattr("herdbook.train.loss.LARGE_VOCABULARY", limit)
        model.zero_grad()
        loss = next_token_loss(model, tokens, targets, torch.zeros_like(tokens))
        loss.backward()
        found.append((loss.item(), [p.grad.clone() for p in model.parameters()]))
    (plain, plain_grads), (frugal, frugal_grads) = found
    assert frugal == pytest.approx(plain, rel=1e-12)
    for one, other in zip(frugal_grads, plain_grads, strict=True):
        assert (one - other).abs().max() <= 1e-12 * other.abs().max()
