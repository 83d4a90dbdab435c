"""From logits to the next token: temperature, top-k, top-p and inverse-CDF sampling, as pure functions.

The order is the usual one: temperature first, then the top-k largest, then the smallest set of them that holds
probability top-p (of what top-k left). `sample` is the fast path for a batch with mixed settings;
`reference.sample_reference` is its slow, obvious twin.

The log-probability that comes back is that of the *model* (temperature 1, nothing cut off), whatever the settings: that
is the quantity which policy gradients, DPO and perplexities need.

S sequences  V vocabulary  C candidates  K blocks of candidates
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from herdbook.errors import InputError

_BLOCK = 64
"""Tokens summed up at once by the search in a cumulative distribution."""
_CANDIDATES = (64, 512)
"""Top-p looks at this many of the largest logits first, and sorts whole rows only where they hold too little."""


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """How to continue a prompt.

    Raises InputError for a value outside its range.
    """

    temperature: float = 0.0
    """0 takes the most probable token (the lowest id among equals); 1 samples from the model's own distribution."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens that holds this much probability; 1 keeps all."""
    top_k: int = 0
    """Sample from this many of the most probable tokens; 0 keeps all."""
    max_new_tokens: int = 64
    """At most so many tokens, the stop token included; less where the model's context ends before."""
    stop_ids: tuple[int, ...] | None = None
    """Tokens that end the answer; None: the tokenizer's end of text, of message and of turn; (): none."""
    seed: int = 0
    """Equal seeds give equal answers, whatever else is in the batch."""
    n: int = 1
    """Answers per prompt."""

    def __post_init__(self) -> None:
        checks = [
            ("temperature", self.temperature, 0 <= self.temperature < float("inf"), "a number of at least 0"),
            ("top_p", self.top_p, 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("top_k", self.top_k, self.top_k >= 0, "an integer of at least 0 (0 keeps all)"),
            ("max_new_tokens", self.max_new_tokens, self.max_new_tokens >= 1, "an integer of at least 1"),
            ("n", self.n, self.n >= 1, "an integer of at least 1"),
        ]
        for key, value, fine, expected in checks:
            if not fine:
                raise InputError(f"{key} must be {expected}, got {value}", key=key, value=value)


def sample(
    logits_SV: Tensor,
    temperature_S: Tensor,
    top_k_S: Tensor,
    top_p_S: Tensor,
    uniform_S: Tensor,
) -> tuple[Tensor, Tensor]:
    """The next token of every sequence and its log-probability under the model.

    `logits_SV` float32; `temperature_S` float32 (0: greedy), `top_k_S` int64 (0: all), `top_p_S` float32 (1: all),
    `uniform_S` float64 in [0, 1). Returns ids_S int64 and logprob_S float32.
    """
    probs_SV = torch.softmax(logits_SV, dim=-1)
    # log of the normaliser, from the most probable token: exact however small the probability of the chosen one is
    logz_S = logits_SV.amax(-1) - probs_SV.amax(-1).log()
    greedy_S = temperature_S == 0
    cut_S = ~greedy_S & ((top_k_S > 0) | (top_p_S < 1))
    ids_S = torch.empty(logits_SV.shape[0], dtype=torch.int64, device=logits_SV.device)
    for group_S, pick in ((greedy_S, _pick_greedy), (~greedy_S & ~cut_S, _pick_plain), (cut_S, _pick_cut)):
        if bool(group_S.all()):  # the common case: no copies of rows
            ids_S = pick(logits_SV, probs_SV, temperature_S, top_k_S, top_p_S, uniform_S)
            break
        if bool(group_S.any()):
            part = [x[group_S] for x in (logits_SV, probs_SV, temperature_S, top_k_S, top_p_S, uniform_S)]
            ids_S[group_S] = pick(*part)
    logprob_S = logits_SV.gather(-1, ids_S[:, None]).squeeze(-1) - logz_S
    return ids_S, logprob_S


def inverse_cdf(weights_SC: Tensor, uniform_S: Tensor) -> Tensor:
    """For each row the first index whose cumulative weight exceeds uniform * total.

    Weights are at least 0 and need not be normalised; an index of weight 0 is never taken. Returns int64 of shape S.
    Long rows are searched in two steps, the block first and then inside it, which spares the cumulative sum of
    the whole row (twenty times slower than its plain sum).
    """
    width = weights_SC.shape[-1]
    if width > 2 * _BLOCK:
        blocks_SKC = F.pad(weights_SC, (0, -width % _BLOCK)).unflatten(-1, (-1, _BLOCK))
        sums_SK = blocks_SKC.sum(-1)
        block_S, rest_S = _search(sums_SK, uniform_S)
        row_SC = blocks_SKC[torch.arange(len(block_S), device=block_S.device), block_S]
        # `rest` is measured against the block's plain sum: as a share of it, rounding cannot leave the block.
        share_S = rest_S / sums_SK.gather(-1, block_S[:, None]).squeeze(-1).double()
        return block_S * _BLOCK + _search(row_SC, share_S)[0]
    return _search(weights_SC, uniform_S)[0]


def _search(weights_SC: Tensor, uniform_S: Tensor) -> tuple[Tensor, Tensor]:
    """(index as in `inverse_cdf`, what remains of uniform * total inside that index's weight)."""
    cumulative_SC = weights_SC.cumsum(-1, dtype=torch.float64)
    target_S1 = (uniform_S * cumulative_SC[:, -1])[:, None]
    index_S1 = torch.searchsorted(cumulative_SC, target_S1, right=True)
    # uniform * total may round up to the total, which nothing exceeds: then the last index of positive weight is taken.
    last_S1 = torch.searchsorted(cumulative_SC, cumulative_SC[:, -1:].contiguous())
    index_S1 = torch.minimum(index_S1, last_S1)
    before_S1 = torch.where(index_S1 > 0, cumulative_SC.gather(-1, (index_S1 - 1).clamp(min=0)), 0.0)
    return index_S1.squeeze(-1), (target_S1 - before_S1).squeeze(-1)


def _pick_greedy(logits_SV: Tensor, probs_SV: Tensor, *_: Tensor) -> Tensor:
    return logits_SV.argmax(-1)


def _pick_plain(logits_SV: Tensor, probs_SV: Tensor, temperature_S: Tensor, *rest: Tensor) -> Tensor:
    if not bool((temperature_S == 1).all()):
        probs_SV = torch.softmax(logits_SV / temperature_S[:, None], dim=-1)
    return inverse_cdf(probs_SV, rest[-1])


def _pick_cut(
    logits_SV: Tensor, probs_SV: Tensor, temperature_S: Tensor, top_k_S: Tensor, top_p_S: Tensor, uniform_S: Tensor
) -> Tensor:
    """Top-k and top-p over the largest candidates only; a row whose candidates do not suffice gets a full sort."""
    vocab = logits_SV.shape[-1]
    scaled_SV = logits_SV / temperature_S[:, None]
    logz_S = torch.logsumexp(scaled_SV, dim=-1)
    ids_S = torch.zeros(len(uniform_S), dtype=torch.int64, device=uniform_S.device)
    left = torch.arange(len(uniform_S), device=uniform_S.device)
    for width in (*(max(w, int(top_k_S.max())) for w in _CANDIDATES), vocab):
        ids_S[left], enough_S = _pick_among_largest(
            min(width, vocab), *(x[left] for x in (scaled_SV, logz_S, top_k_S, top_p_S, uniform_S))
        )
        left = left[~enough_S]
        if not len(left):
            break
    return ids_S


def _pick_among_largest(
    width: int, scaled_SV: Tensor, logz_S: Tensor, top_k_S: Tensor, top_p_S: Tensor, uniform_S: Tensor
) -> tuple[Tensor, Tensor]:
    """(ids, whether `width` candidates sufficed): nucleus of the `width` largest in falling order, then inverse CDF."""
    top_SC, ids_SC = scaled_SV.topk(width, dim=-1)
    probs_SC = torch.exp(top_SC - logz_S[:, None]).double()
    rank_C = torch.arange(width, device=scaled_SV.device)
    limited_S = top_k_S > 0
    probs_SC = probs_SC.masked_fill(limited_S[:, None] & (rank_C >= top_k_S[:, None]), 0.0)
    cumulative_SC = probs_SC.cumsum(-1)
    # What top-p is a share of: the mass that top-k left, or the whole distribution.
    mass_S = torch.where(limited_S, cumulative_SC[:, -1], torch.ones_like(logz_S, dtype=torch.float64))
    needed_S = top_p_S.double() * mass_S
    # A token is kept while the mass before it is below what is needed, so the most probable one always is.
    before_SC = cumulative_SC - probs_SC
    kept_SC = (before_SC < needed_S[:, None]) & (probs_SC > 0)
    kept_SC[:, 0] = True
    enough_S = limited_S | (cumulative_SC[:, -1] >= needed_S) | (width == scaled_SV.shape[-1])
    index_S = inverse_cdf(torch.where(kept_SC, probs_SC, 0.0), uniform_S)
    return ids_SC.gather(-1, index_S[:, None]).squeeze(-1), enough_S
