"""WordLlama (Miller 2024): the mean of a text's token vectors, trained from Llama's input embeddings. English, fast.

Weights (32,000 tokens of Llama 2's vocabulary, 256 numbers each) and vocabulary come from the files of the package
`wordllama`, which is not imported. No token of this vocabulary goes on after a letter with a space, so a text's tokens
are those of its words; each different word is encoded once and remembered, and the rest is adding up vectors (Numba).
The whole text is read, not windows of it.
Shape letters: N texts, E 256, W words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from herdbook.curation.embeddings.embedder import F32, packaged, unit
from herdbook.curation.heuristics.words import texts_of

PACKAGE, MODULE = "wordllama", "wordllama"
MAX_WORDS = 2_000_000
"""Words remembered; when there are more, all are forgotten (memory: about 40 bytes each)."""
MAX_WORD_BYTES = 64
"""Longer words are cut: what follows counts as another word, so that text without spaces costs no more than other."""


@numba.njit(cache=True, nogil=True, inline="always")
def _word_end(text, i, stop, longest):  # type: ignore[no-untyped-def]
    """End of the word that begins at i: its spaces, then what is no space."""
    end = i
    while end < stop and text[end] == 32 and end - i < longest:
        end += 1
    while end < stop and text[end] != 32 and (end - i < longest or (text[end] & 0xC0) == 0x80):
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
def _place(keys, key):  # type: ignore[no-untyped-def]
    mask = np.int64(len(keys) - 1)
    at = np.int64(key >> np.uint64(20)) & mask
    while keys[at] != 0 and keys[at] != key:
        at = (at + 1) & mask
    return at


@numba.njit(cache=True, nogil=True)
def _new_words(text, offsets, keys, begins, longest, out):  # type: ignore[no-untyped-def]
    """Enters unknown words into the table and writes (start, end, place, begins its text) of each; returns their
    number, or -1 - that number when there is no more room for any."""
    n = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        start = i
        while i < stop:
            end = _word_end(text, i, stop, longest)
            key = _key(text, i, end, i == start)
            at = _place(keys, key)
            if keys[at] == 0:
                if n == len(out):
                    return -1 - n
                keys[at] = key
                begins[at] = -1
                out[n, 0], out[n, 1], out[n, 2], out[n, 3] = i, end, at, i == start
                n += 1
            i = end
    return n


@numba.njit(cache=True, nogil=True, fastmath=False)
def _add_up(text, offsets, keys, begins, counts, tokens, table, longest, out):  # type: ignore[no-untyped-def]
    width = table.shape[1]
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        start = i
        row = out[document]
        while i < stop:
            end = _word_end(text, i, stop, longest)
            at = _place(keys, _key(text, i, end, i == start))
            for t in range(begins[at], begins[at] + counts[at]):
                vector = table[tokens[t]]
                for e in range(width):
                    row[e] += vector[e]
            i = end


class WordLlama:
    """Static vectors: order of words is not seen."""

    name = "wordllama"
    dim = 256
    languages: tuple[str, ...] = ("en",)

    def __init__(self) -> None:
        import tokenizers
        from safetensors.numpy import load_file

        weights = load_file(str(packaged(PACKAGE, MODULE, "weights", "l2_supercat_256.safetensors")))
        self.table = np.ascontiguousarray(weights["embedding.weight"].astype(np.float32))
        path = packaged(PACKAGE, MODULE, "tokenizers", "l2_supercat_tokenizer_config.json")
        self._whole = tokenizers.Tokenizer.from_file(str(path))
        self._whole.no_padding()
        self._whole.no_truncation()
        self._inside = tokenizers.Tokenizer.from_str(
            self._whole.to_str()
        )  # for words inside a text: nothing before them
        self._inside.normalizer = tokenizers.normalizers.Replace(" ", "▁")
        self._forget()

    def _forget(self) -> None:
        self._keys = np.zeros(1 << 16, dtype=np.uint64)
        self._begins = np.zeros(1 << 16, dtype=np.int64)
        self._counts = np.zeros(1 << 16, dtype=np.int32)
        self._tokens = np.zeros(1 << 16, dtype=np.int32)
        self._n_words = self._n_tokens = 0

    def embed(self, texts: Sequence[str] | Any) -> F32:
        """Unit vectors [N, 256] of a sequence of `str` or an Arrow array of strings."""
        given = texts_of(texts)
        sums = np.zeros((len(given), self.dim), dtype=np.float32)
        # texts a few at a time, so that the table of words holds all words of those
        first = 0
        while first < len(given):
            last = int(np.searchsorted(given.offsets_N1, given.offsets_N1[first] + (1 << 22), side="right")) - 1
            last = min(max(last, first + 1), len(given))
            offsets = given.offsets_N1[first : last + 1]
            self._learn(given.data, offsets)
            _add_up(
                given.data, offsets, self._keys, self._begins, self._counts, self._tokens, self.table,
                MAX_WORD_BYTES, sums[first:last],
            )  # fmt: skip
            first = last
        return unit(sums)

    def _learn(self, data: Any, offsets: Any) -> None:
        """Enters the words of these texts that are not known yet."""
        if self._n_words > MAX_WORDS:
            self._forget()
        while True:
            room = len(self._keys) // 2 - self._n_words
            found = np.zeros((max(0, room), 4), dtype=np.int64)
            n = int(_new_words(data, offsets, self._keys, self._begins, MAX_WORD_BYTES, found))
            full, n = n < 0, -1 - n if n < 0 else n
            self._enter(data, found[:n])
            if not full:
                return
            self._grow()

    def _enter(self, data: Any, found_W4: Any) -> None:
        for tokenizer, wanted in ((self._whole, 1), (self._inside, 0)):
            rows = found_W4[found_W4[:, 3] == wanted]
            words = [data[a:b].tobytes().decode("utf-8", "replace") for a, b in rows[:, :2].tolist()]
            for place, encoding in zip(rows[:, 2].tolist(), tokenizer.encode_batch(words, add_special_tokens=False)):
                ids = encoding.ids
                if self._n_tokens + len(ids) > len(self._tokens):
                    self._tokens = np.resize(self._tokens, 2 * len(self._tokens) + len(ids))
                self._tokens[self._n_tokens : self._n_tokens + len(ids)] = ids
                self._begins[place], self._counts[place] = self._n_tokens, len(ids)
                self._n_tokens += len(ids)
        self._n_words += len(found_W4)

    def _grow(self) -> None:
        keys, begins, counts = self._keys, self._begins, self._counts
        self._keys = np.zeros(4 * len(keys), dtype=np.uint64)
        self._begins = np.zeros(len(self._keys), dtype=np.int64)
        self._counts = np.zeros(len(self._keys), dtype=np.int32)
        _move(keys, begins, counts, self._keys, self._begins, self._counts)


@numba.njit(cache=True, nogil=True)
def _move(keys, begins, counts, new_keys, new_begins, new_counts):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        if keys[i] != 0:
            at = _place(new_keys, keys[i])
            new_keys[at], new_begins[at], new_counts[at] = keys[i], begins[i], counts[i]
