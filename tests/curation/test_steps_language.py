"""The language step: labels of the document way, lines evenly over the text, rules for prose only."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.curation.documents import Document, to_table
from herdbook.curation.steps import language
from herdbook.curation.steps.language import Config

ENGLISH = "The shepherd opens the gate in the morning and the herd walks down to the river."
KOREAN = "아침에 목동이 문을 열면 양 떼가 강가로 내려가 물을 마시고 그늘에서 쉰다고 한다."
FRENCH = "Le berger ouvre la barrière le matin et le troupeau descend vers la rivière pour boire."
DOCUMENTS = [
    Document("a", ENGLISH + "\n" + ENGLISH + "\n", "s", "", "unknown", "prose"),
    Document("b", KOREAN + "\n", "s", "", "unknown", "prose"),
    Document("c", "\n".join([ENGLISH] * 3 + [FRENCH]) + "\n", "s", "", "unknown", "prose"),
    Document("d", "1234 5678\n", "s", "", "unknown", "prose"),
    Document("e", "def f(x):\n    return x\n", "s", "a.py", "unknown", "code"),
    Document("f", "", "s", "", "unknown", "statement"),
    Document("g", ENGLISH, "s", "", "unknown", "prose", language="fr"),
]


def signals(table, measured):
    return {name: measured[name].to_numpy() for name in measured.column_names} | {"kind": table["kind"].to_numpy()}


def test_labels():
    measured = language.measure(to_table(DOCUMENTS))
    assert measured["language_label"].to_pylist() == ["en", "ko", "en", "und", None, "und", "fr"]
    assert measured["language_line_labels"].to_pylist() == [
        ["en", "en"], ["ko"], ["en", "en", "en", "fr"], [], [], [], ["en"],
    ]  # fmt: skip
    assert measured["language_main_share"][2].as_py() == 3 * len(ENGLISH) / (3 * len(ENGLISH) + len(FRENCH))
    assert language.labelled(to_table(DOCUMENTS), measured)["language"].to_pylist()[1] == "ko"


def test_labels_are_those_of_one_text_at_a_time():
    measured = language.measure(to_table(DOCUMENTS))
    for place, document in enumerate(DOCUMENTS):
        given = document.kind == "code" or document.language
        label, score = (document.language, 1.0) if given else language.identify(document.text)
        assert measured["language_label"][place].as_py() == label
        assert measured["language_score"][place].as_py() == round(score, 4)


def test_long_prose_is_sure_and_figures_have_no_language():
    assert language.identify(ENGLISH)[0] == "en"
    assert language.identify(ENGLISH)[1] > 0.8
    korean = "라마는 안데스 산맥에 사는 동물이며 털이 부드럽고 사람을 잘 따릅니다. 짐을 나르는 데에도 쓰입니다."
    assert language.identify(korean)[0] == "ko"
    assert language.identify(korean)[1] > 0.8
    assert language.identify("12 34 56") == ("und", 0.0)


def test_rules():
    table = to_table(DOCUMENTS)
    columns = signals(table, language.measure(table))
    config = Config(languages=("en",), min_line_share=0.9)
    broken = {reason: np.flatnonzero(mask).tolist() for reason, mask in language.rules(columns, config)}
    assert broken == {"no_language": [3], "other_language": [1, 3, 6], "mixed_languages": [2, 6]}
    assert [reason for reason, _ in language.rules(columns, Config())] == ["no_language"]


def test_lines_lie_evenly():
    text = "\n".join(f"this is line number {i:03d} of the text" for i in range(100))
    lines = language.lines_of(text, Config(lines=4, line_characters=23))
    assert lines == [f"this is line number {i:03d}" for i in (0, 25, 50, 75)]
    assert language.lines_of("short\n" * 9, Config()) == []
    assert language.lines_of(text, Config(lines=0)) == []


@settings(max_examples=20)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), max_size=5))
def test_batches_do_not_matter(texts):
    documents = [Document(str(i), text, "s", "", "unknown", "prose") for i, text in enumerate(texts)]
    whole = language.measure(to_table(documents)).to_pylist()
    assert whole == [row for document in documents for row in language.measure(to_table([document])).to_pylist()]


def test_a_declared_language_loses_its_region() -> None:
    tags = ["en-US", "ko", "zh_Hans_CN", "EN"]
    rows = [Document(f"{i}", "x y z", "s", "", "", "prose", language=tag) for i, tag in enumerate(tags)]
    measured = language.measure(to_table(rows))
    assert measured["language_label"].to_pylist() == ["en", "ko", "zh", "en"]
    english = language.rules({"kind": ["prose"] * 4, **measured.to_pydict()}, language.Config(languages=("en",)))
    assert dict(english)["other_language"].tolist() == [False, True, True, False]
