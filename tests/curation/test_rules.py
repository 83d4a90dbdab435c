"""Every rule has a text that it drops and one that it leaves; fast ways agree with the slow ones."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herdbook.curation import c4, code_rules, gopher_quality, gopher_repetition, language, normalise, pii
from herdbook.curation.documents import Document

GOOD = (
    "The shepherd opens the gate in the morning, and the herd walks down to the river. There the animals drink and "
    "rest in the shade of the old trees that grow along the bank. In the evening they return to the fold, where the "
    "dogs have kept watch over the lambs, and everything is quiet until the next day begins with the first light.\n"
)


def document(text: str, kind: str = "prose", path: str = "a.py", source: str = "user") -> Document:
    return Document("x", text, source, path, "unknown", kind)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("cafe\u0301 \r\nx", "café\nx\n"),
        ("itâ€™s a cafÃ© Ã\xa0 la carte\n", "it’s a café à la carte\n"),
        ("a\x00b\ufeffc\u200b\n\n\n\n\n\nd  \n", "abc\n\n\nd\n"),
        ("Ã is a letter, Ü too, and £5\n", "Ã is a letter, Ü too, and £5\n"),
        ("  \n\t", ""),
        ("    indented\n", "    indented\n"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise.normalise_text(text) == expected


@given(st.text(alphabet=st.characters(), max_size=200))
def test_normalise_twice_is_once(text: str) -> None:
    once = normalise.normalise_text(text)
    assert normalise.normalise_text(once) == once


def test_lost_bytes() -> None:
    verdicts = normalise.judge([document("\ufffd" * 9 + "text"), document(GOOD), document("")], normalise.Config())
    assert [drop and drop.reason for drop in verdicts] == ["lost_bytes", None, "empty"]


@pytest.mark.parametrize(
    "text, reason",
    [
        (GOOD, None),
        ("Too short.", "too_few_words"),
        ("a b c d e f g the of and to " * 20, "short_words"),
        ("incomprehensibilities " * 30, "long_words"),
        ("the #tag of #tag and #tag to #tag " * 10, "hash_signs"),
        ("and so on ... everybody goes ... along with the ... others that have ... nothing better\n" * 2, "ellipses"),
        ("- the item of a list\n" * 20, "bullet_lines"),
        ("and it goes on to the...\n" * 20, "ellipsis_lines"),
        ("the of 1234 3456 7890 1112 2233 4455 6677 889012 3456 and 1234 with 9900", "few_alphabetic_words"),
        ("alpha beta gamma delta epsilon zeta theta kappa lambda sigma omega rho tau upsilon", "few_stop_words"),
    ],
)
def test_gopher_quality(text: str, reason: str | None) -> None:
    drop = gopher_quality.judge_text(text, gopher_quality.Config())
    assert (drop and drop.reason) == reason


def test_published_thresholds_are_stricter() -> None:
    short = "Return the number of items in a container that the caller gave to it."
    assert gopher_quality.judge_text(short, gopher_quality.Config()) is None
    drop = gopher_quality.judge_text(short, gopher_quality.gopher())
    assert drop is not None
    assert drop.reason == "too_few_words"


@pytest.mark.parametrize(
    "text, reason",
    [
        (GOOD, None),
        ("one line of text\n" * 4 + GOOD, "duplicate_lines"),
        (GOOD + GOOD + "A line between the two.\n", "duplicate_lines"),
        ("\n\n".join([GOOD.strip()] * 2 + [f"line {i} is new" for i in range(9)]), "duplicate_line_characters"),
        ("again and again " * 3 + "it goes on", "top_2_gram"),
    ],
)
def test_gopher_repetition(text: str, reason: str | None) -> None:
    drop = gopher_repetition.judge_text(text, gopher_repetition.gopher())
    assert (drop and drop.reason) == reason


@given(
    st.lists(st.sampled_from(["a", "bb", "the", "herd", "walks", "\n", "\n\n", "to"]), max_size=60), st.integers(0, 9)
)
def test_repetition_fast_is_slow(parts: list[str], seed: int) -> None:
    """The NumPy way gives the same reason as plain loops, on repetitive texts at low limits."""
    rng = random.Random(seed)
    config = gopher_repetition.Config(
        max_duplicate_lines=rng.choice([0.3, 1.0]), max_duplicate_line_characters=1.0, max_duplicate_paragraphs=1.0,
        max_duplicate_paragraph_characters=1.0, min_words=rng.choice([0, 20]),
        max_top_ngram=(rng.choice([0.2, 1.0]), rng.choice([0.18, 1.0]), 1.0),
        max_duplicate_ngrams=tuple(rng.choice([limit, 1.0]) for limit in (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)),
    )  # fmt: skip
    text = " ".join(parts)
    drop = gopher_repetition.judge_text(text, config)
    assert (drop and drop.reason) == gopher_repetition.judge_text_slowly(text, config)


@pytest.mark.parametrize(
    "text, reason",
    [
        (GOOD, None),
        ("Lorem ipsum dolor sit amet.", "lorem_ipsum"),
        ("This site uses cookies.\nRead our privacy policy.\n", "policy"),
        ("no sentence ends here", "few_sentences"),
    ],
)
def test_c4(text: str, reason: str | None) -> None:
    drop = c4.judge_text(text, c4.Config())
    assert (drop and drop.reason) == reason


PROGRAM = "import os\n\n\ndef here():\n    return os.getcwd()\n\n\nif __name__ == '__main__':\n    print(here())\n"


@pytest.mark.parametrize(
    "text, reason",
    [
        (PROGRAM, None),
        ("x = 1\n", "too_few_lines"),
        ("# Automatically generated by gen.py, do not edit\n" + PROGRAM, "generated"),
        (PROGRAM + "s = '" + "x" * 1001 + "'\n", "long_line"),
        ("\n".join(f"a{i} = '{'long ' * 30}'" for i in range(9)), "long_lines"),
        ("T = [\n" + "".join(f"    {i * 7919}, {i * 104729}, 0x{i:08x},\n" for i in range(50)) + "]\n", "data_file"),
        ("(((\n)))\n!!!\n***\n;;;\n&&&\n", "few_alphanumeric"),
        ("def f(:\n    pass\n\nx = 1\ny = 2\nz = 3\n", "syntax_error"),
        ("print 'an old one'\nimport a\nimport b\nimport c\nimport d\n", "syntax_error"),
    ],
)
def test_code(text: str, reason: str | None) -> None:
    (drop,) = code_rules.judge([document(text, "code")], code_rules.Config())
    assert (drop and drop.reason) == reason


def test_code_is_not_judged_as_prose_nor_prose_as_code() -> None:
    code, prose = document(PROGRAM, "code"), document("x", "prose")
    for judge in (gopher_quality.judge, gopher_repetition.judge, c4.judge):
        config = {gopher_quality.judge: gopher_quality, gopher_repetition.judge: gopher_repetition, c4.judge: c4}[
            judge
        ].Config()
        assert judge([code], config) == [None]
    assert code_rules.judge([prose], code_rules.Config()) == [None]


def test_licence_header_is_cut() -> None:
    header = "#!/usr/bin/env python\n# Copyright 2020 Somebody\n# Licensed under the MIT licence.\n\n"
    assert code_rules.without_license_header(header + PROGRAM) == "#!/usr/bin/env python\n" + PROGRAM
    assert code_rules.without_license_header("# A comment.\n" + PROGRAM) == "# A comment.\n" + PROGRAM
    only = "# Copyright nobody\n"
    assert code_rules.without_license_header(only) == only


@pytest.mark.parametrize(
    "text, expected, n",
    [
        ("write to jane.doe@mail.org!", "write to name@example.com!", 1),
        ("keep a@example.com and b@x.invalid", "keep a@example.com and b@x.invalid", 0),
        ("@property\ndef f(): x @ y", "@property\ndef f(): x @ y", 0),
        ("<a+b@c.co.uk>, d@e.fr", "<name@example.com>, name@example.com", 2),
    ],
)
def test_emails(text: str, expected: str, n: int) -> None:
    assert pii.mask_emails(text) == (expected, n)


def test_languages() -> None:
    korean = document(
        "라마는 안데스 산맥에 사는 동물이며 털이 부드럽고 사람을 잘 따릅니다. 짐을 나르는 데에도 쓰입니다."
    )
    docs, scores = language.label([document(GOOD), korean, document(PROGRAM, "code"), document("12 34 56")])
    assert [d.language for d in docs] == ["en", "ko", None, "und"]
    assert scores[0] > 0.8
    assert scores[1] > 0.8
    verdicts = language.judge(docs, scores, language.Config(languages=("en",)))
    assert [drop and drop.reason for drop in verdicts] == [None, "other_language", None, "no_language"]
    kept = replace(korean, language="ko")
    assert language.label([kept]) == ([kept], [1.0])
