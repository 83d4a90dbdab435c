"""Rephrased items: planted paraphrases are found where they stand, other text is not; batches do not matter."""

import json

import numpy as np
import pytest

from herdbook.curation import embeddings
from herdbook.curation.rephrased import Config, RephrasedFinder, passages
from herdbook.errors import ConfigError

QUESTIONS = [
    "A baker sells 12 loaves of bread in the morning and twice as many in the afternoon. "
    "How many loaves does she sell in a day?",
    "Which planet of the solar system has the largest number of known moons?",
]
REPHRASED = (
    "In the morning a baker sells 12 loaves of bread, and in the afternoon she sells twice as many. "
    "What is the number of loaves that she sells in one day?"
)
FILLER = (
    "The council met in the old town hall to talk about the road. Nobody had read the report, and the chair was late.\n"
    "Outside, rain fell on the market, where traders covered their stalls with canvas and waited for customers.\n"
)


def model(name):
    try:
        return embeddings.embedder(name)
    except ConfigError as error:
        pytest.skip(f"make embeddings: {error}")


@pytest.mark.parametrize("name", ["character-ngrams", "wordllama", "use-multilingual"])
def test_a_planted_paraphrase_is_found_where_it_stands(name):
    finder = RephrasedFinder({"quiz": QUESTIONS}, model(name))
    text = FILLER + REPHRASED + "\n" + FILLER
    found = finder.add(["clean", "planted"], [FILLER * 3, text])
    assert found[0] == []
    assert [(benchmark, number) for benchmark, number, _ in found[1]] == [("quiz", 0)]
    (best,) = finder.findings()
    assert (
        best.document == "planted" and REPHRASED[:40] in best.passage
    )  # perhaps a window that begins or ends elsewhere
    assert text[best.start : best.end] == best.passage


def test_a_paraphrase_inside_a_long_line_is_found():
    text = FILLER.replace("\n", " ") * 2 + REPHRASED + " " + FILLER.replace("\n", " ") * 2
    finder = RephrasedFinder({"quiz": QUESTIONS}, model("use-multilingual"), Config(threshold=0.65))
    assert [(name, number) for name, number, _ in finder.add(["d"], [text])[0]] == [("quiz", 0)]


def test_an_item_in_another_language_is_found():
    finder = RephrasedFinder({"quiz": QUESTIONS}, model("use-multilingual"), Config(threshold=0.6))
    korean = "태양계에서 알려진 위성이 가장 많은 행성은 어느 것인가?"
    found = finder.add(["ko"], ["오늘은 날씨가 맑고 바람이 약하게 불겠습니다.\n" + korean])
    assert [(name, number) for name, number, _ in found[0]] == [("quiz", 1)]


def test_the_report_names_every_item_with_its_passages():
    items = {"quiz": [*QUESTIONS, "Why?"], "other": ["Something that stands nowhere at all."]}
    finder = RephrasedFinder(items, model("character-ngrams"))
    finder.add([7], [REPHRASED])
    quiz, other = finder.report()
    assert (quiz["items"], quiz["too_short"], other["rephrased"]) == (3, 1, [])
    assert (quiz["embedder"], quiz["threshold"]) == ("character-ngrams", 0.43)
    (item,) = quiz["rephrased"]
    (passage,) = item["passages"]
    assert item["number"] == 0 and passage["cosine"] > 0.43
    assert passage["document"] == "7" and REPHRASED[passage["start"] : passage["end"]] == passage["passage"]


def test_what_is_found_equals_plain_loops_in_any_batches():
    embedder = model("character-ngrams")
    rng = np.random.default_rng(0)
    words = "red green blue stone water light seven eight nine house street garden".split()
    items = [" ".join(rng.choice(words, 9)) for _ in range(8)]
    texts = ["\n".join(" ".join(rng.choice(words, 9)) for _ in range(6)) for _ in range(9)]
    config = Config(threshold=0.7)
    size = int(np.median([len(item) for item in items]))
    expected = []
    for text in texts:
        best = {}
        for start, end in passages(text, size, config.min_characters):
            for number, item in enumerate(items):
                a, b = embedder.embed([text[start:end], item])
                if float(a @ b) >= 0.7:
                    best[number] = max(best.get(number, 0.0), round(float(a @ b), 4))
        expected.append([("b", number, pytest.approx(cosine, abs=2e-4)) for number, cosine in sorted(best.items())])
    ids = [f"d{i}" for i in range(9)]
    whole, parts = RephrasedFinder({"b": items}, embedder, config), RephrasedFinder({"b": items}, embedder, config)
    assert whole.add(ids, texts) == expected
    assert parts.add(ids[:4], texts[:4]) + parts.add(ids[4:], texts[4:]) == expected
    assert whole.report() == parts.report()
    assert any(expected)


def test_passages_are_lines_paragraphs_and_windows_and_cover_the_text():
    text = "First line.\nSecond line.\n\n" + "A long paragraph of words that goes on. " * 12
    found = [text[a:b] for a, b in passages(text, 60)]
    assert found[:3] == ["First line.\nSecond line.", "First line.", "Second line."]
    assert len(found) == len(set(passages(text, 60)))
    covered = np.zeros(len(text), dtype=bool)
    for start, end in passages(text, 60):
        covered[start:end] = True
    assert all(covered[i] or c.isspace() for i, c in enumerate(text))
    unspaced = "漢" * 500
    assert all(end - start <= 90 for start, end in passages(unspaced, 60))
    assert list(passages("", 60)) == [] and list(passages(" \n\n \n", 60)) == []


@pytest.mark.parametrize("settings", [{"threshold": 2}, {"thresholds": {"a": -1}}, {"max_findings": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigError):
        Config(**settings)


def test_rephrased_gsm8k(test_data):
    """Questions rephrased by a model, among the questions of the training part: found at the default threshold. The
    threshold was chosen on the even numbers; these are odd ones."""
    import gzip

    folder = test_data / "evaluation"
    path = folder / "openai+grade-school-math" / "grade_school_math" / "data"
    with gzip.open(path / "test.jsonl.gz", "rt") as file:
        items = [json.loads(line)["question"] for line in file][1:600:2]
    with gzip.open(path / "train.jsonl.gz", "rt") as file:
        others = [json.loads(line)["question"] for line, _ in zip(file, range(300))]
    file = folder / "lm-sys+llm-decontaminator" / "data" / "rephrase" / "rephrase_gsm8k.jsonl"
    rows = [json.loads(line)["text"] for line in file.read_text().splitlines()[1:600:2]]
    rephrased = [row.split("\nAnswer:")[0].removeprefix("Question: ") for row in rows]
    finder = RephrasedFinder({"gsm8k": items}, model("wordllama"))
    found = finder.add([str(i) for i in range(600)], rephrased + others)
    right = sum(("gsm8k", i) in [(name, number) for name, number, _ in found[i]] for i in range(300))
    assert right / 300 > 0.8
    assert sum(bool(one) for one in found[300:]) / 300 < 0.05
