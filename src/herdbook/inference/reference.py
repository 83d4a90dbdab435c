"""The slow, obvious twin of the engine: one prompt at a time, the whole text through the model for every token.

No cache, no batch, no vectorised sampling; the tests compare the engine with it. Random numbers come from the same
function, so sampled answers agree as well as greedy ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from herdbook.inference.randomness import sequence_key, uniforms
from herdbook.inference.sampling import SamplingParams
from herdbook.inference.sequence import Completion, FinishReason
from herdbook.model.transformer import Transformer

if TYPE_CHECKING:
    from herdbook.tokenizer import Tokenizer


def sample_reference(logits: list[float], temperature: float, top_k: int, top_p: float, uniform: float) -> int:
    """One token from one row of logits, by the textbook."""
    if temperature == 0:
        return logits.index(max(logits))
    scaled = [logit / temperature for logit in logits]
    largest = max(scaled)
    weights = [math.exp(value - largest) for value in scaled]
    total = sum(weights)
    probs = [weight / total for weight in weights]
    order = list(range(len(probs)))
    if top_k > 0 or top_p < 1:
        order.sort(key=lambda i: -probs[i])
    if top_k > 0:
        order = order[:top_k]
    if top_p < 1:
        needed = top_p * sum(probs[i] for i in order)
        kept, mass = [], 0.0
        for i in order:
            kept.append(i)
            mass += probs[i]
            if mass >= needed:
                break
        order = kept
    target = uniform * sum(probs[i] for i in order)
    mass = 0.0
    for i in order:
        mass += probs[i]
        if mass > target:
            return i
    return order[-1]


@torch.no_grad()
def generate_reference(
    model: Transformer, tokenizer: Tokenizer, prompts: list[list[int]], params: SamplingParams
) -> list[list[Completion]]:
    """`Engine.generate` without any of its machinery."""
    stop_ids = set(tokenizer.stop_ids if params.stop_ids is None else params.stop_ids)
    answers = []
    for number, prompt in enumerate(prompts):
        samples = []
        for k in range(params.n):
            key = np.array([sequence_key(params.seed, number, k)], dtype=np.uint64)
            ids: list[int] = []
            logprobs: list[float] = []
            reason: FinishReason = "length"
            while len(ids) < params.max_new_tokens and len(prompt) + len(ids) < model.args.max_seq_len:
                logits_V = model(torch.tensor([prompt + ids]))[0, -1]
                uniform = float(uniforms(key, np.array([len(ids)]))[0])
                token = sample_reference(logits_V.tolist(), params.temperature, params.top_k, params.top_p, uniform)
                ids.append(token)
                logprobs.append(float(torch.log_softmax(logits_V, dim=-1)[token]))
                if token in stop_ids:
                    reason = "stop"
                    break
            text = tokenizer.decode(ids[:-1] if reason == "stop" else ids)
            samples.append(Completion(ids, text, logprobs, reason))
        answers.append(samples)
    return answers
