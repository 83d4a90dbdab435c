"""Training a byte-level BPE vocabulary with Llama 3's split pattern, and extending one that exists.

Pieces are counted text by text (`piece_counts.py`), merges are learnt from the counts (`merge_kernels.py`). Their slow
twin: `slow_training.py`. Order of merges: the pair with the highest count first; of equals, the pair with the lowest
(left id, right id).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from herdbook.errors import InputError
from herdbook.tokenizer.byte_letters import byte_order
from herdbook.tokenizer.piece_counts import PieceCounts
from herdbook.tokenizer.special_tokens import N_SPECIAL
from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN
from herdbook.tokenizer.surrogates import clean_surrogates
from herdbook.tokenizer.tokenizer import Tokenizer

MAX_MEMORY_BYTES = 4_000_000_000
"""Memory for counting and learning, unless told otherwise: enough for some hundred million bytes of distinct pieces."""


def count_pieces(
    texts: Iterable[str],
    *,
    split_pattern: str = LLAMA3_SPLIT_PATTERN,
    max_memory_bytes: int = MAX_MEMORY_BYTES,
    on_text: Callable[[str], None] | None = None,
) -> PieceCounts:
    """The pieces of a stream of texts; `on_text` is called with each text as it is read."""
    pieces = PieceCounts(split_pattern, max_memory_bytes)
    for text in texts:
        if on_text is not None:
            on_text(text)
        pieces.add(clean_surrogates(text))
    return pieces


def train_ranks(
    texts: Iterable[str],
    n_base: int,
    *,
    split_pattern: str = LLAMA3_SPLIT_PATTERN,
    min_count: int = 2,
    max_memory_bytes: int = MAX_MEMORY_BYTES,
    on_text: Callable[[str], None] | None = None,
) -> dict[bytes, int]:
    """Learn up to `n_base` tokens (256 bytes and `n_base` - 256 merges) from `texts`: token -> rank.

    Pairs seen less than `min_count` times are not merged, so a small text may give fewer tokens. `on_text` is called
    with each text as it is read. Same texts in the same order, or in any other: same ranks, as long as the distinct
    pieces fit into `max_memory_bytes` (`PieceCounts.forgotten` is 0).
    """
    pieces = count_pieces(
        texts, split_pattern=split_pattern, max_memory_bytes=max_memory_bytes, on_text=on_text
    )
    return ranks_of_pieces(pieces, n_base, min_count=min_count)


def ranks_of_pieces(
    pieces: PieceCounts, n_base: int, *, min_count: int = 2, first: Sequence[bytes] | None = None
) -> dict[bytes, int]:
    """Learn up to `n_base` tokens from counted pieces. first: the 256 single bytes in the order of their ids, which
    decides between pairs of equal count; Meta's unless given."""
    first = byte_order() if first is None else first
    if n_base < 256:
        raise InputError(
            f"A byte-level vocabulary has at least the 256 bytes, not {n_base} tokens.",
            key="vocab_size",
            value=n_base,
            remedy="Take a vocab_size of at least 256 + n_special.",
        )
    content, offsets, counts = pieces.arrays()
    rank_of_byte = np.zeros(256, dtype=np.int32)
    for rank, token in enumerate(first):
        rank_of_byte[token[0]] = rank
    lengths = np.diff(offsets)
    piece_N = np.repeat(np.arange(counts.size, dtype=np.int32), lengths)
    return _learn(rank_of_byte[content], piece_N, counts, list(first), n_base, min_count)


def extend_ranks(
    ranks: Mapping[bytes, int],
    texts: Iterable[str],
    n_new: int,
    *,
    split_pattern: str = LLAMA3_SPLIT_PATTERN,
    min_count: int = 2,
    max_memory_bytes: int = MAX_MEMORY_BYTES,
    on_text: Callable[[str], None] | None = None,
) -> dict[bytes, int]:
    """The same ranks and up to `n_new` further ones behind, learnt from `texts` as the old ones encode them.

    That is how Llama 3's vocabulary came to be: 100K tokens of tiktoken and 28K for other languages (paper, section 3).
    No old id changes; text that the new tokens do not touch keeps its ids.
    """
    if n_new < 1:
        raise InputError(f"{n_new} new tokens extend nothing.", key="tokens", value=n_new)
    pieces = count_pieces(
        texts, split_pattern=split_pattern, max_memory_bytes=max_memory_bytes, on_text=on_text
    )
    from herdbook.tokenizer.engines import TiktokenEngine

    merge = TiktokenEngine(dict(ranks), split_pattern).raw._core_bpe.encode_single_piece  # bytes of a piece to ids
    content, offsets, counts = pieces.arrays()
    whole, bounds = content.tobytes(), offsets.tolist()
    parts = [np.asarray(merge(whole[a:b]), dtype=np.int32) for a, b in pairwise(bounds)]
    tokens_N = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
    piece_N = np.repeat(np.arange(counts.size, dtype=np.int32), [part.size for part in parts])
    known = sorted(ranks, key=ranks.__getitem__)
    return _learn(tokens_N, piece_N, counts, known, len(known) + n_new, min_count)


def _learn(
    tokens_N: np.ndarray, piece_N: np.ndarray, counts_W: np.ndarray, known: list[bytes], n_wanted: int, min_count: int
) -> dict[bytes, int]:
    """Known tokens in order of rank, and those learnt behind them: token -> rank."""
    from herdbook.tokenizer.merge_kernels import learn_merges

    content = np.frombuffer(b"".join(known), dtype=np.uint8)
    ends = np.cumsum([len(token) for token in known], dtype=np.int64)
    joined, all_ends, n_tokens = learn_merges(
        tokens_N, piece_N, counts_W, content, ends, len(known), n_wanted, max(1, min_count)
    )
    whole, bounds = joined.tobytes(), [0, *all_ends.tolist()]
    return {whole[bounds[rank] : bounds[rank + 1]]: rank for rank in range(n_tokens)}


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    *,
    n_special: int = N_SPECIAL,
    table: str = "llama3",
    split_pattern: str = LLAMA3_SPLIT_PATTERN,
    min_count: int = 2,
    max_memory_bytes: int = MAX_MEMORY_BYTES,
    on_text: Callable[[str], None] | None = None,
) -> Tokenizer:
    """A tokenizer of `vocab_size` rows in all (256 bytes, merges learned from `texts`, `n_special` special tokens)."""
    ranks = train_ranks(
        texts,
        vocab_size - n_special,
        split_pattern=split_pattern,
        min_count=min_count,
        max_memory_bytes=max_memory_bytes,
        on_text=on_text,
    )
    return Tokenizer(ranks, n_special=n_special, table=table, split_pattern=split_pattern)


def extend_bpe(
    tokenizer: Tokenizer,
    texts: Iterable[str],
    n_new: int,
    *,
    min_count: int = 2,
    max_memory_bytes: int = MAX_MEMORY_BYTES,
    on_text: Callable[[str], None] | None = None,
) -> Tokenizer:
    """`tokenizer` with up to `n_new` further tokens (`extend_ranks`). Its special tokens move behind them."""
    if tokenizer.family != "llama3":
        raise InputError(
            "Only vocabularies of Llama 3's kind (ranks) can be extended.", key="tokenizer", value=tokenizer.family
        )
    ranks = extend_ranks(
        tokenizer.ranks,
        texts,
        n_new,
        split_pattern=tokenizer.split_pattern,
        min_count=min_count,
        max_memory_bytes=max_memory_bytes,
        on_text=on_text,
    )
    return Tokenizer(
        ranks, n_special=len(tokenizer.special), table=tokenizer.table, split_pattern=tokenizer.split_pattern
    )
