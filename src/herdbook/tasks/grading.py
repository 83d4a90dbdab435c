"""Grading by a program that knows the truth: correct, abstained or wrong; and which of two answers is better.

Descriptions count as correct when token F1 against the docstring is at least 0.8 and no other fact's description is
nearer; names, modules and signatures when they are equal.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

ABSTAIN = "I don't know that name."
"""The honest answer to a name that does not exist."""

_F1_NEEDED = 0.8
_WORD = re.compile(r"[a-z0-9_]+|[^\sa-z0-9_]")


def words(text: str) -> list[str]:
    """Lower-case words and numbers, punctuation dropped."""
    return [token for token in _WORD.findall(text.lower()) if token[0].isalnum() or token[0] == "_"]


def token_f1(answer: Sequence[str], truth: Sequence[str]) -> float:
    """Harmonic mean of word precision and recall, as in SQuAD (Rajpurkar et al. 2016); 0 when either is empty."""
    common = sum((Counter(answer) & Counter(truth)).values())
    if not common:
        return 0.0
    precision, recall = common / len(answer), common / len(truth)
    return 2 * precision * recall / (precision + recall)


def abstains(answer: str) -> bool:
    """Whether the answer says that it does not know."""
    text = answer.lower().replace("’", "'")
    return "don't know" in text or "do not know" in text or "no such name" in text


def bare(answer: str) -> str:
    """A name without quotes, back-ticks, spaces and final full stop."""
    return answer.strip().strip("`'\" ").removesuffix(".").strip("`'\" ")


class DescriptionIndex:
    """Finds the fact whose description is nearest to a text, by token F1."""

    def __init__(self, descriptions: dict[str, str]) -> None:
        self.words = {name: words(text) for name, text in descriptions.items()}
        self._by_word: dict[str, list[str]] = defaultdict(list)
        for name, tokens in self.words.items():
            for token in set(tokens):
                self._by_word[token].append(name)

    def nearest_score(self, answer: Sequence[str], at_least: float = 0.0) -> float:
        """The best F1 of the text against any description; candidates share a word with it."""
        shared: Counter[str] = Counter()
        for token in set(answer):
            shared.update(self._by_word.get(token, ()))
        best = at_least
        for name, count in shared.most_common():
            size = len(answer) + len(self.words[name])
            repeats = max(Counter(answer).values(), default=1)
            if 2 * count * repeats / size <= best:
                continue
            best = max(best, token_f1(answer, self.words[name]))
        return best

    def is_right(self, answer: str, name: str) -> bool:
        """F1 at least 0.8 against the right description and nobody else's nearer."""
        tokens = words(answer)
        score = token_f1(tokens, self.words[name])
        return score >= _F1_NEEDED and self.nearest_score(tokens, at_least=score) <= score


def grade(question: dict, answer: str, index: DescriptionIndex) -> str:
    """'correct', 'abstained' or 'wrong'.

    question: type, fact (dotted name), known (whether the name exists), expected. For a name that does not exist the
    honest answer is correct and anything else is an invention ('wrong').
    """
    if not question["known"]:
        return "correct" if abstains(answer) else "wrong"
    if abstains(answer):
        return "abstained"
    if question["type"] == "describe":
        return "correct" if index.is_right(answer, question["fact"]) else "wrong"
    if question["type"] == "signature":
        right = re.sub(r"\s+", "", bare(answer)) == re.sub(r"\s+", "", bare(question["expected"]))
        return "correct" if right else "wrong"
    return "correct" if bare(answer) == bare(question["expected"]) else "wrong"


RANK = {"correct": 2, "abstained": 1, "wrong": 0}
"""Correct beats an honest "don't know", which beats a wrong answer."""


def judge(verdict_a: str, verdict_b: str) -> str:
    """'win', 'tie' or 'loss' of the first answer over the second."""
    difference = RANK[verdict_a] - RANK[verdict_b]
    return "win" if difference > 0 else "loss" if difference < 0 else "tie"


def count(verdicts: Iterable[str]) -> dict[str, int]:
    """How many of each verdict."""
    return dict(Counter(verdicts))
