"""Preference pairs: two answers to one prompt and which is better, with the reason.

The labels come from a program that knows the truth (`tasks.grading`), in the place of human annotators:
right beats wrong, precise beats vague, an honest "I don't know" beats an invention, an answer beats a needless
"I don't know".
The prompts are worded unlike those of the SFT data and unlike those that judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from herdbook.tasks.grading import ABSTAIN, RANK, DescriptionIndex, grade

REASONS = ("right_over_wrong", "precise_over_vague", "honest_over_invention", "answer_over_abstention")


@dataclass(frozen=True)
class Pair:
    """Texts of a prompt, the better and the worse answer, and why."""

    prompt: str
    chosen: str
    rejected: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """Plain values."""
        return asdict(self)


class AnswerBook:
    """Right answers to all questions of a type, by fact: where plausible wrong answers come from."""

    def __init__(self, facts: Sequence[dict]) -> None:
        self.facts = list(facts)
        self._by_module: dict[str, list[dict]] = {}
        for fact in self.facts:
            self._by_module.setdefault(fact["module"], []).append(fact)

    @staticmethod
    def _answer(fact: dict, question_type: str) -> str:
        if question_type == "describe":
            return fact["summary"]
        if question_type == "module":
            return f"`{fact['module']}`"
        if question_type == "signature" and fact["signature"]:
            return f"`{fact['name']}{fact['signature']}`"
        return f"`{fact['name']}`"

    def wrong_answer(self, question: dict, rng: np.random.Generator) -> str | None:
        """Another fact's answer to the same type of question; half of the time a fact of the same module."""
        module = question["fact"].rsplit(".", 1)[0]
        near = self._by_module.get(module, [])
        pool = near if len(near) > 1 and rng.random() < 0.5 else self.facts
        for _ in range(8):
            fact = pool[rng.integers(len(pool))]
            answer = self._answer(fact, question["type"])
            if fact["name"] != question["fact"] and answer != question["expected"]:
                return answer
        return None


def vaguer(answer: str, rng: np.random.Generator) -> str | None:
    """The beginning of a description, cut after a third to two thirds of its words; None if too short."""
    words = answer.split()
    if len(words) < 4:
        return None
    keep = int(rng.integers(max(1, len(words) // 3), max(2, 2 * len(words) // 3) + 1))
    return " ".join(words[:keep]).rstrip(".,;:") + "."


def constructed_pairs(question: dict, book: AnswerBook, rng: np.random.Generator) -> list[Pair]:
    """Pairs of the right answer against made worse ones."""
    text, right = question["text"], question["expected"]
    pairs = []
    wrong = book.wrong_answer(question, rng)
    if question["known"]:
        if wrong:
            pairs.append(Pair(text, right, wrong, "right_over_wrong"))
        pairs.append(Pair(text, right, ABSTAIN, "answer_over_abstention"))
        vague = vaguer(right, rng) if question["type"] == "describe" else None
        if vague:
            pairs.append(Pair(text, right, vague, "precise_over_vague"))
    else:
        inventions = dict.fromkeys((wrong, book.wrong_answer(question, rng)))
        pairs.extend(Pair(text, right, invention, "honest_over_invention") for invention in inventions if invention)
    return pairs


def reason_for(question: dict, better: str, worse: str) -> str:
    """Why an answer with verdict `better` beats one with verdict `worse`."""
    if not question["known"]:
        return "honest_over_invention"
    if worse == "abstained":
        return "answer_over_abstention"
    return "right_over_wrong" if better == "correct" else "honest_over_invention"


def sampled_pairs(
    question: dict, samples: Sequence[str], index: DescriptionIndex, max_pairs: int = 1, min_share: float = 0.0
) -> list[Pair]:
    """Pairs from a model's own answers: a right one against its most frequent worse ones, up to `max_pairs`.

    min_share: a worse answer counts where at least this share of the samples is equal to it. As Llama 3's annotators
    edit the better answer, the right answer stands in where no sample is right.
    """
    times = Counter(samples)
    graded = sorted((grade(question, text, index), text) for text in times)
    right = sorted((-times[text], text) for verdict, text in graded if verdict == "correct")
    chosen = right[0][1] if right else question["expected"]
    worse = [item for item in graded if item[0] != "correct" and times[item[1]] >= min_share * len(samples)]
    worse.sort(key=lambda item: (-times[item[1]], RANK[item[0]], item[1]))
    return [
        Pair(question["text"], chosen, text, reason_for(question, "correct", verdict))
        for verdict, text in worse[:max_pairs]
    ]
