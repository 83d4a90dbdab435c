"""lid.176 by our kernel: labels and probabilities of fastText's own code, for any line; parts of texts as the slow way
cuts them."""

import gzip
import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_language import identify_line, measured

from herdbook.curation.documents import Document, to_table
from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.steps import language
from herdbook.curation.steps.language import Config
from herdbook.curation.steps.language_kernel import predict
from herdbook.curation.steps.language_model import read_model
from herdbook.errors import HerdbookError

STRANGE = st.text(
    st.sampled_from(
        "ab CD\u00e9\u0130\u00df\u03a3\u0441 \uac00\ub098\u4e2d\u2028\x85\x1c\r\v\0#>.|$1 \U0001f600\U00020000"
    )
)
TEXTS = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), STRANGE)


def check(texts, kinds=("prose",), declared=(None,), config=None):
    config = config or Config()
    rows = [
        Document(str(i), text, "s", "", "unknown", kinds[i % len(kinds)], language=declared[i % len(declared)])
        for i, text in enumerate(texts)
    ]
    found = language.measure(to_table(rows), config).to_pylist()
    for row, document in zip(found, rows):
        wanted = measured(document.text, document.kind, document.language, config)
        lines = (row.pop("language_line_scores"), wanted.pop("language_line_scores"))
        scores = (row.pop("language_score"), wanted.pop("language_score"))
        assert row == wanted
        assert np.allclose(*scores, rtol=0, atol=1e-4)
        assert np.allclose(*lines, rtol=0, atol=1e-4)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_lines_have_fasttexts_labels(lines):
    plain = [line.replace("\n", " ") for line in lines]
    labels, scores = predict(texts_of(plain), language.model())
    for line, label, score in zip(plain, labels.tolist(), scores.tolist()):
        if any(map(str.isalpha, line)):
            code, value = identify_line(line)
            assert language.model().labels[label] == code
            assert abs(score - value) < 1e-5


@pytest.mark.parametrize(
    "line", ["a </s> b c", "</s>", "__label__en hallo welt", "__label__ x", "x\0y z", "\u00e9" * 3000, "word " * 2000]
)
def test_lines_that_fasttext_reads_in_a_way_of_its_own(line):
    (label,), (score,) = predict(texts_of([line]), language.model())
    assert (language.model().labels[label], pytest.approx(float(score), abs=1e-5)) == identify_line(line)


def test_words_of_any_length_are_kept_apart_from_others():
    """Words come again, after many others, in parts, beside ends of the buffer: nothing depends on the neighbours."""
    unit = [
        "abcdefghij" * 5, "\ub9d0\uc5f0\uc2b5\uc744" * 5,
        "\u043f\u0440\u0438\u0432\u0435\u0442" * 4, "x\u00e9\u4e2d\U00020000" * 6,
    ]  # fmt: skip
    words = [text[:n] for text in unit for n in range(1, len(text))]
    lines = [" ".join(words), *words, "\t".join(reversed(words)), "\0".join(words[::3]), *(f"{a} {a}" for a in words)]
    lines += [f"word{i} another{i * i} {i}" for i in range(9000)] + [" ".join(words)]
    together = predict(texts_of(lines), language.model())
    for at in [*range(0, 250, 7), len(lines) - 1]:
        alone = predict(texts_of([lines[at]]), language.model())
        assert (together[0][at], together[1][at]) == (alone[0][0], alone[1][0])
        code, value = identify_line(lines[at])
        if code != language.UNKNOWN:
            assert (language.model().labels[alone[0][0]], pytest.approx(alone[1][0], abs=1e-5)) == (code, value)


@pytest.mark.parametrize("same", [0, 8, 16, 24])
def test_words_that_begin_alike_are_told_apart(same):
    words = [("abcdefgh" * 3)[:same] + f"{i * 7919 % 100_000:05}" for i in range(20_000)]
    together = predict(texts_of([f"{word} x" for word in words]), language.model())
    for at in range(0, len(words), 397):
        alone = predict(texts_of([f"{words[at]} x"]), language.model())
        assert (together[0][at], together[1][at]) == (alone[0][0], alone[1][0])


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.integers(0, 3), st.integers(0, 5))
def test_parts_are_those_of_the_slow_way(texts, n_lines, shortest):
    config = Config(lines=n_lines, min_line_characters=shortest, line_characters=7)
    check(texts, ("prose", "code", "statement"), (None, "en-US", None, "xx"), config)


@pytest.mark.parametrize(
    "text",
    [
        "ALL IN UPPER CASE, AS HEADLINES ARE\n" * 90,
        "\u00dcBERALL GROSSE BUCHSTABEN\n" * 90,
        "한국어 방송 KBS 뉴스\n" * 300,
        "UPPER CASE FIRST\n" * 130 + "then one long line in lower case " * 90,
        ">>> print(1)\n1\n# comment\n| a | b |\n" * 30,
        "1 2 3 4 5 6 7 8 9\n" * 500,
        "word " * 700,
        "1     2     3     4\n" * 9,
        "",
        "\n\n  \n",
    ],
)
def test_parts_of_odd_texts(text):
    check([text])


def test_real_text_in_thirty_languages(test_data: Path):
    texts = []
    for file in sorted((test_data / "text" / "libreoffice-help-7.4").glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in islice(lines, 20)]
    for name in ("kowiki/kowiki-2023", "enwiki-2015/enwiki-2015", "zhwiki-2024/zhwiki", "viwiki-2022/viwiki"):
        with gzip.open(test_data / "text" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in islice(lines, 30)]
    check(texts)


@pytest.mark.parametrize("data", [b"", b"not a model at all", bytes(200)])
def test_another_file_is_refused(data, tmp_path):
    (tmp_path / "lid.ftz").write_bytes(data)
    with pytest.raises(HerdbookError, match=r"lid\.176\.ftz"):
        read_model(tmp_path / "lid.ftz")
