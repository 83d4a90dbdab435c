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
from herdbook.curation.heuristics.words import Texts, special, split_document

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
    state_bounds, shares, share_bounds,
):  # fmt: skip
    """Fills columns [N, C], and the lists with their bounds."""
    table, special_keys, cuts, unit_keys = tables
    stop_hashes, stop_bounds, stop_filters = stops
    most_feeds = longest = np.int64(0)
    for i in range(len(offsets) - 1):
        columns[i, 0] = offsets[i + 1] - offsets[i]
        columns[i, 7] = _n_feeds(text, offsets[i], offsets[i + 1])
        longest = np.int64(max(longest, columns[i, 0]))
        most_feeds = np.int64(max(most_feeds, columns[i, 7]))
    size = 16
    while size < 2 * (most_feeds + 2):
        size *= 2
    line_keys = np.empty(size, np.uint64)
    words = _room(longest // 3 + 1024)
    parts = _scratch(longest // 3 + 1024)
    covered = np.empty(longest // 3 + 1024, np.bool_)
    cleaned = np.empty(0, np.uint8)
    for i in range(len(offsets) - 1):
        start, stop, apart = offsets[i], offsets[i + 1], letters_apart[i]
        n = split_document(text, start, stop, apart, table, special_keys, cuts, unit_keys, words, np.int64(0))
        while n < 0:
            room = min(2 * len(words[0]), longest + 1024) + len(words[0]) // 2
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
        if _first_citation(text, start, stop) == stop:
            column[0] = _n_sentences(text, start, stop, table, starts, flags, n, states, row)
            continue
        # sentences are counted in the text without its marks of citation
        if len(cleaned) < stop - start + 64:
            cleaned = np.empty(stop - start + 64, np.uint8)
        end = np.int64(_without_citations(text, start, stop, cleaned))
        n = split_document(cleaned, np.int64(0), end, apart, table, special_keys, cuts, unit_keys, words, np.int64(0))
        while n < 0:
            room = 2 * len(words[0])
            words, parts, covered = _room(room), _scratch(room), np.empty(room, np.bool_)
            n = split_document(
                cleaned, np.int64(0), end, apart, table, special_keys, cuts, unit_keys, words, np.int64(0)
            )
        column[0] = _n_sentences(cleaned, np.int64(0), end, table, words[0], words[4], n, states, row)


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
    special_keys, cuts, unit_keys, _ = special()
    lines_config = config.c4_lines
    _measure(
        texts.data, texts.offsets_N1, letters_apart, (characters.table(), special_keys, cuts, unit_keys),
        (stops.hashes, stops.bounds, stops.filters), stops.list_N, config.short_line_characters,
        lines_config.end_marks, lines_config.min_words_per_line, lines_config.max_word_length, columns, states,
        state_bounds, shares, share_bounds,
    )  # fmt: skip
    figures = {name: np.ascontiguousarray(columns[:, at]) for at, name in enumerate(COLUMNS)}
    lists = {
        "c4_line_states": (states[: state_bounds[-1]].copy(), state_bounds),
        "line_coverage": (shares[: share_bounds[-1]].copy(), share_bounds),
    }
    return figures, lists
