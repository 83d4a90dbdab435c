"""Normalisation of batches gives the texts of the slow way, and costs documents without need nothing."""

import gzip
import json
import unicodedata
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from herdbook.curation.documents import Document, schema, to_table
from herdbook.curation.steps import normalise
from herdbook.curation.steps.normalise import normalise_text

PIECES = [
    "x" * 70, "\uac00" * 30, " ", "  \n", "\t\n", "\n", "\n\n", "\n\n\n", "a", "e\u0301", "\u0323\u0301",
    "\u0301\u0323", "\u0344", "\u1100", "\u1161", "\u11a8", "\u212b", "\u0915\u093c", "\u0e01\u0e38\u0e48",
    "\u0e48\u0e38", "\u304b", "\u3099", "\u05d0\u05b7", "\u0627", "\u0653", "\u1ea1", "\u0300", "\U0001d15e",
    "\U00011099\U000110ba", "\xc3", "\xc3\xa9", "\xc2\xa0", "\xe1\u0161", "\u200b", "\x85", "\x7f", "\ufeff",
    "\x01", "\r", "\x0c", "\ufffd", "1",
]  # fmt: skip
CODES = [
    *range(1, 0x3400), *range(0x3400, 0xA000, 97), *range(0xA000, 0xAC10), *range(0xAC10, 0xD790, 97),
    *range(0xD790, 0xD800), *range(0xE000, 0xE100), *range(0xF800, 0x10000), *range(0x11000, 0x11200),
    *range(0x1D100, 0x1D200), 0x1F600,
]  # fmt: skip
TEXTS = st.lists(
    st.one_of(
        st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
        st.text(st.sampled_from("ab \n\t\r\x0c\x00Ã©â€™e\u0301\u0300가ᄀ\u1161\ufeff\u200b\xa0\x85"), max_size=30),
    ),
    max_size=6,
)


def table(texts):
    return to_table([Document(str(i), text, "s", "", "unknown", "prose") for i, text in enumerate(texts)])


@pytest.mark.parametrize(
    "text, expected",
    [
        ("cafe\u0301 \r\nx", "café\nx\n"),
        ("itâ€™s a cafÃ© Ã\xa0 la carte\n", "it’s a café à la carte\n"),
        ("a\x00b\ufeffc\u200b\n\n\n\n\n\nd  \n", "abc\n\n\nd\n"),
        ("Ã is a letter, Ü too, and £5\n", "Ã is a letter, Ü too, and £5\n"),
        ("    indented\n", "    indented\n"),
        ("\u0e01\u0e48\u0e38\n", "\u0e01\u0e38\u0e48\n"),
        ("  \n\t", ""),
        ("no line feed at the end", "no line feed at the end\n"),
        ("\n\ntwo before, three after\n\n\n", "two before, three after\n"),
        ("  \n\t\xa0", ""),
        ("\u3000", ""),
        ("", ""),
    ],
)
def test_texts(text, expected):
    assert normalise.mend(table([text]))[0]["text"].to_pylist() == [expected]
    assert normalise_text(text) == expected


@given(st.text(alphabet=st.characters(), max_size=200))
def test_twice_is_once(text):
    once = normalise_text(text)
    assert normalise_text(once) == once


@given(TEXTS)
def test_same_as_the_slow_way_in_any_batch(texts):
    whole, counts = normalise.mend(table(texts))
    assert whole["text"].to_pylist() == [normalise_text(text) for text in texts]
    assert whole.schema == schema()
    parts = [normalise.mend(table([text])) for text in texts]
    assert whole["text"].to_pylist() == [text for part, _ in parts for text in part["text"].to_pylist()]
    assert counts["documents_normalised"] == sum(c["documents_normalised"] for _, c in parts)


def test_real_text_is_that_of_the_slow_way(test_data):
    for name in ("kowiki/kowiki-2023", "viwiki-2022/viwiki", "enwiki-2015/enwiki-2015"):
        with gzip.open(test_data / "text" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            texts = [json.loads(line)["text"] for line in islice(file, 40)]
        texts += [unicodedata.normalize("NFD", text) for text in texts[:5]]
        assert normalise.mend(table(texts))[0]["text"].to_pylist() == [normalise_text(text) for text in texts]


@pytest.mark.parametrize("form", ["{}", "a{}", "{}\u0301", "\u0327{}", "\xc3{}"])
def test_every_character(form):
    """Each in a line of its own, apart from others by more than is looked at together."""
    lines = [form.format(chr(code)) + "x" * 66 for code in CODES]
    texts = ["\n".join(lines[i : i + 30]) for i in range(0, len(lines), 30)]
    assert normalise.mend(table(texts))[0]["text"].to_pylist() == [normalise_text(text) for text in texts]


def test_part_of_a_table():
    rows = table(["\u200bbefore " * 30, "e\u0301 \n\n\n\nx", "\n", "\u200b\nlast", "after\u200b"]).slice(1, 3)
    found, counts = normalise.mend(rows)
    assert found["text"].to_pylist() == ["\u00e9\n\n\nx\n", "", "last\n"]
    assert counts == {"documents_normalised": 3}
    assert normalise.measure(rows)["normalise_characters"].to_pylist() == [8, 1, 6]


def test_rules():
    texts = ["\ufffd" * 9 + "text\n", "sound\n", ""]
    measured = normalise.measure(table(texts))
    assert measured["normalise_lost"].to_pylist() == [9, 0, 0]
    signals = {name: measured[name].to_numpy() for name in measured.column_names}
    broken = {reason: mask.tolist() for reason, mask in normalise.rules(signals, normalise.Config())}
    assert broken == {"empty": [False, False, True], "lost_bytes": [True, False, False]}
    assert normalise.span(texts[0], "lost_bytes", normalise.Config()) == (0, 1)


def test_missing_text_is_empty():
    rows = table(["a"]).set_column(1, schema().field("text"), pa.array([None], pa.large_string()))
    assert normalise.mend(rows)[0]["text"].to_pylist() == [""]
    assert np.array_equal(normalise.measure(rows)["normalise_characters"].to_numpy(), [0])
