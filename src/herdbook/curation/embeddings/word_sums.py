"""Weighted sums of token vectors: each different word of a text is cut into tokens once and remembered (Numba).

What it needs: tokens of a word do not depend on the words around it. Then a text's tokens are those of its words, and
the rest is adding up vectors. A word is its blanks (bytes up to 32) and what follows up to the next blank;
whether it begins its text is part of it. The whole text is read.
Shape letters: N texts, E numbers of a vector, W words, T tokens of all words, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.embeddings.embedder import F32

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Encode = Callable[[U8, I64], tuple[I32, I32]]
"""From bytes and rows of (start, end, place, is first) [W, 4] to (tokens of all words [T], how many of each [W])."""
MAX_WORDS = 2_000_000
"""Words remembered; when there are more, all are forgotten (memory: 40 bytes each, and 4 for a token)."""
MAX_TOKENS = 16_000_000
"""The same for the tokens of the words."""
MAX_WORD_BYTES = 64
"""Longer words are cut: what follows counts as another word, so that text without spaces costs no more than other."""


@numba.njit(cache=True, nogil=True, inline="always")
def _word_end(text, i, stop, longest):  # type: ignore[no-untyped-def]
    """End of the word that begins at i: its blanks, then what is no blank."""
    end = i
    while end < stop and text[end] <= 32 and end - i < longest:
        end += 1
    while end < stop and text[end] > 32 and (end - i < longest or (text[end] & 0xC0) == 0x80):
        end += 1
    return end


@numba.njit(cache=True, nogil=True, inline="always")
def _key(text, start, end, is_first):  # type: ignore[no-untyped-def]
    """64-bit hash of a word; that it begins its text is part of it."""
    value = np.uint64(0xCBF29CE484222325) ^ np.uint64(is_first)
    for i in range(start, end):
        value = (value ^ np.uint64(text[i])) * np.uint64(0x100000001B3)
    value = (value ^ (value >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return (value ^ (value >> np.uint64(32))) | np.uint64(1)


@numba.njit(cache=True, nogil=True, inline="always")
def _place(slots, key):  # type: ignore[no-untyped-def]
    mask = np.int64(len(slots) - 1)
    at = np.int64(key >> np.uint64(20)) & mask
    while slots[at, 0] != 0 and slots[at, 0] != key:
        at = (at + 1) & mask
    return at


@numba.njit(cache=True, nogil=True)
def _look_up(text, offsets, slots, longest, places, bounds, out):  # type: ignore[no-untyped-def]
    """Writes the place of each word in the table, and how many words there are up to the end of each document. Enters
    unknown words and writes (start, end, place, begins its text) of each to `out`; returns their number, or -1 - that
    number when there is no more room for any, and places are not complete."""
    n = n_words = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        start = i
        while i < stop:
            end = _word_end(text, i, stop, longest)
            key = _key(text, i, end, i == start)
            at = _place(slots, key)
            if slots[at, 0] == 0:
                if n == len(out):
                    return -1 - n
                slots[at, 0] = key
                out[n, 0], out[n, 1], out[n, 2], out[n, 3] = i, end, at, i == start
                n += 1
            places[n_words] = at
            n_words += 1
            i = end
        bounds[document + 1] = n_words
    return n


@numba.njit(cache=True, nogil=True, fastmath=False)
def _add_up(places, bounds, slots, tokens, table, weights, shifts, out):  # type: ignore[no-untyped-def]
    width = table.shape[1]
    for document in range(len(bounds) - 1):
        row = out[document]
        shift = np.float32(0)
        for word in range(bounds[document], bounds[document + 1]):
            known = slots[places[word], 1]
            begin = np.int64(known >> np.uint64(16))
            for t in range(begin, begin + np.int64(known & np.uint64(0xFFFF))):
                token = tokens[t]
                weight = weights[token]
                vector = table[token]
                for e in range(width):
                    row[e] += weight * np.float32(vector[e])
                shift += shifts[token]
        for e in range(width):
            row[e] += shift


@numba.njit(cache=True, nogil=True)
def _move(slots, new_slots):  # type: ignore[no-untyped-def]
    for i in range(len(slots)):
        if slots[i, 0] != 0:
            new_slots[_place(new_slots, slots[i, 0])] = slots[i]


class WordSums:
    """Sums of w(t) * table(t) + s(t) over the tokens t of a text; knows the words that it has met."""

    def __init__(self, table_VE: Any, weights_V: F32, shifts_V: F32, encode: Encode) -> None:
        """`table_VE` float32 or uint8; weights and shifts of each token, float32."""
        self.table, self.weights, self.shifts = table_VE, weights_V, shifts_V
        self._encode = encode
        self._forget()

    def _forget(self) -> None:
        # hash of a word, and where its tokens begin << 16 | how many they are: side by side, for one miss of the cache
        self._slots = np.zeros((1 << 16, 2), dtype=np.uint64)
        self._tokens = np.zeros(1 << 16, dtype=np.int32)
        self._n_words = self._n_tokens = 0

    def __call__(self, data: U8, offsets_N1: I64) -> F32:
        """Sums [N, E] of the texts, which lie in `data` from offset to offset."""
        n = len(offsets_N1) - 1
        sums = np.zeros((n, self.table.shape[1]), dtype=np.float32)
        # texts a few at a time, so that the table of words holds all words of those
        first = 0
        while first < n:
            last = int(np.searchsorted(offsets_N1, offsets_N1[first] + (1 << 22), side="right")) - 1
            last = min(max(last, first + 1), n)
            places, bounds = self._learn(data, offsets_N1[first : last + 1])
            _add_up(
                places, bounds, self._slots, self._tokens, self.table, self.weights, self.shifts, sums[first:last]
            )  # fmt: skip
            first = last
        return sums

    def _learn(self, data: U8, offsets: I64) -> tuple[I32, I64]:
        """(places of the words of these texts in the table, bounds of each text's words); new words are entered."""
        if self._n_words > MAX_WORDS or self._n_tokens > MAX_TOKENS:
            self._forget()
        places = np.empty(int(offsets[-1] - offsets[0]), dtype=np.int32)
        bounds = np.zeros(len(offsets), dtype=np.int64)
        while True:
            room = len(self._slots) // 2 - self._n_words
            found = np.empty((max(0, room), 4), dtype=np.int64)
            n = int(_look_up(data, offsets, self._slots, MAX_WORD_BYTES, places, bounds, found))
            full, n = n < 0, -1 - n if n < 0 else n
            self._enter(data, found[:n])
            if not full:
                return places, bounds
            self._grow()

    def _enter(self, data: U8, found_W4: I64) -> None:
        tokens, counts = self._encode(data, found_W4)
        needed = self._n_tokens + len(tokens)
        if needed > len(self._tokens):
            self._tokens = np.resize(self._tokens, max(2 * len(self._tokens), needed))
        self._tokens[self._n_tokens : needed] = tokens
        begins = self._n_tokens + np.cumsum(counts, dtype=np.int64) - counts
        self._slots[found_W4[:, 2], 1] = (begins << 16 | counts).astype(np.uint64)
        self._n_tokens = needed
        self._n_words += len(found_W4)

    def _grow(self) -> None:
        slots = self._slots
        self._slots = np.zeros((4 * len(slots), 2), dtype=np.uint64)
        _move(slots, self._slots)
