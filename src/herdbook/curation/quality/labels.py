"""Asking a model about texts, a batch at a time; every answer is kept, and nothing that was answered is asked again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herdbook.curation.quality.prompts import Question
from herdbook.storage import disk_errors

if TYPE_CHECKING:
    from herdbook.inference.client import Answerer


@dataclass(frozen=True)
class Label:
    """What a model said of one text."""

    id: str
    prompt_sha256: str
    """Hash of the question (template and answers), not of the text."""
    model: str
    answer: str
    """The model's words; "" where only the probabilities of the answers were computed."""
    logprobs: dict[str, float] | None
    """Log-probability of each answer, where the model gives them."""
    score: float | None
    """0 (worst) to 1 (best); None where the answer says nothing of what was asked."""

    def to_json(self) -> dict[str, Any]:
        """The label as a row of labels.jsonl."""
        return {
            "id": self.id, "prompt_sha256": self.prompt_sha256, "model": self.model, "answer": self.answer,
            "logprobs": self.logprobs, "score": self.score,
        }  # fmt: skip


def label_texts(
    ids: Sequence[str],
    texts: Sequence[str],
    model: Answerer,
    question: Question,
    store: Path,
    *,
    max_words: int = 300,
    max_tokens: int = 8,
    batch: int = 16,
    seen: Callable[[int], None] = lambda n: None,
) -> list[Label]:
    """Labels in the order of the texts. `store` is a file of JSON lines that grows by a batch at a time and is synced;
    labels of this question and model that it already holds are taken from it, so a kill costs one batch at most.

    `seen` is told how many more labels are there. Greedy answers: a label depends on text, question and model alone.
    """
    known = {
        row.id: row for row in read_store(store) if (row.prompt_sha256, row.model) == (question.sha256, model.name)
    }
    missing = [i for i, name in enumerate(ids) if name not in known]
    if len(ids) > len(missing):
        seen(len(ids) - len(missing))
    # Longest first: texts of a batch are of similar length, and memory runs out early if ever.
    missing.sort(key=lambda i: (-min(len(texts[i]), 8 * max_words), i))
    store.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(), open(store, "ab") as file:
        for start in range(0, len(missing), batch):
            some = missing[start : start + batch]
            answers = model.answer(
                [question.ask(texts[i], max_words) for i in some],
                max_tokens=0 if model.gives_logprobs else max_tokens,
                choices=question.choices,
            )
            for i, answer in zip(some, answers):
                probable = answer.choice_logprobs or None
                score = question.expected(probable) if probable else None
                score = question.parse(answer.text) if score is None else score
                logprobs = {c: round(v, 4) for c, v in probable.items()} if probable else None
                known[ids[i]] = Label(
                    ids[i],
                    question.sha256,
                    model.name,
                    answer.text,
                    logprobs,
                    None if score is None else round(score, 5),
                )
                file.write(json.dumps(known[ids[i]].to_json(), ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            seen(len(some))
    return [known[name] for name in ids]


def read_store(path: Path) -> list[Label]:
    """The whole lines of a file of labels; a last line that a kill cut off is removed from the file."""
    if not path.is_file():
        return []
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with open(path, "r+b") as file:
            file.truncate(whole)
    return [Label(**json.loads(line)) for line in data[:whole].splitlines() if line.strip()]
