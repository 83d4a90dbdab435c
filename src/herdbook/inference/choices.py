"""How probable each of a few given answers is: log-probabilities of the answers' texts after a prompt.

What prompts have in common at their beginning (instructions, examples) goes through the model once.

B prompts of a batch  T tokens  V vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from herdbook.errors import InputError
from herdbook.model.kv_cache import KVCache
from herdbook.model.transformer import Transformer

MAX_TOKENS = 16384
"""Tokens of a batch, padding counted: bounds the memory of a pass."""


def choice_logprobs(
    model: Transformer, prompts: Sequence[list[int]], choices: Sequence[list[int]], max_batch: int = 32
) -> np.ndarray:
    """Log-probability (natural) of each choice as the continuation of each prompt, float64 [prompts, choices].

    Prompts and choices are token ids. Raises InputError for an empty prompt or choice, or what exceeds the context.
    """
    longest_choice = max((len(choice) for choice in choices), default=0)
    if not longest_choice or not all(choices):
        raise InputError("a choice has no token", key="choices")
    result = np.empty((len(prompts), len(choices)))
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))  # similar lengths together: little padding
    longest = len(prompts[order[0]]) + longest_choice - 1 if order else 0
    if longest > model.args.max_seq_len or not all(prompts):
        raise InputError(
            f"a prompt is empty, or has {longest} tokens with its answer; the model's context is "
            f"{model.args.max_seq_len}",
            key="prompts",
            value=longest,
        )
    prefix = _prefix(prompts, model)
    start = 0
    while start < len(order):
        size = max(1, min(max_batch, MAX_TOKENS // (len(prompts[order[start]]) + longest_choice)))
        some = order[start : start + size]
        start += size
        result[some] = _score([prompts[i] for i in some], choices, model, prefix)
    return result


@torch.no_grad()
def _prefix(prompts: Sequence[list[int]], model: Transformer) -> KVCache | None:
    """Keys and values of what all prompts begin with, in a cache as long as that; None where it is nothing."""
    shared = _shared(prompts) if len(prompts) > 1 else 0
    if not shared:
        return None
    weight = model.tok_embeddings.weight
    cache = KVCache(model.args, 1, shared, weight.dtype, weight.device)
    _feed(model, [prompts[0][:shared]], [0], cache)
    return cache


@torch.no_grad()
def _score(
    prompts: list[list[int]], choices: Sequence[list[int]], model: Transformer, prefix: KVCache | None
) -> np.ndarray:
    """One batch. Choices of one token are read off the logits after the prompt; longer ones are each fed after it."""
    weight = model.tok_embeddings.weight
    length = max(map(len, prompts)) + max(map(len, choices)) - 1
    cache = KVCache(model.args, len(prompts), length, weight.dtype, weight.device)
    shared = 0
    if prefix is not None:
        shared = prefix.max_len
        cache.keys_NSKLE[:, :, :, :shared] = prefix.keys_NSKLE
        cache.values_NSKLE[:, :, :, :shared] = prefix.values_NSKLE
    h_BTD = _feed(model, [prompt[shared:] for prompt in prompts], [shared] * len(prompts), cache)
    last_B = torch.tensor([len(prompt) - shared - 1 for prompt in prompts], device=weight.device)
    first_BV = _log_softmax(model, h_BTD[torch.arange(len(prompts), device=weight.device), last_B])
    result = np.empty((len(prompts), len(choices)))
    for column, choice in enumerate(choices):
        total_B = first_BV[:, choice[0]]
        if len(choice) > 1:
            # Keys of an earlier choice lie at the same positions and are overwritten before they are seen.
            h_BTD = _feed(model, [choice[:-1]] * len(prompts), [len(prompt) for prompt in prompts], cache)
            next_BTV = _log_softmax(model, h_BTD)
            for place, token in enumerate(choice[1:]):
                total_B = total_B + next_BTV[:, place, token]
        result[:, column] = total_B.double().cpu().numpy()
    return result


def _shared(prompts: Sequence[list[int]]) -> int:
    """Length of the beginning that all prompts have, the last token of each aside: every row needs its logits."""
    low, high = min(prompts), max(prompts)  # what these two share, all between them share
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    return min(same, min(map(len, prompts)) - 1)


def _feed(model: Transformer, rows: list[list[int]], starts: list[int], cache: KVCache) -> Tensor:
    """Hidden states of token rows whose first tokens stand at the positions `starts`; padded on the right."""
    device = model.tok_embeddings.weight.device
    width = max(map(len, rows))
    tokens_BT = np.zeros((len(rows), width), dtype=np.int64)
    positions_BT = np.full_like(tokens_BT, -1)
    for number, (row, start) in enumerate(zip(rows, starts)):
        tokens_BT[number, : len(row)] = row
        positions_BT[number, : len(row)] = np.arange(start, start + len(row))
    return model.hidden(
        torch.from_numpy(tokens_BT).to(device), positions_BT=torch.from_numpy(positions_BT).to(device), cache=cache
    )


def _log_softmax(model: Transformer, h: Tensor) -> Tensor:
    return torch.log_softmax(model.logits(h).float(), dim=-1)


@torch.no_grad()
def choice_logprobs_reference(
    model: Transformer, prompts: Sequence[list[int]], choices: Sequence[list[int]]
) -> np.ndarray:
    """The slow twin of `choice_logprobs`: prompt and choice together through the model, one pair at a time."""
    result = np.empty((len(prompts), len(choices)))
    for row, prompt in enumerate(prompts):
        for column, choice in enumerate(choices):
            logp_TV = torch.log_softmax(model(torch.tensor([prompt + choice]))[0].double(), dim=-1)
            result[row, column] = sum(float(logp_TV[len(prompt) + i - 1, token]) for i, token in enumerate(choice))
    return result
