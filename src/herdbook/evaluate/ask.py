"""Puts questions to a model and grades its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from herdbook.inference.engine import Engine
from herdbook.inference.sampling import SamplingParams
from herdbook.model.transformer import Transformer
from herdbook.tasks.grading import DescriptionIndex, grade
from herdbook.tokenizer import ChatFormat, Tokenizer
from herdbook.workspace import Workspace


def chat_prompt(tokenizer: Tokenizer, question: str) -> list[int]:
    """The question as a dialog of one turn."""
    return ChatFormat(tokenizer).encode_dialog([{"role": "user", "content": question}], add_generation_header=True)


def plain_prompt(tokenizer: Tokenizer, question: str, shots: Sequence[dict]) -> list[int]:
    """Questions with answers, then the question, as plain text: how a model without a chat format is asked."""
    lines = [f"Q: {shot['text']}\nA: {shot['expected']}\n" for shot in shots]
    return tokenizer.encode("".join(lines) + f"Q: {question}\nA:", bos=True)


def fitting_prompt(tokenizer: Tokenizer, question: str, shots: Sequence[dict], room: int) -> list[int]:
    """`plain_prompt` with as many shots, the last ones, as leave it at most `room` tokens long."""
    for first in range(len(shots) + 1):
        prompt = plain_prompt(tokenizer, question, shots[first:])
        if len(prompt) <= room:
            break
    return prompt


def line_ends(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Tokens that end the answer of a model without a chat format: those that end a text or hold a line feed."""
    feeds = (i for i in range(tokenizer.vocab_size) if "\n" in tokenizer.decode([i]))
    return tuple(sorted({*tokenizer.stop_ids, *feeds}))


@torch.no_grad()
def ask(
    workspace: Workspace,
    model: Transformer,
    tokenizer: Tokenizer,
    questions: Sequence[dict],
    index: DescriptionIndex,
    *,
    label: str,
    n: int = 1,
    temperature: float = 0.0,
    max_new_tokens: int = 48,
    seed: int = 0,
    shots: Sequence[dict] | None = None,
    max_batch: int = 128,
) -> list[dict[str, Any]]:
    """Every question with `answers` and `verdicts`, lists of n. shots: given for a model without a chat format."""
    if shots is None:
        prompts = [chat_prompt(tokenizer, question["text"]) for question in questions]
    else:
        room = model.args.max_seq_len - max_new_tokens
        prompts = [fitting_prompt(tokenizer, question["text"], shots, room) for question in questions]
    params = SamplingParams(
        temperature=temperature, n=n, max_new_tokens=max_new_tokens, seed=seed,
        stop_ids=None if shots is None else line_ends(tokenizer),
    )  # fmt: skip
    engine = Engine(model, tokenizer, max_batch=max_batch)
    with workspace.progress(len(prompts) * n, "answers", label) as bar:
        groups = engine.generate(prompts, params, progress=bar)
    rows = []
    for question, group in zip(questions, groups, strict=True):
        answers = [completion.text.strip() for completion in group]
        verdicts = [grade(question, answer, index) for answer in answers]
        rows.append({**question, "answers": answers, "verdicts": verdicts})
    return rows
