"""The slow, obvious twin of the BPE trainer: count all pairs, merge the most frequent one, start again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from herdbook.tokenizer.byte_letters import byte_order
from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN, split


def slow_train_ranks(
    texts: Iterable[str], n_base: int, *, split_pattern: str = LLAMA3_SPLIT_PATTERN, min_count: int = 2
) -> dict[bytes, int]:
    """Token -> rank, as `training.train_ranks`; time grows with (number of merges) x (number of distinct pieces)."""
    tokens = byte_order()
    ranks = {token: rank for rank, token in enumerate(tokens)}
    pieces = Counter(piece for text in texts for piece in split(text, split_pattern))
    words = [([ranks[bytes([byte])] for byte in piece.encode("utf-8")], count) for piece, count in pieces.items()]
    while len(tokens) < n_base:
        pairs: Counter[tuple[int, int]] = Counter()
        for word, count in words:
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < min_count:
            break
        joined = tokens[best[0]] + tokens[best[1]]
        if joined not in ranks:  # two different pairs may spell the same bytes; the token then exists already
            ranks[joined] = len(tokens)
            tokens.append(joined)
        for word, _ in words:
            _merge_in_place(word, best, ranks[joined])
    return ranks


def _merge_in_place(word: list[int], pair: tuple[int, int], token: int) -> None:
    """Replace each `pair` in `word`, from left to right, by `token`."""
    position = 0
    while position < len(word) - 1:
        if (word[position], word[position + 1]) == pair:
            word[position : position + 2] = [token]
        position += 1
