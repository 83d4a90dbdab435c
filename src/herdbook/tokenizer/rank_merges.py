"""Ranks as a list of merges, for files that know tokens only by how they are joined; and the way back.

tiktoken joins two neighbours whenever their union is a token, whatever the pair. So every way to cut a token into two
tokens is a merge, tokens in order of rank. The list says less than the ranks in one case: of two places where different
pairs spell the same token, tiktoken takes the leftmost, a list the pair that it names first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def merges_of_ranks(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """All merges, in order of the rank of the union, then of the left and of the right part."""
    merges: list[tuple[bytes, bytes]] = []
    for token, _ in sorted(ranks.items(), key=lambda item: item[1]):
        ways = [
            (ranks[token[:cut]], ranks[token[cut:]], token[:cut], token[cut:])
            for cut in range(1, len(token))
            if token[:cut] in ranks and token[cut:] in ranks
        ]
        merges += [(left, right) for _, _, left, right in sorted(ways)]
    return merges


def merges_follow_ranks(merges: Iterable[Sequence[bytes]], vocabulary: Mapping[bytes, int]) -> bool:
    """Whether merges say what the ids say: each token of several bytes is made by one of them, in order of ids."""
    last, made = -1, set()
    for left, right in merges:
        row = vocabulary.get(left + right)
        if row is None or row < last:
            return False
        last = row
        made.add(row)
    return all(row in made for token, row in vocabulary.items() if len(token) > 1)
