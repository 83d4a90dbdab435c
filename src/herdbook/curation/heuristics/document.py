"""All figures of a document by one call: its words and what is counted of them stay in the processor's cache.

The parts stand in `words.py`, `document_words.py`, `lines.py`, `repetition.py` and `c4_lines.py`; this file has nothing
but the order in which they are asked, and the memory that they share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from herdbook.curation.heuristics import c4_lines, characters, document_words, lines, repetition
from herdbook.curation.heuristics.document_words import StopWords
from herdbook.curation.heuristics.words import Texts, cut_words, special, split_document

if TYPE_CHECKING:
    from herdbook.curation.heuristics.signal_table import Config

_OF_LINES, _OF_WORDS, _OF_NGRAMS = len(lines.COLUMNS), len(document_words.COLUMNS), len(repetition.COLUMNS)
COLUMNS = (
    "n_bytes", *lines.COLUMNS, *document_words.COLUMNS, *repetition.COLUMNS, "n_sentences", "n_lorem_ipsum_lines",
    "n_curly_bracket_lines",
)  # fmt: skip
"""The plain columns, int64 [N] each."""

_line_figures, _n_feeds = lines.line_figures, lines.n_feeds
_word_figures, _line_coverage = document_words.word_figures, document_words.line_coverage
_repetition, _scratch = repetition.repetition, repetition.scratch
_line_states, _n_sentences = c4_lines.line_states, c4_lines.n_sentences
_first_citation, _without_citations = c4_lines.first_citation, c4_lines.without_citations
_LOREM_IPSUM, _CURLY_BRACKET = c4_lines.LOREM_IPSUM, c4_lines.CURLY_BRACKET


@numba.njit(cache=True, nogil=True)
def _room(n):  # type: ignore[no-untyped-def]
    """Rows for n words."""
    return (
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32), np.empty(n, np.uint64),
        np.empty(n, np.uint8),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _measure(  # type: ignore[no-untyped-def]
    text, offsets, letters_apart, tables, stops, lists, short, end_marks, min_words, max_length, columns, states,
    state_bounds, shares, share_bounds, changed,
):  # fmt: skip
    """Fills columns [N, C], the lists with their bounds, and `changed`: documents with marks of citation, whose
    sentences are not counted."""
    table, special_keys, cuts, unit_keys = tables
    stop_hashes, stop_bounds, stop_filters = stops
    most_feeds = longest = 0
    for i in range(len(offsets) - 1):
        columns[i, 0] = offsets[i + 1] - offsets[i]
        columns[i, 7] = _n_feeds(text, offsets[i], offsets[i + 1])
        longest, most_feeds = max(longest, columns[i, 0]), max(most_feeds, columns[i, 7])
    size = 16
    while size < 2 * (most_feeds + 2):
        size *= 2
    line_keys = np.empty(size, np.uint64)
    words = _room(longest // 3 + 1024)
    parts = _scratch(longest // 3 + 1024)
    covered = np.empty(longest // 3 + 1024, np.bool_)
    for i in range(len(offsets) - 1):
        start, stop, apart = offsets[i], offsets[i + 1], letters_apart[i]
        n = split_document(text, start, stop, apart, table, special_keys, cuts, unit_keys, words, np.int64(0))
        while n < 0:
            room = min(2 * len(words[0]), longest + 1024)  # no word has less than a byte
            words, parts, covered = _room(room), _scratch(room), np.empty(room, np.bool_)
            n = split_document(text, start, stop, apart, table, special_keys, cuts, unit_keys, words, np.int64(0))
        starts, _, sizes, hashes, flags = words
        column = columns[i]
        _line_figures(text, start, stop, table, short, line_keys, column[1 : 1 + _OF_LINES])
        column = column[1 + _OF_LINES :]
        a, b = stop_bounds[lists[i]], stop_bounds[lists[i] + 1]
        _word_figures(hashes, sizes, flags, n, stop_hashes, a, b, stop_filters[lists[i]], column)
        column = column[_OF_WORDS:]
        any_covered = _repetition(hashes, sizes, n, parts, covered, column)
        column = column[_OF_NGRAMS:]
        share_bounds[i + 1] = _line_coverage(
            text, start, stop, starts, sizes, covered, any_covered, n, shares, share_bounds[i]
        )
        row = state_bounds[i]
        state_bounds[i + 1] = _line_states(text, start, stop, table, end_marks, min_words, max_length, states, row)
        for k in range(row, state_bounds[i + 1]):
            column[1] += states[k] == _LOREM_IPSUM
            column[2] += states[k] == _CURLY_BRACKET
        changed[i] = _first_citation(text, start, stop) < stop
        if not changed[i]:
            column[0] = _n_sentences(text, start, stop, table, starts, flags, n, states, row)


@numba.njit(cache=True, nogil=True)
def _without(text, offsets, rows, out, out_offsets):  # type: ignore[no-untyped-def]
    """Copies the texts of `rows` without their marks of citation."""
    for number in range(len(rows)):
        begin = out_offsets[number]
        start, stop = offsets[rows[number]], offsets[rows[number] + 1]
        out_offsets[number + 1] = begin + _without_citations(text, start, stop, out[begin:])


@numba.njit(cache=True, nogil=True)
def _sentences(text, offsets, table, starts, flags, bounds, states, state_bounds, rows, counts):  # type: ignore[no-untyped-def]
    """Sentences of texts, of which text k is document rows[k], for whose lines the states are known."""
    for k in range(len(rows)):
        a, b = bounds[k], bounds[k + 1]
        counts[k] = _n_sentences(
            text, offsets[k], offsets[k + 1], table, starts[a:b], flags[a:b], b - a, states, state_bounds[rows[k]]
        )


def _sentences_without_citations(texts: Texts, rows: Any, letters_apart: Any, states: Any, bounds: Any) -> Any:
    """Sentences of the documents `rows`, which have marks of citation: they are taken out before."""
    sizes = np.diff(texts.offsets_N1)[rows]
    copy, offsets = np.empty(int(sizes.sum()), dtype=np.uint8), np.zeros(len(rows) + 1, dtype=np.int64)
    _without(texts.data, texts.offsets_N1, rows, copy, offsets)
    cleaned = Texts(copy, offsets)
    words = cut_words(cleaned, letters_apart[rows])
    counts = np.zeros(len(rows), dtype=np.int64)
    _sentences(
        cleaned.data, offsets, characters.table(), words.start_T, words.flags_T, words.bounds_N1, states, bounds, rows,
        counts,
    )  # fmt: skip
    return counts


def document_figures(
    texts: Texts, letters_apart: Any, stops: StopWords, config: Config
) -> tuple[dict[str, Any], dict[str, tuple[Any, Any]]]:
    """(columns COLUMNS by name, lists by name as (values, bounds [N + 1])): the states of lines as C4 has them, uint8,
    and of lines between line feeds the share that repeated n-grams cover, float32."""
    n = len(texts)
    n_bytes = int(texts.offsets_N1[-1] - texts.offsets_N1[0])
    columns = np.zeros((n, len(COLUMNS)), dtype=np.int64)
    states, shares = np.empty(n_bytes, dtype=np.uint8), np.empty(n_bytes + n, dtype=np.float32)
    state_bounds, share_bounds = np.zeros(n + 1, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    changed = np.zeros(n, dtype=np.bool_)
    special_keys, cuts, unit_keys, _ = special()
    lines_config = config.c4_lines
    _measure(
        texts.data, texts.offsets_N1, letters_apart, (characters.table(), special_keys, cuts, unit_keys),
        (stops.hashes, stops.bounds, stops.filters), stops.list_N, config.short_line_characters,
        lines_config.end_marks, lines_config.min_words_per_line, lines_config.max_word_length, columns, states,
        state_bounds, shares, share_bounds, changed,
    )  # fmt: skip
    if changed.any():
        rows = np.flatnonzero(changed)
        found = _sentences_without_citations(texts, rows, letters_apart, states, state_bounds)
        columns[rows, COLUMNS.index("n_sentences")] = found
    figures = {name: np.ascontiguousarray(columns[:, at]) for at, name in enumerate(COLUMNS)}
    lists = {
        "c4_line_states": (states[: state_bounds[-1]].copy(), state_bounds),
        "line_coverage": (shares[: share_bounds[-1]].copy(), share_bounds),
    }
    return figures, lists
