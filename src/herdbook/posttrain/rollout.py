"""Answers of the current policy to a list of prompts, on the inference engine."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from herdbook.inference.engine import Engine
from herdbook.inference.sampling import SamplingParams
from herdbook.inference.sequence import Completion
from herdbook.model.transformer import Transformer
from herdbook.posttrain.batches import Example
from herdbook.tokenizer import Tokenizer
from herdbook.workspace import Workspace


@torch.no_grad()
def sample_answers(
    workspace: Workspace,
    model: Transformer,
    tokenizer: Tokenizer,
    prompts: Sequence[list[int]],
    *,
    n: int = 1,
    temperature: float = 1.0,
    max_new_tokens: int = 48,
    seed: int = 0,
    max_batch: int = 128,
    label: str | None = None,
) -> list[list[Completion]]:
    """n answers to each prompt; label shows progress under that name."""
    training = model.training
    model.eval()
    engine = Engine(model, tokenizer, max_batch=max_batch)
    params = SamplingParams(temperature=temperature, n=n, max_new_tokens=max_new_tokens, seed=seed)
    if label is None:
        answers = engine.generate(list(prompts), params)
    else:
        with workspace.progress(len(prompts) * n, "answers", label) as bar:
            answers = engine.generate(list(prompts), params, progress=bar)
    model.train(training)
    return answers


def as_example(prompt: Sequence[int], completion: Completion) -> Example:
    """A prompt and a sampled answer, its end-of-turn token included where it came."""
    return Example(tuple(prompt), tuple(completion.ids))
