"""Figures of a document that its words alone decide (Gopher's quality rules), and the coverage of its lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from herdbook.curation.heuristics.lines import feed
from herdbook.curation.heuristics.words import HAS_CONTENT, HAS_LETTER, I64, U64
from herdbook.curation.kernel import inner
from herdbook.curation.wide import digest_of

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""English; Rae et al. 2021, table A1."""
COLUMNS = ("n_words", "n_content_words", "content_characters", "n_alphabetic_words", "n_stop_words")
"""What `word_figures` writes of each document."""
MOST_STOP_WORDS = 60


@dataclass(frozen=True)
class StopWords:
    """Lists of stop words by number: the hashes of list g are hashes[bounds[g]:bounds[g + 1]]. Words are compared as
    written, in lower case; of each list the first `MOST_STOP_WORDS` count."""

    hashes: U64
    bounds: I64
    filters: U64
    """For each list a bit for the last six bits of each hash: most words are none of it by that alone."""
    list_N: I64
    """Number of the list of each document."""


def stop_words_of(languages: Sequence[str | None], usual: Sequence[str], own: Mapping[str, Sequence[str]]) -> StopWords:
    """The lists for documents in `languages`: a language's own, where it has one that is not empty, else the usual."""
    numbers = {code: i for i, code in enumerate((code for code, words in own.items() if words), 1)}
    lists = (tuple(usual), *(tuple(own[code]) for code in numbers))
    of_document = np.array([numbers.get(code or "", 0) for code in languages], dtype=np.int64)
    return StopWords(*_hashed(lists), of_document)


@lru_cache(maxsize=4)
def _hashed(lists: tuple[tuple[str, ...], ...]) -> tuple[U64, I64, U64]:
    """(hashes, bounds, filters) of lists."""
    hashes = [np.array([digest_of(w.encode()) for w in words[:MOST_STOP_WORDS]], dtype=np.uint64) for words in lists]
    filters = [np.bitwise_or.reduce(np.uint64(1) << (values & np.uint64(63))) for values in hashes]
    return np.concatenate(hashes), np.cumsum([0, *map(len, hashes)]), np.array(filters, dtype=np.uint64)


@inner
def word_figures(hashes, sizes, flags, n, stop_hashes, first, last, stop_filter, column):  # type: ignore[no-untyped-def]
    """Writes COLUMNS of a document of n words; its stop words are stop_hashes[first:last]."""
    content = characters = letters = 0
    present = np.uint64(0)
    for i in range(n):
        if flags[i] & HAS_CONTENT:
            content += 1
            characters += sizes[i]
        if flags[i] & HAS_LETTER:
            letters += 1
        if (stop_filter >> (hashes[i] & np.uint64(63))) & np.uint64(1):
            for k in range(first, last):
                if hashes[i] == stop_hashes[k]:
                    present |= np.uint64(1) << np.uint64(k - first)
    column[0] = n
    column[1] = content
    column[2] = characters
    column[3] = letters
    while present:
        column[4] += 1
        present &= present - np.uint64(1)


@inner
def line_coverage(text, start, stop, starts, sizes, covered, any_covered, n, shares, row):  # type: ignore[no-untyped-def]
    """Writes for each line of a document (between line feeds) the share of its words' characters that lie in repeated
    n-grams, from `row` on. Returns the next row."""
    word = 0
    i = start
    while i < stop:
        end, _ = feed(text, i, stop)
        inside = total = 0
        while any_covered and word < n and starts[word] < end:
            total += sizes[word]
            if covered[word]:
                inside += sizes[word]
            word += 1
        shares[row] = inside / total if total else 0.0
        row += 1
        i = end + 1
    return row
