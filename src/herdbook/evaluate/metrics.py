"""From graded answers to figures with intervals. What each figure means stands in DEFINITIONS, which the
report prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from herdbook.evaluate.statistics import Interval, bootstrap_mean
from herdbook.tasks.grading import judge

CLOSED_BOOK_TYPES = ("describe", "name", "module")

DEFINITIONS = {
    "closed_book_accuracy": (
        "Share of questions about tuned facts answered rightly from memory, in phrasings that occur in no training "
        "stage. Names and modules must be equal; a description needs token F1 of at least 0.8 against the docstring "
        "and must be nearer to it than to any other fact's description. Interval: bootstrap over facts."
    ),
    "closed_book_accuracy/describe": "The same, for questions that give a name and ask what it does.",
    "closed_book_accuracy/name": "The same, for questions that give a description and ask for the name.",
    "closed_book_accuracy/module": "The same, for questions that ask in which module a name is defined.",
    "closed_book_accuracy/signature": (
        "Share of signatures that are reproduced exactly. Not part of closed_book_accuracy."
    ),
    "false_abstention_rate": 'Share of the closed-book questions about real names answered with "I don\'t know".',
    "invention_rate": (
        'Share of questions about names that do not exist which are answered with anything but "I don\'t know". '
        "None of these names was used in training."
    ),
    "invention_rate/recombined": "The same, for names made of real parts, such as `shutil.urlopen`.",
    "invention_rate/edited": "The same, for real names with one word changed.",
    "invention_rate/made_up": "The same, for made-up words.",
    "untuned_fact_accuracy": (
        "Closed-book accuracy on facts that are stated in the pretraining text, while no tuning stage asks about them."
    ),
    "untuned_false_abstention_rate": 'Share of those questions answered with "I don\'t know".',
    "pass_at_1": "Share of right answers among 8 samples at temperature 0.8 on a fixed set of test questions.",
    "pass_at_8": "Share of the same questions for which at least one of the 8 samples is right.",
    "answer_diversity": "Distinct answers among the 8 samples, divided by 8, mean over the same questions.",
    "win_rate": (
        "Wins plus half of the ties, over all test questions, judged by a program that knows the truth: a right answer "
        'beats an honest "I don\'t know", which beats a wrong answer. Interval: bootstrap over facts.'
    ),
}


def _mean(rows: Sequence[dict], value: Callable[[dict], float], seed: int = 0) -> dict[str, Any] | None:
    if not rows:
        return None
    return bootstrap_mean([value(row) for row in rows], [row["fact"] for row in rows], seed=seed).as_dict()


def _first_is(verdict: str) -> Callable[[dict], float]:
    return lambda row: float(row["verdicts"][0] == verdict)


def question_metrics(rows: Sequence[dict]) -> dict[str, dict[str, Any]]:
    """Metrics of one model's first answers; a metric without questions is left out."""
    known = [row for row in rows if row["known"]]
    tuned = [row for row in known if row["tuned"]]
    untuned = [row for row in known if not row["tuned"] and row["type"] in CLOSED_BOOK_TYPES]
    closed_book = [row for row in tuned if row["type"] in CLOSED_BOOK_TYPES]
    invented = [row for row in rows if not row["known"]]
    right, wrong, abstained = _first_is("correct"), _first_is("wrong"), _first_is("abstained")
    found = {
        "closed_book_accuracy": _mean(closed_book, right),
        **{
            f"closed_book_accuracy/{kind}": _mean([row for row in tuned if row["type"] == kind], right)
            for kind in (*CLOSED_BOOK_TYPES, "signature")
        },
        "false_abstention_rate": _mean(closed_book, abstained),
        "invention_rate": _mean(invented, wrong),
        **{
            f"invention_rate/{kind}": _mean([row for row in invented if row["kind"] == kind], wrong)
            for kind in ("recombined", "edited", "made_up")
        },
        "untuned_fact_accuracy": _mean(untuned, right),
        "untuned_false_abstention_rate": _mean(untuned, abstained),
    }
    return {name: value for name, value in found.items() if value is not None}


def sample_metrics(rows: Sequence[dict]) -> dict[str, dict[str, Any]]:
    """pass@1, pass@n and diversity from n samples to each question."""
    if not rows:
        return {}
    n = len(rows[0]["answers"])
    found = {
        "pass_at_1": _mean(rows, lambda row: row["verdicts"].count("correct") / n),
        f"pass_at_{n}": _mean(rows, lambda row: float("correct" in row["verdicts"])),
        "answer_diversity": _mean(rows, lambda row: len(set(row["answers"])) / n),
    }
    return {name: value for name, value in found.items() if value is not None}


def pairwise(name_a: str, rows_a: Sequence[dict], name_b: str, rows_b: Sequence[dict]) -> dict[str, Any]:
    """Win, tie and loss of a over b on the same questions, with the win rate's interval over facts."""
    outcomes = [judge(a["verdicts"][0], b["verdicts"][0]) for a, b in zip(rows_a, rows_b, strict=True)]
    points = np.array([{"win": 1.0, "tie": 0.5, "loss": 0.0}[outcome] for outcome in outcomes])
    interval: Interval = bootstrap_mean(points, [row["fact"] for row in rows_a])
    reasons: dict[str, int] = {}
    for a, b, outcome in zip(rows_a, rows_b, outcomes, strict=True):
        if outcome != "tie":
            reason = f"{outcome}: {a['verdicts'][0]} against {b['verdicts'][0]}"
            reasons[reason] = reasons.get(reason, 0) + 1
    counts = {kind: outcomes.count(kind) for kind in ("win", "tie", "loss")}
    return {
        "a": name_a,
        "b": name_b,
        **counts,
        "win_rate": interval.as_dict(),
        "reasons": dict(sorted(reasons.items())),
    }


def examples(name: str, rows: Sequence[dict], per_kind: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Some right and some other answers of each type, for people to read."""
    chosen = []
    for question_type in ("describe", "name", "module", "signature", "unknown"):
        of_type = [row for row in rows if (row["type"] if row["known"] else "unknown") == question_type]
        for good in (True, False):
            pool = [row for row in of_type if (row["verdicts"][0] == "correct") == good]
            for i in rng.permutation(len(pool))[:per_kind]:
                row = pool[i]
                chosen.append(
                    {
                        "model": name,
                        "split": "test",
                        "type": question_type,
                        "question": row["text"],
                        "answer": row["answers"][0],
                        "expected": row["expected"],
                        "verdict": row["verdicts"][0],
                    }
                )
    return chosen
