"""Training a byte-level BPE vocabulary with Llama 3's split pattern.

Engine: the trainer of Hugging Face's `tokenizers`, whose merges become tiktoken ranks. Its slow twin:
`slow_training.py`.
Order of merges: the pair with the highest count first; of equals, the pair with the lowest (left id, right id).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator

from herdbook.errors import InputError
from herdbook.tokenizer.byte_letters import from_letters
from herdbook.tokenizer.special_tokens import N_SPECIAL
from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN
from herdbook.tokenizer.tokenizer import Tokenizer, clean_surrogates


def train_ranks(
    texts: Iterable[str],
    n_base: int,
    *,
    split_pattern: str = LLAMA3_SPLIT_PATTERN,
    min_count: int = 2,
    on_text: Callable[[str], None] | None = None,
) -> dict[bytes, int]:
    """Learn up to `n_base` tokens (256 bytes and `n_base` - 256 merges) from `texts`: token -> rank.

    Pairs seen less than `min_count` times are not merged, so a small text may give fewer tokens. `on_text` is called
    with each text as it is read. Same texts in the same order, or in any other: same ranks.
    """
    if n_base < 256:
        raise InputError(
            f"A byte-level vocabulary has at least the 256 bytes, not {n_base} tokens.",
            key="vocab_size",
            value=n_base,
            remedy="Take a vocab_size of at least 256 + n_special.",
        )
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    engine = tokenizers.Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(split_pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=n_base,
        min_frequency=min_count,
        show_progress=False,
        special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )

    def read() -> Iterator[str]:
        for text in texts:
            if on_text is not None:
                on_text(text)
            yield clean_surrogates(text)

    engine.train_from_iterator(read(), trainer=trainer)
    vocabulary = json.loads(engine.to_str())["model"]["vocab"]
    return {from_letters(token): rank for token, rank in vocabulary.items()}


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    *,
    n_special: int = N_SPECIAL,
    table: str = "llama3",
    split_pattern: str = LLAMA3_SPLIT_PATTERN,
    min_count: int = 2,
    on_text: Callable[[str], None] | None = None,
) -> Tokenizer:
    """A tokenizer of `vocab_size` rows in all (256 bytes, merges learned from `texts`, `n_special` special tokens)."""
    ranks = train_ranks(
        texts, vocab_size - n_special, split_pattern=split_pattern, min_count=min_count, on_text=on_text
    )
    return Tokenizer(ranks, n_special=n_special, table=table, split_pattern=split_pattern)
