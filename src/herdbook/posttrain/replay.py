"""Dialogs of supervised fine-tuning, seen again in a later stage, so that it does not forget.

Llama 3's rounds fine-tune on rejection-sampled answers mixed with other dialogs (Llama Team 2024, section 4.2.2), and
InstructGPT mixes earlier gradients into PPO (Ouyang et al. 2022). A small model needs it more than a large one: every
fact that a stage does not touch is forgotten a little with each of its steps.
"""

from __future__ import annotations

import numpy as np

from herdbook.lineage import Artifact
from herdbook.posttrain.batches import Example, make_example
from herdbook.storage import read_jsonl
from herdbook.tokenizer import Tokenizer
from herdbook.tokenizer.chat import ChatFormat


def replayed(
    questions: Artifact, n: int, rng: np.random.Generator, chat: ChatFormat, tokenizer: Tokenizer
) -> list[Example]:
    """n dialogs drawn from the last half of the fine-tuning dialogs, none twice; fewer where there are not so many."""
    rows = list(read_jsonl(questions.file("questions/sft.jsonl")))
    rows = rows[len(rows) // 2 :]
    return [
        make_example(chat, tokenizer, rows[i]["text"], rows[i]["expected"])
        for i in sorted(rng.permutation(len(rows))[:n])
    ]
