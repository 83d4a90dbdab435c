"""Losses of a language model; pure functions.

B batch  T tokens  N chosen positions  V vocabulary
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from herdbook.model.frugal_cross_entropy import frugal_cross_entropy
from herdbook.model.transformer import Transformer

IGNORE = -100
"""Target of a position that carries no loss."""
LARGE_VOCABULARY = 32_768
"""From here on the logits of a batch are the largest thing in memory; below, the plain loss is a little faster."""


def next_token_loss(model: Transformer, tokens_BT: Tensor, targets_BT: Tensor, document_BT: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the positions whose target is not IGNORE; float32 scalar.

    The last feed-forward and the logits are computed at those positions alone: in a dialog most positions carry no
    loss, and the output matrix is a large part of a small model. From a vocabulary of LARGE_VOCABULARY on, not even
    those logits are ever all in memory.
    """
    chosen_BT = targets_BT != IGNORE
    h_ND = model.hidden(tokens_BT, document_BT=document_BT, wanted_BT=chosen_BT)
    targets_N = targets_BT[chosen_BT]
    if model.args.vocab_size >= LARGE_VOCABULARY:
        return frugal_cross_entropy(h_ND, model.output.weight, targets_N)
    return F.cross_entropy(model.logits(h_ND), targets_N)


def token_logprobs(model: Transformer, tokens_BT: Tensor, targets_BT: Tensor, document_BT: Tensor | None) -> Tensor:
    """Log-probability of every target, float32 (B, T), zero where the target is IGNORE."""
    chosen_BT = targets_BT != IGNORE
    h_ND = model.hidden(tokens_BT, document_BT=document_BT, wanted_BT=chosen_BT)
    return _spread(model, h_ND, chosen_BT, targets_BT)


def target_logprobs(model: Transformer, h_BTD: Tensor, targets_BT: Tensor) -> Tensor:
    """The same from hidden states that are there already."""
    chosen_BT = targets_BT != IGNORE
    return _spread(model, h_BTD[chosen_BT], chosen_BT, targets_BT)


def _spread(model: Transformer, h_ND: Tensor, chosen_BT: Tensor, targets_BT: Tensor) -> Tensor:
    logprobs_N = -F.cross_entropy(model.logits(h_ND), targets_BT[chosen_BT], reduction="none")
    out_BT = torch.zeros(targets_BT.shape, dtype=logprobs_N.dtype, device=targets_BT.device)
    return out_BT.masked_scatter(chosen_BT, logprobs_N)
