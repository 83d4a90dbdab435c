"""Every kernel on bytes that nobody would call text: nothing crashes, nothing depends on the neighbours.

`NUMBA_BOUNDSCHECK=1 pytest tests/curation/test_kernel_fuzz.py` also checks each access to an array (compiled
anew, half a minute).
"""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.curation import decontaminate, dedup, heuristics
from herdbook.curation.dedup import exact
from herdbook.curation.dedup.lines import Config as LinesConfig
from herdbook.curation.dedup.lines import LineCounts
from herdbook.curation.heuristics.distribution import word_distribution
from herdbook.curation.heuristics.rules import SETS
from herdbook.curation.heuristics.words import split_words, texts_of
from herdbook.curation.steps import language
from herdbook.curation.steps.language_kernel import predict
from herdbook.curation.steps.language_parts import parts
from herdbook.curation.steps.licence_marks import stating
from herdbook.curation.steps.maths_marks import marks
from herdbook.curation.steps.normalise_kernel import look
from herdbook.curation.steps.personal_data_lines import possible_lines

PIECES = st.sampled_from(
    [b"\xff", b"\xe2\x80", b"\xf0\x9f\x98", b"\xc3", b"\x80\x80", b"\x00", b"...", b"'s", b"n't", b"[1]", b"[",
     b"[edit",
     b"{", b"javascript", b"lorem ipsu", b"use cookies",
     b"\r\n", b"\n\n", b"\xe2\x80\xa9", b"\xc2\x85", b"http://a.b/",
     b"@", b"a.b", b"U.S.", b"Mr.", b"5km", b"$9", b"\xe6\xbc\xa2\xe5\xad\x97", b"\xe0\xb8\x97\xe0\xb8\xb5\xe0\xb9\x88",
     b"5@b", b"1-234-567 89", b"::", b"\xd9\xa1", b"under", b"publ", b"ic domain", b"\\begin{", b"$", b"\xe2\x88\x91",
     b"\xe2\x80\x8b", b"e\xcc\x81", b"\xc3\xa1\xc5\xa1", b"</s>", b"</s", b"\x85", b"\r",
     b"the", b"of", b" ", b"-", b"--", b"a" * 1001, b"\xf4\x90\x80\x80", b"\xed\xa0\x80"]
)  # fmt: skip
BYTES = st.binary(max_size=200) | st.lists(PIECES, max_size=40).map(b"".join) | st.lists(PIECES).map(b" ".join)


def judged(texts, languages):
    corpus = word_distribution([split_words(texts_of(pa.array([b"the of a"], pa.binary())))])
    config = heuristics.Config(sets=SETS, dirty_words=("the of", "漢字"))
    return heuristics.judge(pa.array(texts, pa.binary()), languages, config, corpus=corpus)


@settings(max_examples=150, deadline=None)
@given(st.lists(BYTES, min_size=1, max_size=4), st.sampled_from(["en", "zh", "ko", None]))
def test_heuristics(texts, language):
    together = judged(texts, language)
    alone = pa.concat_tables([judged([text], language) for text in texts])
    assert together.equals(alone)
    assert all(0 <= share <= 1 for shares in together["line_coverage"].to_pylist() for share in shares)


@settings(max_examples=100, deadline=None)
@given(st.lists(BYTES, max_size=6))
def test_dedup_lines_and_contamination(texts):
    column = pa.array(texts, pa.binary())
    found = dedup.near_duplicates(column)
    assert all(found.kept[twin] for twin in found.kept_instead[~found.kept])
    first = {}
    for i, text in enumerate(texts):
        twin = first.setdefault(text, i)
        if twin != i and found.kept[i]:
            assert found.kept[twin], "of equal texts one stays, or all where there is no word"
    counts = LineCounts()
    counts.add(column)
    shorter, dropped = counts.without_frequent_lines(column, LinesConfig(max_occurrences=1))
    sizes = np.diff(np.frombuffer(shorter.buffers()[1], np.int64)[: len(texts) + 1]) if texts else np.zeros(0)
    assert all(size <= len(text) for size, text in zip(sizes, texts))
    assert all((size < len(text)) == (n > 0) for size, text, n in zip(sizes, texts, dropped))
    assert len(decontaminate.contained_items(column, {"x": ["the of the of the of the of a"]})) == len(texts)


def seen(texts):
    """What the kernels of the steps see in each text: marks of mathematics and licences, lines to normalise, lines that
    may hold personal data, languages."""
    given = texts_of(pa.array(texts, pa.binary()))
    of, found = marks(given), look(given)
    lines = np.zeros(len(texts), np.int64)
    np.add.at(lines, np.searchsorted(given.offsets_N1, found.start_L, side="right") - 1, 1)
    possible = possible_lines(given)
    here = np.ones(len(texts), np.bool_)
    cut = parts(given, here, here, 50, 3, 4, 20)
    labels, scores = predict(cut.texts, language.model())
    return [
        (
            *(column[i].item() for column in (*vars(of).values(), *stating(given), found.whole_N, lines, cut.unsure_N)),
            [(line.text, line.before, line.kinds) for line in possible if line.document == i],
            labels[cut.bounds_N1[i] : cut.bounds_N1[i + 1]].tolist(),
            scores[cut.bounds_N1[i] : cut.bounds_N1[i + 1]].tolist(),
        )
        for i in range(len(texts))
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(BYTES | BYTES.map(lambda text: text + b"word " * 20 + text), min_size=1, max_size=4))
def test_steps(texts):
    assert seen(texts) == [row for text in texts for row in seen([text])]


@settings(max_examples=100, deadline=None)
@given(st.lists(BYTES, max_size=6))
def test_exact_keys(texts):
    found = exact.keys(pa.array(texts, pa.binary())).to_pylist()
    assert found == [exact.keys(pa.array([text], pa.binary()))[0].as_py() for text in texts]
    assert found == exact.keys(pa.array([b" " + text + b"\n" for text in texts], pa.binary())).to_pylist()


@pytest.mark.parametrize("unit", [b"a", b"ab ", b"!", b".", b"\xe6\xbc\xa2", b"\n", b"[1]", b"'", b"a-", b"\xff"])
def test_one_long_line(unit):
    text = unit * (400_000 // len(unit))
    table = judged([text, b"after"], "en")
    assert table["n_bytes"].to_pylist() == [len(text), 5]
    assert dedup.near_duplicates(pa.array([text, b"after it", text], pa.binary())).kept[1]
