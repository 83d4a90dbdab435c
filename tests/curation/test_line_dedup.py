"""Line-level deduplication against plain counting."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from herdbook.curation.dedup.lines import Config, LineCounts
from herdbook.errors import ConfigError


def key(line):
    stripped = line.strip("".join(map(chr, range(33))))
    return "".join(c.lower() if c.isascii() else c for c in stripped)


def slow(texts, most):
    counts = Counter(key(line) for text in texts for line in text.split("\n") if key(line))
    result = []
    for text in texts:
        lines = text.split("\n")
        ends = [True] * (len(lines) - 1) + [False]
        result.append("".join(li + "\n" * e for li, e in zip(lines, ends) if counts.get(key(li), 0) <= most))
    return result


def deduplicated(texts, most, batches=1):
    counts = LineCounts()
    for part in np.array_split(np.array([*texts, ""], dtype=object)[:-1], batches):
        counts.add(part.tolist())
    texts_out, dropped = counts.without_frequent_lines(texts, Config(max_occurrences=most))
    return texts_out.to_pylist(), dropped.tolist()


LINES = st.lists(st.sampled_from(["menu", " Menu\t", "a line", "é", "É", "", "  ", "x" * 9, "y", "\r"]), max_size=12)


@given(st.lists(LINES.map("\n".join), max_size=8), st.integers(1, 4))
def test_equals_plain_counting(texts, most):
    assert deduplicated(texts, most)[0] == slow(texts, most)


def test_a_line_seen_seven_times_goes_and_one_seen_six_times_stays():
    texts = [f"Accept all cookies\nText number {i}\n" + ("Six times\n" if i < 6 else "") for i in range(7)]
    found, dropped = deduplicated(texts, 6)
    assert found == [text.replace("Accept all cookies\n", "") for text in texts]
    assert dropped == [1] * 7


def test_the_table_grows_and_batches_do_not_matter():
    rng = np.random.default_rng(0)
    texts = ["\n".join(f"line {i}" for i in rng.integers(0, 40_000, 300)) for _ in range(200)]
    whole = deduplicated(texts, 2)
    assert whole == deduplicated(texts, 2, batches=7)
    assert whole[0] == slow(texts, 2)


def test_arrow_slices_and_bounds():
    counts = LineCounts()
    column = pa.array(["other", "a\nb", "a"], type=pa.string()).slice(1)
    counts.add(column)
    assert (counts.n_lines, counts.n_documents) == (2, 2)
    found, _ = counts.without_frequent_lines(column, Config(max_occurrences=1))
    assert found.to_pylist() == ["b", ""]
    found, _ = counts.without_frequent_lines(column, Config(max_occurrences=1, min_characters=2))
    assert found.to_pylist() == ["a\nb", "a"]
    with pytest.raises(ConfigError):
        Config(max_occurrences=0)
