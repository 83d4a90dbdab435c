"""Decontamination: planted items are found, others are not; ratios equal those of plain loops."""

import gzip
import json

import numpy as np
import pytest
from slow_shingles import words

from herdbook.curation.decontaminate import Config, Decontaminator, contained_items
from herdbook.errors import ConfigError

ITEM = "A train leaves the station at nine and travels at sixty miles an hour. When does it arrive in the next town?"
FILLER = "Nothing of the kind stands here, only some words that fill the page and have no other use than that. "


def test_an_item_is_found_in_other_spelling_and_layout():
    text = FILLER + ITEM.upper().replace(" ", "\n  ").replace(".", " --") + FILLER
    assert contained_items([FILLER, text], {"maths": ["something else " * 9, ITEM]}) == [[], [("maths", 1, 1.0)]]


def test_half_an_item_is_contained_by_a_lower_threshold():
    half = " ".join(ITEM.split()[:12])
    assert contained_items([half], {"maths": [ITEM]}) == [[]]
    found = contained_items([half], {"maths": [ITEM]}, Config(thresholds={"maths": 0.5}))
    assert found == [[("maths", 0, pytest.approx(12 / len(words(ITEM))))]]


def test_an_item_spread_over_documents_is_contaminated_though_no_document_holds_it():
    cut = ITEM.split()
    finder = Decontaminator({"maths": [ITEM]})
    assert finder.add([" ".join(cut[:13])]) == [[]]
    assert finder.add([FILLER, " ".join(cut[9:])]) == [[], []]
    (item,) = finder.items()
    assert (item.ratio, item.contaminated, item.documents) == (1.0, True, ())


def test_short_items_are_looked_for_whole_and_very_short_ones_are_reported():
    finder = Decontaminator({"facts": ["Paris is the capital", "What is it?", ""]})
    assert finder.add(["We know that Paris is the capital of France.", "Paris is a capital. What is it?"]) == [
        [("facts", 0, 1.0)],
        [],
    ]
    assert finder.report() == [
        {
            "benchmark": "facts", "threshold": 0.8, "items": 3, "too_short": 2,
            "contaminated": [{"number": 0, "ratio": 1.0, "documents": [0]}],
        }
    ]  # fmt: skip


def slow_ratio(item, texts, n=8):
    """The measure in plain loops."""
    target = words(item)
    width = min(n, len(target))
    grams = set()
    for text in texts:
        cut = words(text)
        grams |= {tuple(cut[i : i + width]) for i in range(len(cut) - width + 1)}
    inside = [False] * len(target)
    for i in range(len(target) - width + 1):
        if tuple(target[i : i + width]) in grams:
            inside[i : i + width] = [True] * width
    return sum(inside) / len(target)


def test_ratios_equal_those_of_plain_loops():
    rng = np.random.default_rng(0)

    def text(n):
        return " ".join(f"w{i}" for i in rng.integers(0, 6, n))

    items = [text(int(n)) for n in rng.integers(4, 25, 60)]
    texts = [text(int(n)) for n in rng.integers(0, 400, 12)]
    finder = Decontaminator({"random": items}, Config(threshold=0.3))
    found = finder.add(texts[:5]) + finder.add(texts[5:])
    assert [item.ratio for item in finder.items()] == pytest.approx([slow_ratio(item, texts) for item in items])
    expected = [
        [("random", i, pytest.approx(r)) for i, item in enumerate(items) if (r := slow_ratio(item, [text])) >= 0.3]
        for text in texts
    ]
    assert found == expected
    assert any(expected)


@pytest.mark.parametrize("settings", [{"threshold": 0}, {"thresholds": {"a": 2}}, {"ngram": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigError):
        Config(**settings)


def test_real_questions_planted_in_real_articles(test_data):
    path = test_data / "evaluation" / "openai+grade-school-math" / "grade_school_math" / "data" / "test.jsonl.gz"
    with gzip.open(path, "rt") as file:
        questions = [json.loads(line)["question"] for _, line in zip(range(400), file)]
    with gzip.open(test_data / "text" / "enwiki-2015" / "enwiki-2015.jsonl.gz", "rt") as file:
        articles = [json.loads(line)["text"] for _, line in zip(range(300), file)]
    planted = list(range(0, len(questions), 4))
    for place, number in enumerate(planted):
        text = articles[place]
        articles[place] = text[: len(text) // 2] + "\n" + questions[number] + "\n" + text[len(text) // 2 :]
    finder = Decontaminator({"gsm8k": questions})
    found = finder.add(articles)
    assert [[number for _, number, _ in items] for items in found[: len(planted)]] == [[n] for n in planted]
    assert not any(found[len(planted) :])
    assert {item.number for item in finder.items() if item.contaminated} == set(planted)
