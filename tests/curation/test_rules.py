"""Every published rule for prose has a text that it drops, and good prose breaks none."""

import numpy as np
import pytest

from herdbook.curation import heuristics
from herdbook.curation.heuristics import c4, gopher_quality, gopher_repetition
from herdbook.curation.steps.reference_documentation import reference_documentation

GOOD = (
    "The shepherd opens the gate in the morning, and the herd walks down to the river. There the animals drink and "
    "rest in the shade of the old trees that grow along the bank. In the evening they return to the fold, where the "
    "dogs have kept watch over the lambs, and everything is quiet until the next day begins with the first light.\n"
)


def broken(rules, text, config):
    """The reasons of all rules of a set that a text breaks."""
    table = heuristics.signals([text])
    signals = {name: np.asarray(table[name].to_numpy(zero_copy_only=False)) for name in table.column_names}
    return [reason for reason, mask in rules(signals, config) if mask[0]]


@pytest.mark.parametrize(
    "text, reason",
    [
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
def test_gopher_quality(text, reason):
    assert f"gopher_{reason}" in broken(gopher_quality.rules, text, gopher_quality.Config())
    assert broken(gopher_quality.rules, GOOD, gopher_quality.Config()) == []


@pytest.mark.parametrize(
    "text, reason",
    [
        ("one line of text\n" * 4 + GOOD, "duplicate_lines"),
        (GOOD + GOOD + "A line after the two.", "duplicate_lines"),
        ("\n\n".join([GOOD.strip()] * 2 + [f"line {i} is new" for i in range(9)]), "duplicate_line_characters"),
        ("\n\n".join([GOOD.strip()] * 2 + [f"line {i} is new" for i in range(9)]), "duplicate_paragraph_characters"),
        ("\n\n".join(["again"] * 9 + [GOOD]), "duplicate_paragraphs"),
        ("again and again " * 3 + "it goes on", "top_2_gram"),
        ((GOOD.strip() + " ") * 2, "duplicate_5_grams"),
        ((GOOD.strip() + " ") * 2, "duplicate_10_grams"),
    ],
)
def test_gopher_repetition(text, reason):
    assert f"repetition_{reason}" in broken(gopher_repetition.rules, text, gopher_repetition.Config())
    assert broken(gopher_repetition.rules, GOOD, gopher_repetition.Config()) == []


@pytest.mark.parametrize(
    "text, reason",
    [
        ("Lorem ipsum dolor sit amet, it says.", "lorem_ipsum"),
        ("Here { is a bracket in it.", "curly_bracket"),
        ("no sentence ends here", "few_sentences"),
        ("This site uses cookies.\nRead our privacy policy.\n", "few_sentences"),  # such lines do not count
    ],
)
def test_c4(text, reason):
    assert f"c4_{reason}" in broken(c4.rules, text, c4.Config())
    assert broken(c4.rules, GOOD * 2, c4.Config()) == []


def test_published_thresholds_are_stricter_than_those_for_reference_documentation():
    short = "Return the number of items in a container that the caller gave to it."
    assert broken(gopher_quality.rules, short, reference_documentation().gopher_quality) == []
    assert broken(gopher_quality.rules, short, gopher_quality.Config()) == ["gopher_too_few_words"]
