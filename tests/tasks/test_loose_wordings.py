"""Loosened wordings keep what decides the answer, and only that."""

import re

import numpy as np
import pytest

from herdbook.tasks.loose_wordings import common_words, loosen
from herdbook.tasks.phrasings import TEMPLATES, sample_phrasing

WORDS = "the of and reach level garden open with seven".split()
SLOTS = re.compile(r"\{(name|short|summary|task)\}")


def test_common_words_counts_texts_and_not_occurrences():
    assert common_words(["a red red red fox", "the fox", "The fox ran"], n=2) == ["fox", "ran"]


@pytest.mark.parametrize("kind", sorted(TEMPLATES))
def test_the_slot_of_the_fact_stays_once(kind):
    rng = np.random.default_rng(1)
    for template in TEMPLATES[kind]["sft"] + TEMPLATES[kind]["preference"]:
        for _ in range(40):
            loose = loosen(template, WORDS, rng)
            assert SLOTS.findall(loose) == SLOTS.findall(template)
            loose.format(name="os.read", short="read", noun="function", summary="S.", task="t")
            assert loose.count("`") in (0, template.count("`"))


def test_words_that_decide_the_type_stay():
    rng = np.random.default_rng(2)
    for _ in range(300):
        loose = loosen("What is the signature of `{name}`?", WORDS, rng)
        assert "signature" in loose.lower()


def test_loosened_wordings_differ_and_repeat_with_the_seed():
    def drawn(seed):
        rng = np.random.default_rng(seed)
        return [loosen("What is the purpose of `{name}`?", WORDS, rng) for _ in range(100)]

    assert drawn(3) == drawn(3)
    assert len(set(drawn(3))) > 60


def test_the_share_is_kept():
    def loosened(share):
        rng = np.random.default_rng(4)
        templates = set(TEMPLATES["describe"]["sft"])
        return sum(sample_phrasing("describe", "sft", rng, share, WORDS).template not in templates for _ in range(2000))

    assert loosened(0.0) == 0
    assert 800 < loosened(0.5) < 1050  # a few loosened wordings come out as they were
