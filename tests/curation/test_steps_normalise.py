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

TEXTS = st.lists(
    st.one_of(
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


def test_safe_characters_are_their_own_nfc():
    safe = [chr(c) for low, high in normalise.SAFE for c in range(low, high + 1)]
    assert len(safe) > 40_000
    follows = {pair[-1] for c in map(chr, range(0xA0, 0x30000)) if len(pair := unicodedata.normalize("NFD", c)) > 1}
    for c in safe:
        assert unicodedata.normalize("NFC", c) == c
        assert not unicodedata.combining(c)
        assert c not in follows


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
