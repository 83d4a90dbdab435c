"""Counts entries of a word list (Llama 3, section 3.1.1: dirty words): words and phrases, in any case.

Entries are cut into words as texts are, so a phrase is found as a row of whole words, and an entry in a script without
spaces as a row of letters. No list comes with the package: the user gives one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import U64, Words, letters_apart, split_words, texts_of


@dataclass(frozen=True)
class WordList:
    """Hashes of the entries in open tables, for texts with spaces and without, and the words of the longest entry."""

    spaced: U64
    apart: U64
    longest: int


@numba.njit(cache=True, nogil=True)
def _phrase_hashes(folded, bounds, result):  # type: ignore[no-untyped-def]
    for i in range(len(bounds) - 1):
        value = np.uint64(0)
        for k in range(bounds[i], bounds[i + 1]):
            value = (value ^ (value >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15) + folded[k]
        result[i] = value


@numba.njit(cache=True, nogil=True)
def _insert(keys, values):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(keys) - 1)
    for value in values:
        if value == 0:
            continue
        at = (value ^ (value >> np.uint64(29))) & mask
        while keys[at] != 0 and keys[at] != value:
            at = (at + np.uint64(1)) & mask
        keys[at] = value


@numba.njit(cache=True, nogil=True)
def _count(folded, bounds, apart, spaced_keys, apart_keys, longest, result):  # type: ignore[no-untyped-def]
    for document in range(len(bounds) - 1):
        keys = apart_keys if apart[document] else spaced_keys
        mask = np.uint64(len(keys) - 1)
        stop = bounds[document + 1]
        total = 0
        for i in range(bounds[document], stop):
            value = np.uint64(0)
            for k in range(i, min(i + longest, stop)):
                value = (value ^ (value >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15) + folded[k]
                at = (value ^ (value >> np.uint64(29))) & mask
                while keys[at] != 0 and keys[at] != value:
                    at = (at + np.uint64(1)) & mask
                if keys[at] == value:
                    total += 1
        result[document] = total


def word_list(entries: Iterable[str]) -> WordList:
    """A list made ready for counting. Blank entries are left out."""
    kept = sorted({entry.strip().lower() for entry in entries if entry.strip()})
    tables, longest = [], 1
    for language in ("en", "zh"):
        words = split_words(texts_of(kept), language)
        longest = max(longest, int(np.diff(words.bounds_N1).max(initial=1)))
        hashes = np.zeros(len(kept), dtype=np.uint64)
        _phrase_hashes(words.folded_T, words.bounds_N1, hashes)
        keys = np.zeros(1 << max(4, (len(kept) * 4).bit_length()), dtype=np.uint64)
        _insert(keys, hashes)
        tables.append(keys)
    return WordList(tables[0], tables[1], longest)


def count_entries(
    words: Words, entries: WordList, languages: Sequence[str | None] | str | None = "en"
) -> npt.NDArray[np.int64]:
    """How often entries occur in each document [N]; a phrase and a word inside it both count."""
    n = len(words.bounds_N1) - 1
    apart = letters_apart(languages, n)
    result = np.zeros(n, dtype=np.int64)
    _count(words.folded_T, words.bounds_N1, apart, entries.spaced, entries.apart, entries.longest, result)
    return result
