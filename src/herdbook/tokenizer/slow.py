"""The slow, obvious twin of the encoder: what byte-pair encoding means, in twenty lines.

Tests compare the engine with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN, split


def merge_piece(piece: bytes, ranks: Mapping[bytes, int]) -> list[int]:
    """Ids of one piece: a piece that is a token is that token; otherwise join the neighbours whose union has the lowest
    rank (the leftmost of equals) until no union is a token. Quadratic in the length of the piece."""
    if piece in ranks:
        return [ranks[piece]]
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while len(parts) > 1:
        candidates = [(ranks.get(parts[i] + parts[i + 1]), i) for i in range(len(parts) - 1)]
        known = [(rank, i) for rank, i in candidates if rank is not None]
        if not known:
            break
        _, i = min(known)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return [ranks[part] for part in parts]


def slow_encode(text: str, ranks: Mapping[bytes, int], pattern: str = LLAMA3_SPLIT_PATTERN) -> list[int]:
    """Ids of `text` without special tokens."""
    return [token for piece in split(text, pattern) for token in merge_piece(piece.encode("utf-8"), ranks)]
