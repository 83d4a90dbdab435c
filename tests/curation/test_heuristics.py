"""The heuristics engine: words, signals against their slow twins, published thresholds, languages."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pytest
import slow_heuristics as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.curation import heuristics
from herdbook.curation.heuristics import c4_lines, fit, llama3, rules, signal_table, words
from herdbook.curation.heuristics.distribution import word_distribution
from herdbook.errors import ConfigError, InputError


def split(text, language="en"):
    texts = words.texts_of([text])
    return words.split_words(texts, language).strings(texts, 0)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Dr. Smith's well-known book", ["Dr.", "Smith", "'s", "well", "-", "known", "book"]),
        ("It costs $5.00, (or 1,000)!", ["It", "costs", "$", "5.00", ",", "(", "or", "1,000", ")", "!"]),
        ("I don't, she'll; we cannot.", ["I", "do", "n't", ",", "she", "'ll", ";", "we", "can", "not", "."]),
        ("see http://a.example/x?y=1.", ["see", "http://a.example/x?y=1", "."]),
        ("end.Next and/or A/B 5km U.S. USA.",
         ["end", ".", "Next", "and/or", "A", "/", "B", "5", "km", "U.S.", "USA", "."]),
        ("wait... “yes” … no", ["wait", "...", "“", "yes", "”", "…", "no"]),
        ("대한민국의 수도는 서울이다.", ["대한민국의", "수도는", "서울이다", "."]),
        ("!!!", ["!", "!", "!"]),
        ("", []),
        (" \n\t ", []),
    ],
)  # fmt: skip
def test_words(text, expected):
    assert split(text) == expected


@pytest.mark.parametrize(
    "language, text, expected",
    [
        ("zh", "北京是首都。GDP 3.5", ["北", "京", "是", "首", "都", "。", "GDP", "3.5"]),
        ("ja", "東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("th", "ภาษาไทย", ["ภ", "า", "ษ", "า", "ไ", "ท", "ย"]),
    ],
)
def test_scripts_without_spaces_give_letters(language, text, expected):
    assert split(text, language) == expected


TEXTS = st.text(
    alphabet=st.sampled_from("ab .,!?'\"-\n\t…•é漢ไ가😀#{}[]1%\r\u2028\u0085\x00/:@(")
    | st.characters(exclude_categories=["Cs"]),
    max_size=300,
)
SENTENCES = st.lists(
    st.sampled_from(
        ["the cat", "sat", "on.", "the", "mat", "\n", "\n\n", "- a", "x y z.",
         "lorem ipsum", "{", "JavaScript is here.",
         "We use cookies here.", "text [12].", "done. [1]", "why?[edit]", "...",
         "…", "#", "don't", " ", "\r\n", "a b c d e f"]
    ), max_size=60,
).map(" ".join)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS | SENTENCES, max_size=4))
def test_signals_equal_the_slow_twin(texts):
    table = signal_table.signals(texts)
    cut = words.texts_of(texts)
    found = words.split_words(cut, "en")
    states = table["c4_line_states"].to_pylist()
    for i, text in enumerate(texts):
        strings = found.strings(cut, i)
        assert "".join(strings) == "".join(text.split()), "words are the text without its white space"
        for name, value in slow.figures(text, strings).items():
            assert table[name][i].as_py() == value, name
        assert [c4_lines.STATES[s] for s in states[i]] == slow.line_states(text)
        assert len(table["line_coverage"][i].as_py()) in (text.count("\n"), text.count("\n") + 1)


def test_rows_do_not_depend_on_neighbours_batches_or_arrow_layout():
    texts = ["One two three. " * 30, "", "漢字 " * 50, "a\nb\na\nb\n"] * 5
    whole = signal_table.signals(texts)
    small = signal_table.signals(texts, config=signal_table.Config(batch_bytes=1))
    sliced = signal_table.signals(pa.array(["x", *texts, None], type=pa.string()).slice(1, len(texts)))
    chunked = signal_table.signals(pa.chunked_array([texts[:7], texts[7:]]))
    assert whole.equals(small)
    assert whole.equals(sliced)
    assert whole.equals(chunked)
    assert signal_table.signals([]).num_rows == 0


def test_damaged_bytes_are_read_as_characters():
    table = signal_table.signals(pa.array([b"ok \xff\xfe\xc3", b"\xe2\x80", b"\xf0\x9f"], type=pa.binary()))
    assert table["n_words"].to_pylist() == [2, 1, 1]


PROSE = (
    "The river rises in the hills and runs to the sea. It has been used by ships of many kinds for a long time, and "
    "people have built towns along it. Some of them are old. Others were founded when the railway came with its "
    "bridges, and with them came trade. What remains of that time can be seen in museums today."
)


@pytest.mark.parametrize(
    "text, reason",
    [
        (PROSE, None),
        ("", "repetition_empty"),
        ("It has two words more than ten.", "repetition_top_3_gram"),
        (PROSE[:219], "gopher_too_few_words"),
        ("same line here\n" * 40, "repetition_duplicate_lines"),
        (PROSE + "\nA bracket { without an end mark", None),  # such a line is left out before the bracket is seen
        (PROSE + "\nAn open { bracket in here.", "c4_curly_bracket"),
        (PROSE + "\nHere is Lorem Ipsum for you.", "c4_lorem_ipsum"),
        (" ".join(f"w{i}ord" for i in range(200)) + ".", "gopher_few_stop_words"),
        (PROSE.replace("t", "#t"), "gopher_hash_signs"),
        (PROSE.replace(". ", ", "), "c4_few_sentences"),
        (" ".join(["buy now the best and cheap of all"] * 20), "repetition_top_2_gram"),
        (PROSE.replace(". ", ".\n") + "\nHome\nAbout\nLogin\nHelp\nMore\n" * 1, None),
    ],
)
def test_published_rules(text, reason):
    assert heuristics.judge([text])["reason"].to_pylist() == [reason]


def test_thresholds_are_applied_without_reading_again():
    table = heuristics.signals([PROSE, PROSE[:219]])
    assert heuristics.verdicts(table).tolist() == [None, "gopher_too_few_words"]
    loose = heuristics.Config(sets=("gopher_quality",), gopher_quality=rules.gopher_quality.Config(min_words=10))
    assert heuristics.verdicts(table, loose).tolist() == [None, None]
    with pytest.raises(ConfigError, match="no set of rules"):
        heuristics.Config(sets=("gopher",))


def test_c4_keeps_lines():
    text = "Menu\nA line that ends.[12]\nWe use cookies on this site.\nThis one too [edit] ends well!\nNo end mark"
    states = heuristics.signals([text])["c4_line_states"][0].as_py()
    assert [c4_lines.STATES[s] for s in states] == ["no_end_mark", "kept", "policy", "kept", "no_end_mark"]
    assert c4_lines.kept_text(text, np.array(states)) == "A line that ends.\nThis one too  ends well!"
    free = signal_table.Config(c4_lines=c4_lines.Config(end_marks=False))
    states = heuristics.signals([text], config=free)["c4_line_states"][0].as_py()
    assert [c4_lines.STATES[s] for s in states] == ["few_words", "kept", "policy", "kept", "kept"]


def test_too_large_documents_are_named():
    config = heuristics.Config(signals=signal_table.Config(max_document_bytes=1000))
    table = heuristics.judge([PROSE, PROSE * 9, PROSE], config=config)
    assert table["reason"].to_pylist() == [None, "too_large", None]


def test_line_coverage_finds_the_line_that_repeats_itself():
    log = "connection to host lost and tried again " * 6
    text = PROSE + "\n" + log + "\nA last line that is said only once in here."
    table = heuristics.signals([text])
    coverage = table["line_coverage"][0].as_py()
    assert coverage[0] == 0
    assert coverage[1] > 0.95
    assert coverage[2] == 0
    marks = llama3.covered_lines(table, llama3.Config())
    assert log not in llama3.without_lines(text, marks[0])


def test_dirty_words_count_words_and_phrases_in_any_case_and_script():
    config = heuristics.Config(dirty_words=("darn", "heck of a", "똥", "混蛋"))
    texts = ["Darn! A HECK of a darn heck.", "darning", "그는 똥 이다", "你这混蛋啊"]
    table = heuristics.judge(texts, ["en", "en", "ko", "zh"], config)
    assert table["n_dirty_words"].to_pylist() == [3, 0, 1, 1]


def test_divergence_is_that_of_the_formula():
    texts = words.texts_of(["a b b c", "a a", "", "zzz"])
    corpus = word_distribution([words.split_words(words.texts_of(["a b c d"] * 1000))])
    found = heuristics.signals(["a b b c", "a a", "", "zzz"], corpus=corpus)["kl_divergence"].to_pylist()
    q = 1001 / (4000 + 65536)
    assert found[0] == pytest.approx(0.25 * np.log(0.25 / q) * 2 + 0.5 * np.log(0.5 / q))
    assert found[1] == pytest.approx(np.log(1 / q))
    assert found[2] == 0
    assert found[3] == pytest.approx(np.log(65536 + 4000))
    assert len(texts) == 4


def test_fitting_needs_enough_reference():
    with pytest.raises(InputError, match="100"):
        fit.fit_gopher_quality(signal_table.as_arrays(heuristics.signals([PROSE] * 5)))


def _read(path, field="text", n=400):
    with gzip.open(path, "rt") as file:
        return [json.loads(line)[field] for _, line in zip(range(n), file)]


@pytest.mark.parametrize("language, path", [("ko", "kowiki/kowiki-2023"), ("zh", "zhwiki-2024/zhwiki")])
def test_thresholds_fitted_on_a_language_keep_its_encyclopaedia(test_data, language, path):
    texts = [t for t in _read(test_data / "text" / f"{path}.jsonl.gz", n=2000) if len(t) > 300]
    assert len(texts) > 250, "the test needs articles"
    reference, rest = texts[::2], texts[1::2]
    stop = fit.stop_words(reference, language)
    assert len(stop) == 8
    reading = signal_table.Config(stop_words=stop)
    arrays = signal_table.as_arrays(heuristics.signals(reference, language, reading))
    config = heuristics.Config(
        sets=("gopher_quality", "gopher_repetition"), signals=reading,
        gopher_quality=fit.fit_gopher_quality(arrays), gopher_repetition=fit.fit_gopher_repetition(arrays),
    )  # fmt: skip
    english = heuristics.Config(sets=("gopher_quality", "gopher_repetition"))
    kept = np.mean([r is None for r in heuristics.judge(rest, language, config)["reason"].to_pylist()])
    kept_by_english = np.mean([r is None for r in heuristics.judge(rest, language, english)["reason"].to_pylist()])
    assert kept > 0.8
    assert kept > kept_by_english
    noise = ["".join(sorted(text)) for text in rest[:50]]
    assert np.mean([r is None for r in heuristics.judge(noise, language, config)["reason"].to_pylist()]) < 0.3
