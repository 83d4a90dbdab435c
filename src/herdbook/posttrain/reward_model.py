"""A reward model: a transformer that maps an answer to one number.

The score is a linear map of the hidden state at the answer's last token, plus weighted log-likelihoods of the
answer under the
same network (mean and sum over its tokens). A head alone has to learn from a few thousand pairs what the
network knows about
a thousand facts already; with the head alone, held-out pairs of a right and a wrong answer were ordered no
better than by chance.

S sequences  D dim
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from herdbook.model.heads import ScalarHead
from herdbook.model.transformer import Transformer
from herdbook.posttrain.batches import Example, SequenceBatch, collate
from herdbook.tokenizer import Tokenizer
from herdbook.train.loss import target_logprobs
from herdbook.train.precision import autocast
from herdbook.weights.native import load_model, load_tensors, save_model


class RewardModel(nn.Module):
    """Scores whole answers, end of turn included."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model
        self.head = ScalarHead(model.args.dim)
        self.likelihood = nn.Parameter(torch.tensor([1.0, 0.1]))  # weights of the mean and of the sum

    def forward(self, batch: SequenceBatch) -> Tensor:
        """Scores of the batch's sequences, float32 (S,)."""
        h_BTD = self.model.hidden(batch.tokens_BT, document_BT=batch.document_BT)
        logprobs_BT = target_logprobs(self.model, h_BTD, batch.targets_BT)
        sum_S = batch.sum_per_sequence(logprobs_BT)
        mean_S = sum_S / batch.answer_tokens().clamp(min=1)
        return self.head(h_BTD.flatten(0, 1)[batch.last_S]) + torch.stack([mean_S, sum_S], -1) @ self.likelihood

    @torch.no_grad()
    def scores(self, examples: Sequence[Example], seq_len: int, device: str, precision: str, size: int = 192) -> Tensor:
        """Scores of many answers, float32 on the CPU."""
        out = []
        for start in range(0, len(examples), size):
            with autocast(precision, device):
                out.append(self(collate(examples[start : start + size], seq_len).to(device)).float().cpu())
        return torch.cat(out) if out else torch.zeros(0)

    def save(self, folder: Path, tokenizer: Tokenizer, training: dict) -> None:
        """Writes the model with its head."""
        head = {
            "reward_head.weight": self.head.weight.detach().cpu(),
            "reward_head.bias": self.head.bias.detach().cpu(),
            "reward_head.likelihood": self.likelihood.detach().cpu(),
        }
        save_model(folder, self.model, tokenizer, training, extra=head)

    @staticmethod
    def load(folder: Path, device: str = "cpu") -> tuple[RewardModel, Tokenizer]:
        """The inverse of `save`."""
        model, tokenizer = load_model(folder, device)
        tensors = load_tensors(folder)
        reward_model = RewardModel(model)
        reward_model.head.load_state_dict(
            {"weight": tensors["reward_head.weight"], "bias": tensors["reward_head.bias"]}
        )
        reward_model.likelihood.data.copy_(tensors["reward_head.likelihood"])
        return reward_model.to(device).eval(), tokenizer


def bradley_terry_loss(chosen_S: Tensor, rejected_S: Tensor, weights_S: Tensor | None = None) -> Tensor:
    """-log sigmoid(chosen - rejected), mean over pairs (Bradley and Terry 1952; Ouyang et al. 2022), weighted where
    weights are given."""
    losses_S = -F.logsigmoid(chosen_S - rejected_S)
    return losses_S.mean() if weights_S is None else (weights_S * losses_S).sum() / weights_S.sum()
