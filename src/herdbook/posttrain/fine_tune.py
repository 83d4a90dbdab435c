"""What every stage that imitates answers shares: batches of examples in a seeded order, one loop, one loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from herdbook.model.transformer import Transformer
from herdbook.posttrain.batches import Example, collate
from herdbook.train.loop import OptimizerConfig, train
from herdbook.train.loss import next_token_loss
from herdbook.train.precision import autocast, resolve
from herdbook.workspace import Workspace


class EpochOrder:
    """Which of n examples each step takes: a seeded permutation for every epoch, drawn once, cut into batches.

    in_order: the first epoch takes the examples as they come.
    """

    def __init__(self, n: int, batch_size: int, workspace: Workspace, name: str, *, in_order: bool = False) -> None:
        self.n, self.batch_size, self.workspace, self.name = n, batch_size, workspace, name
        self.in_order = in_order
        self.per_epoch = max(1, n // batch_size)
        """Whole batches of an epoch, at least one."""
        self._epoch, self._order = -1, np.arange(0)

    def __call__(self, step: int) -> np.ndarray:
        """Numbers of the examples of a step, int64 (batch_size,)."""
        epoch, within = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            as_they_come = self.in_order and epoch == 0
            drawn = np.arange(self.n) if as_they_come else self.workspace.rng(self.name, epoch).permutation(self.n)
            self._epoch, self._order = epoch, drawn
        return self._order[within * self.batch_size : (within + 1) * self.batch_size]


def fine_tune(
    workspace: Workspace,
    model: Transformer,
    examples: Sequence[Example],
    config: OptimizerConfig,
    *,
    n_steps: int,
    batch_size: int,
    seq_len: int,
    precision: str,
    label: str,
    checkpoint_seconds: float,
    in_order: bool = False,
) -> dict[str, float]:
    """Minimises the mean loss of answer tokens over batches of `batch_size` whole dialogs, packed into rows of
    seq_len.

    in_order: the first epoch takes the examples as they come; all others, and without it the first too, are shuffled.
    """
    device = workspace.device
    numbers = resolve(precision, device)
    order = EpochOrder(len(examples), batch_size, workspace, label, in_order=in_order)

    def step(number: int) -> tuple[Tensor, dict[str, float]]:
        batch = collate([examples[i] for i in order(number)], seq_len).to(device)
        with autocast(numbers, device):
            return next_token_loss(model, batch.tokens_BT, batch.targets_BT, batch.document_BT), {}

    model.train()
    return train(
        workspace,
        nn.ModuleList([model]),
        config,
        n_steps,
        step,
        label=label,
        items_per_step=batch_size,
        unit="dialogs",
        checkpoint_seconds=checkpoint_seconds,
    )


@torch.no_grad()
def mean_answer_loss(
    model: Transformer, examples: Sequence[Example], seq_len: int, device: str, precision: str
) -> float:
    """Mean loss of answer tokens over examples, in nats."""
    total, count = 0.0, 0
    for start in range(0, len(examples), 128):
        batch = collate(examples[start : start + 128], seq_len).to(device)
        n = int(batch.answer_tokens().sum())
        with autocast(precision, device):
            loss = next_token_loss(model, batch.tokens_BT, batch.targets_BT, batch.document_BT)
        total, count = total + loss.item() * n, count + n
    return total / max(count, 1)
