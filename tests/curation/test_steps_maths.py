"""Marks of mathematics counted by a kernel are those that expressions find."""

import gzip
import json
import re
from itertools import islice

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from herdbook.curation.documents import Document, to_table
from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.steps import maths
from herdbook.curation.steps.maths_marks import BLOCK, marks

MARK = re.compile(r"\\[A-Za-z(\[]|\$|<math|[\u2200-\u22ff\U0001d400-\U0001d7ff]")
PIECES = st.sampled_from(
    ["$", "$$", "\\", "\\(", "\\)", "\\[", "\\]", "\\begin{", "\\end{", "equation}", "math}", "<math", "</math>", ">",
     "{", "}", "^2", "x", "y_1", "=", " ", "\n", "5", "a", "\u00e9", "\u2211", "\u21ff", "\u2300", "\U0001d400",
     "\U0001d800", "\uac00", "word " * 14, "word " * 70]
)  # fmt: skip
TEXTS = st.lists(st.lists(PIECES, max_size=14).map("".join), min_size=1, max_size=4)


def slow(text: str) -> tuple[float, int, float]:
    """(share, formulas, unbalanced) of a text, by expressions over all of it."""
    if not MARK.search(text):
        return 0.0, 0, 0.0
    outside, n = maths._FORMULA.subn("", text)
    size = len(text) - len(outside) + sum(map(len, maths._COMMAND.findall(outside))) + len(maths._SIGN.findall(outside))
    ends = re.findall(r"\\(begin|end)\{", text)
    opened, closed = text.count("{") + ends.count("begin"), text.count("}") + ends.count("end")
    return size / len(text), n, abs(opened - closed) / max(1, opened + closed)


def check(texts):
    rows = [Document(str(i), text, "s", "", "unknown", "prose") for i, text in enumerate(texts)]
    found = maths.measure(to_table(rows)).to_pylist()
    assert [tuple(row.values()) for row in found] == [slow(text) for text in texts]


@given(TEXTS)
@example(["$x$ and $y = 2$, not $5 or $6"])
@example(["price \\$5 and $a$b $c$\n$d\n$", "a$x$"])
@example(["x" * (BLOCK - 1) + "\u2211" + "x" * BLOCK, "y" * (2 * BLOCK - 2) + "$z$"])
def test_same_as_the_expressions(texts):
    check(texts)


@given(TEXTS)
def test_a_text_without_a_possible_formula_has_none(texts):
    possible = marks(texts_of(texts)).formula_N
    assert not [text for text, may in zip(texts, possible) if not may and maths._FORMULA.search(text)]


@pytest.mark.parametrize(
    "mark", ["$x$", "\\alpha ", "\\(x\\)", "<math>x</math>", "\u2200", "\u22ff", "\U0001d400", "\U0001d7ff"]
)
def test_a_mark_far_from_others(mark):
    check([(" word" * 60 + mark + " word" * 60)[shift:] for shift in range(BLOCK)])


def test_prices_are_no_formulas():
    assert not marks(texts_of(["It rose from $5 million to $10 million, or by $5/$4."])).formula_N.any()
    assert marks(texts_of(["Let $x$ be."])).formula_N.all()


def test_part_of_a_table():
    column = pa.array(["\\alpha " * 40, "no mark", "$ {{ \u2211", "after"], pa.large_string())
    found = marks(texts_of(column.slice(1, 2)))
    assert (found.marked_N.tolist(), found.opened_N.tolist(), found.signs_N.tolist()) == ([False, True], [0, 2], [0, 1])
    assert found.characters_N.tolist() == [0, 6]


@pytest.mark.parametrize("name", ["enwiki-2015/enwiki-2015", "zhwiki-2024/zhwiki", "libreoffice-help-7.4/de"])
def test_real_text(test_data, name):
    with gzip.open(test_data / "text" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        check([json.loads(line)["text"] for line in islice(file, 60)])
