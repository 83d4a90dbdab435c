"""Grading, wordings and names that do not exist."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from herdbook.tasks import unknown_names
from herdbook.tasks.grading import ABSTAIN, DescriptionIndex, grade, judge, token_f1, words
from herdbook.tasks.phrasings import (
    CLOSERS,
    OPENERS,
    QUESTION_TYPES,
    SPLITS,
    TEMPLATES,
    as_task,
    sample_phrasing,
)

FACTS = {
    "shutil.copytree": "Recursively copy a directory tree.",
    "shutil.rmtree": "Recursively delete a directory tree.",
    "math.sqrt": "Return the square root of x.",
}
INDEX = DescriptionIndex(FACTS)


def question(kind: str, expected: str, *, known: bool = True, fact: str = "shutil.copytree") -> dict:
    return {"type": kind, "fact": fact, "known": known, "expected": expected}


@pytest.mark.parametrize(
    ("kind", "answer", "verdict"),
    [
        ("describe", "Recursively copy a directory tree.", "correct"),
        ("describe", "recursively copy a directory TREE", "correct"),
        ("describe", "Recursively delete a directory tree.", "wrong"),  # F1 0.8, but another fact is nearer
        ("describe", "Copy.", "wrong"),
        ("describe", ABSTAIN, "abstained"),
        ("name", "`shutil.copytree`", "correct"),
        ("name", "shutil.copytree", "correct"),
        ("name", "`shutil.copy`", "wrong"),
        ("name", "", "wrong"),
    ],
)
def test_known_questions(kind, answer, verdict):
    expected = FACTS["shutil.copytree"] if kind == "describe" else "`shutil.copytree`"
    assert grade(question(kind, expected), answer, INDEX) == verdict


def test_signatures_are_equal_up_to_spaces():
    asked = question("signature", "`f(a, b=1)`")
    assert grade(asked, "`f(a,b=1)`", INDEX) == "correct"
    assert grade(asked, "`f(a, b=2)`", INDEX) == "wrong"


def test_a_name_that_does_not_exist_wants_an_honest_answer():
    asked = question("describe", ABSTAIN, known=False, fact="shutil.urlopen")
    assert grade(asked, ABSTAIN, INDEX) == "correct"
    assert grade(asked, "Opens a URL.", INDEX) == "wrong"


def test_correct_beats_abstention_beats_wrong():
    order = ["wrong", "abstained", "correct"]
    for (i, a), (j, b) in itertools.product(enumerate(order), repeat=2):
        assert judge(a, b) == ("win" if i > j else "loss" if i < j else "tie")


@given(st.text(), st.text())
def test_token_f1_is_symmetric_and_bounded(a, b):
    score = token_f1(words(a), words(b))
    assert score == token_f1(words(b), words(a))
    assert 0.0 <= score <= 1.0


@given(st.lists(st.sampled_from("copy delete a directory tree root of x return square".split()), max_size=12))
def test_nearest_score_equals_the_exhaustive_one(tokens):
    assert INDEX.nearest_score(tokens) == max(token_f1(tokens, words(text)) for text in FACTS.values())


def test_wordings_of_the_splits_are_disjoint():
    for kind in QUESTION_TYPES:
        seen = [template.lower() for split in SPLITS for template in TEMPLATES[kind][split]]
        assert len(seen) == len(set(seen))
    assert not set(OPENERS["sft"]) & set(OPENERS["preference"])
    assert set(OPENERS) == set(CLOSERS) == {"sft", "preference"}  # judged wordings stand alone


def test_sampled_wordings_come_from_their_split():
    rng = np.random.default_rng(0)
    for kind, split in itertools.product(QUESTION_TYPES, SPLITS):
        assert {sample_phrasing(kind, split, rng).template for _ in range(200)} <= set(TEMPLATES[kind][split])


@pytest.mark.parametrize(
    ("summary", "task"),
    [
        ("Return the square root of x.", "return the square root of x"),
        ("IPv4 address of the host.", "IPv4 address of the host"),
    ],
)
def test_as_task(summary, task):
    assert as_task(summary) == task


def test_unknown_names_do_not_exist_and_the_parts_are_disjoint():
    real = frozenset(["shutil", "shutil.copytree", "shutil.rmtree", "math", "math.sqrt", "os.path.join"])
    found = {}
    for part in ("train", "validation", "test"):
        names = unknown_names.generate(
            sorted(real - {"shutil", "math"}), real, ["shutil", "math"], part, np.random.default_rng(1)
        )
        found[part] = {name: kind for kind, name in itertools.islice(names, 120)}
        assert not set(found[part]) & real
        assert set(found[part].values()) >= {"edited", "made_up"}
    assert set(found["train"].values()) == set(unknown_names.KINDS)
    assert not set(found["train"]) & set(found["test"])
    assert not set(found["train"]) & set(found["validation"])
    assert not set(found["validation"]) & set(found["test"])
