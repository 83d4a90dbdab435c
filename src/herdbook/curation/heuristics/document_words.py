"""Figures of a document that its words alone decide (Gopher's quality rules), and the coverage of its lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import HAS_CONTENT, HAS_LETTER, Texts, Words
from herdbook.curation.kernel import inner
from herdbook.curation.wide import digest_of

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""English; Rae et al. 2021, table A1."""


@inner
def _figures(hashes, sizes, flags, bounds, stop_hashes, columns):  # type: ignore[no-untyped-def]
    """columns [4, N]: words with content, their characters, words with a letter, different stop words."""
    for document in range(len(bounds) - 1):
        content = characters = letters = 0
        present = 0
        for i in range(bounds[document], bounds[document + 1]):
            if flags[i] & HAS_CONTENT:
                content += 1
                characters += sizes[i]
            if flags[i] & HAS_LETTER:
                letters += 1
            for k in range(len(stop_hashes)):
                if hashes[i] == stop_hashes[k]:
                    present |= 1 << k
        columns[0, document] = content
        columns[1, document] = characters
        columns[2, document] = letters
        while present:
            columns[3, document] += present & 1
            present >>= 1


@inner
def _line_coverage(text, offsets, starts, sizes, covered, bounds, line_bounds, shares):  # type: ignore[no-untyped-def]
    """For each line (between line feeds) the share of its words' characters that lie in repeated n-grams."""
    row = 0
    for document in range(len(offsets) - 1):
        line_bounds[document] = row
        i, stop = offsets[document], offsets[document + 1]
        word, last = bounds[document], bounds[document + 1]
        while i < stop:
            end = i
            while end < stop and text[end] != 10:
                end += 1
            inside = total = 0
            while word < last and starts[word] < end:
                total += sizes[word]
                if covered[word]:
                    inside += sizes[word]
                word += 1
            shares[row] = inside / total if total else 0.0
            row += 1
            i = end + 1
    line_bounds[len(offsets) - 1] = row
    return row


def word_figures(words: Words, stop_words: Sequence[str] = STOP_WORDS) -> dict[str, npt.NDArray[np.int64]]:
    """n_words, n_content_words, content_characters, n_alphabetic_words, n_stop_words; int64 [N] each. At most 60 stop
    words; they are compared as written, in lower case."""
    n = len(words.bounds_N1) - 1
    hashes = np.array([digest_of(word.encode()) for word in stop_words[:60]], dtype=np.uint64)
    columns = np.zeros((4, n), dtype=np.int64)
    _figures(words.hash_T, words.characters_T, words.flags_T, words.bounds_N1, hashes, columns)
    names = ("n_content_words", "content_characters", "n_alphabetic_words", "n_stop_words")
    return {"n_words": np.diff(words.bounds_N1), **dict(zip(names, columns))}


def line_coverage(
    texts: Texts, words: Words, covered_T: npt.NDArray[np.bool_], n_newlines: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """(share of each line that repeated n-grams cover [L], rows of each text [N + 1])."""
    bounds = np.zeros(len(texts) + 1, dtype=np.int64)
    shares = np.zeros(int(n_newlines.sum()) + len(texts), dtype=np.float32)
    n = _line_coverage(
        texts.data, texts.offsets_N1, words.start_T, words.characters_T, covered_T, words.bounds_N1, bounds, shares
    )  # fmt: skip
    return shares[:n], bounds
