"""Tokens of words by merges (byte-pair encoding over characters, as SentencePiece does it for Llama 2), in Numba.

A word starts as its characters, blanks as "▁", a character without a token of its own as the tokens of its bytes; then
the pair of neighbours whose merge was learnt first becomes one token, the leftmost of equals, until there is none.
Shape letters: W words, T tokens of all words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.embeddings.open_table import find

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
NONE = np.int32(1 << 30)
"""Rank of a pair that has no merge."""
META = 0x2581
"""The character for a blank, "▁"."""


class Merges(NamedTuple):
    """A vocabulary as the kernel wants it."""

    token_of_character: I32
    """By code point; -1: none."""
    token_of_byte: I32
    keys: npt.NDArray[np.uint64]
    """Pairs of tokens, hashed: left << 32 | right, plus one; 0: free."""
    ranks: I32
    merged: I32


def merges_from(model: dict[str, Any]) -> Merges:
    """From the field `model` of a tokenizer's JSON file: `vocab` and `merges`, with bytes to fall back on."""
    vocab = model["vocab"]
    characters = np.full(0x110000, -1, dtype=np.int32)
    for piece, token in vocab.items():
        if len(piece) == 1:
            characters[ord(piece)] = token
    in_bytes = np.array([vocab[f"<0x{byte:02X}>"] for byte in range(256)], dtype=np.int32)
    pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]
    triples = np.array([(vocab[a], vocab[b], vocab[a + b]) for a, b in pairs], dtype=np.int64)
    size = 1 << (2 * len(pairs)).bit_length()
    made = Merges(
        characters, in_bytes, np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int32),
        np.zeros(size, dtype=np.int32),
    )  # fmt: skip
    _fill(triples, made.keys, made.ranks, made.merged)
    return made


@numba.njit(cache=True, nogil=True)
def _fill(triples, keys, ranks, merged):  # type: ignore[no-untyped-def]
    for rank in range(len(triples)):
        key = (np.uint64(triples[rank, 0]) << np.uint64(32)) + np.uint64(triples[rank, 1]) + np.uint64(1)
        at = find(keys, key)
        if keys[at] == 0:
            keys[at], ranks[at], merged[at] = key, rank, triples[rank, 2]


@numba.njit(cache=True, nogil=True, inline="always")
def _rank(vocabulary, left, right):  # type: ignore[no-untyped-def]
    """(rank of a pair's merge, its place in the table)."""
    at = find(vocabulary.keys, (np.uint64(left) << np.uint64(32)) + np.uint64(right) + np.uint64(1))
    return (vocabulary.ranks[at] if vocabulary.keys[at] != 0 else NONE), at


@numba.njit(cache=True, nogil=True)
def _start(text, start, stop, is_first, vocabulary, out):  # type: ignore[no-untyped-def]
    """The tokens with which a word starts; returns their number."""
    n = 0
    if is_first:
        out[n] = vocabulary.token_of_character[META]
        n += 1
    i = start
    while i < stop:
        b = np.int64(text[i])
        size, code = 1, b
        if b == 32:
            code = np.int64(META)
        elif b >= 0xF0:
            size, code = 4, b & 7
        elif b >= 0xE0:
            size, code = 3, b & 15
        elif b >= 0xC0:
            size, code = 2, b & 31
        size = min(size, stop - i)
        for j in range(1, size):
            code = (code << 6) | (np.int64(text[i + j]) & 63)
        token = vocabulary.token_of_character[code] if code < 0x110000 and (b < 0x80 or size > 1) else -1
        if token >= 0:
            out[n] = token
            n += 1
        else:
            for j in range(size):
                out[n] = vocabulary.token_of_byte[text[i + j]]
                n += 1
        i += size
    return n


@numba.njit(cache=True, nogil=True)
def encode(text, words, vocabulary, tokens, counts):  # type: ignore[no-untyped-def]
    """Writes tokens and how many of them each word has; returns the number of all. `tokens` has room for a token for
    each byte and each word. `words`: rows (start, end, anything, whether it begins its text)."""
    n_tokens = 0
    longest = 0
    for w in range(len(words)):
        longest = max(longest, words[w, 1] - words[w, 0])
    ids = np.empty(longest + 1, np.int32)
    ranks = np.empty(longest + 2, np.int32)
    places = np.empty(longest + 2, np.int64)
    for w in range(len(words)):
        n = _start(text, words[w, 0], words[w, 1], words[w, 3], vocabulary, ids)
        for i in range(n - 1):
            ranks[i], places[i] = _rank(vocabulary, ids[i], ids[i + 1])
        while n > 1:
            at = 0
            for i in range(1, n - 1):
                if ranks[i] < ranks[at]:
                    at = i
            if ranks[at] == NONE:
                break
            ids[at] = vocabulary.merged[places[at]]
            n -= 1
            for i in range(at + 1, n):
                ids[i] = ids[i + 1]
                ranks[i], places[i] = ranks[i + 1], places[i + 1]
            if at > 0:
                ranks[at - 1], places[at - 1] = _rank(vocabulary, ids[at - 1], ids[at])
            if at < n - 1:
                ranks[at], places[at] = _rank(vocabulary, ids[at], ids[at + 1])
        for i in range(n):
            tokens[n_tokens + i] = ids[i]
        n_tokens += n
        counts[w] = n
    return n_tokens


def tokens_of(text: Any, words_W4: Any, vocabulary: Merges) -> tuple[I32, I32]:
    """(tokens of all words [T], how many of each [W]); `text` uint8, `words_W4` as for `encode`."""
    room = int((words_W4[:, 1] - words_W4[:, 0]).sum()) + len(words_W4)
    tokens, counts = np.empty(room, dtype=np.int32), np.empty(len(words_W4), dtype=np.int32)
    n = encode(text, words_W4, vocabulary, tokens, counts)
    return tokens[:n], counts
