"""Tokens of words by the likeliest path (unigram language model, Kudo 2018; SentencePiece's search), in Numba.

Of all ways to cut a word into pieces of the vocabulary the one with the largest sum of log probabilities; a character
that no piece begins with is unknown and has 10 less than the least likely piece.
Shape letters: V pieces, W words, T tokens of all words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.embeddings.open_table import find

I32 = npt.NDArray[np.int32]
META = 0x2581
"""The character before a word, "▁"."""
UNKNOWN_PENALTY = 10.0
PIECE_MOST = 64
"""Most characters of a piece that are looked at."""


class Pieces(NamedTuple):
    """A vocabulary as a tree of characters, as the kernel wants it."""

    keys: npt.NDArray[np.uint64]
    """Edges, hashed: node << 21 | character, plus one; 0: free."""
    child: I32
    token: I32
    """Of the node to which an edge leads; -1: no piece ends here."""
    scores_V: npt.NDArray[np.float64]
    unknown: float
    """Score of an unknown character."""


def pieces_from(pieces: Sequence[str], scores_V: Any, usable: Any) -> Pieces:
    """`usable` bool [V]: which pieces may stand in a text."""
    tokens = np.flatnonzero(usable).tolist()
    texts = [pieces[token] for token in tokens]
    points = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
    ends = np.cumsum(list(map(len, texts)), dtype=np.int64)
    size = 1 << (2 * max(1, len(points))).bit_length()
    scores = np.asarray(scores_V, dtype=np.float64)
    keys, child, token = np.zeros(size, np.uint64), np.zeros(size, np.int32), np.full(size, -1, np.int32)
    n_edges = int(_plant(points, ends, np.array(tokens), keys, child, token))
    fit = 1 << (2 * n_edges).bit_length()
    if fit < size:  # most beginnings are shared: a smaller table is in the cache more often
        moved = np.zeros(fit, np.uint64), np.zeros(fit, np.int32), np.full(fit, -1, np.int32)
        _move(keys, child, token, *moved)
        keys, child, token = moved
    return Pieces(keys, child, token, scores, float(scores[tokens].min()) - UNKNOWN_PENALTY)


@numba.njit(cache=True, nogil=True)
def _plant(points, ends, tokens, keys, child, token):  # type: ignore[no-untyped-def]
    n_edges = 0
    start = 0
    for row in range(len(ends)):
        node = 0
        at = 0
        for i in range(start, ends[row]):
            key = (np.uint64(node) << np.uint64(21)) + np.uint64(points[i]) + np.uint64(1)
            at = find(keys, key)
            if keys[at] == 0:
                n_edges += 1
                keys[at], child[at] = key, n_edges
            node = child[at]
        token[at] = tokens[row]
        start = ends[row]
    return n_edges


@numba.njit(cache=True, nogil=True)
def _move(keys, child, token, new_keys, new_child, new_token):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        if keys[i] != 0:
            at = find(new_keys, keys[i])
            new_keys[at], new_child[at], new_token[at] = keys[i], child[i], token[i]


@numba.njit(cache=True, nogil=True)
def _points(text, start, stop, is_first, out):  # type: ignore[no-untyped-def]
    """Code points of a word, "▁" in place of blanks and before a text; returns their number, 0 for blanks alone."""
    i = start
    while i < stop and text[i] <= 32:
        i += 1
    if i == stop:
        return 0
    n = 0
    if is_first or i > start:
        out[n] = META
        n += 1
    while i < stop:
        b = np.int64(text[i])
        size, code = 1, b
        if b >= 0xF0:
            size, code = 4, b & 7
        elif b >= 0xE0:
            size, code = 3, b & 15
        elif b >= 0xC0:
            size, code = 2, b & 31
        size = min(size, stop - i)
        for j in range(1, size):
            code = (code << 6) | (np.int64(text[i + j]) & 63)
        out[n] = code
        n += 1
        i += size
    return n


@numba.njit(cache=True, nogil=True)
def encode(text, words, vocabulary, longest_piece, unknown_token, tokens, counts):  # type: ignore[no-untyped-def]
    """Writes tokens and how many of them each word has; returns the number of all. `tokens` has room for a token for
    each byte and each word. `words`: rows (start, end, anything, whether it begins its text)."""
    longest = 0
    for w in range(len(words)):
        longest = max(longest, words[w, 1] - words[w, 0])
    points = np.empty(longest + 2, np.int64)
    best = np.empty(longest + 3, np.float64)
    came_from = np.empty(longest + 3, np.int64)
    by = np.empty(longest + 3, np.int32)
    n_tokens = 0
    for w in range(len(words)):
        n = _points(text, words[w, 0], words[w, 1], words[w, 3], points)
        best[: n + 1] = -np.inf
        best[0] = 0
        for i in range(n):
            node = 0
            alone = False
            for j in range(i, min(n, i + longest_piece)):
                at = find(vocabulary.keys, (np.uint64(node) << np.uint64(21)) + np.uint64(points[j]) + np.uint64(1))
                if vocabulary.keys[at] == 0:
                    break
                node = vocabulary.child[at]
                token = vocabulary.token[at]
                if token >= 0:
                    score = best[i] + vocabulary.scores_V[token]
                    alone |= j == i
                    if score > best[j + 1]:
                        best[j + 1], came_from[j + 1], by[j + 1] = score, i, token
            if not alone:
                score = best[i] + vocabulary.unknown
                if score > best[i + 1]:
                    best[i + 1], came_from[i + 1], by[i + 1] = score, i, unknown_token
        at = n
        first = n_tokens
        while at > 0:  # backwards; unknown characters in a row are one token
            if by[at] != unknown_token or n_tokens == first or tokens[n_tokens - 1] != unknown_token:
                tokens[n_tokens] = by[at]
                n_tokens += 1
            at = came_from[at]
        counts[w] = n_tokens - first
        for k in range(counts[w] // 2):
            other = n_tokens - 1 - k
            tokens[first + k], tokens[other] = tokens[other], tokens[first + k]
    return n_tokens


def tokens_of(text: Any, words_W4: Any, vocabulary: Pieces, unknown_token: int = 0) -> tuple[I32, I32]:
    """(tokens of all words [T], how many of each [W]); `text` uint8, `words_W4` as for `encode`."""
    room = int((words_W4[:, 1] - words_W4[:, 0]).sum()) + len(words_W4)
    tokens, counts = np.empty(room, dtype=np.int32), np.empty(len(words_W4), dtype=np.int32)
    n = encode(text, words_W4, vocabulary, PIECE_MOST, unknown_token, tokens, counts)
    return tokens[:n], counts
