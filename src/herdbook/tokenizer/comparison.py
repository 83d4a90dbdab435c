"""How efficiently do tokenizers encode the same text? Characters, bytes and words per token, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from herdbook.tokenizer.tokenizer import Tokenizer


def compare(tokenizers: Mapping[str, Tokenizer], texts: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """One row per (kind of text, tokenizer): `tokens`, `characters_per_token`, `bytes_per_token`, `tokens_per_word`
    (words: parts between blanks) and `relative`, the number of tokens divided by the first tokenizer's.

    `tokenizers`: name -> tokenizer; `texts`: kind of text -> texts of it (same texts for all).
    """
    rows = []
    for kind, samples in texts.items():
        characters = sum(len(text) for text in samples)
        size = sum(len(text.encode("utf-8", "replace")) for text in samples)
        words = sum(len(text.split()) for text in samples)
        first = None
        for name, tokenizer in tokenizers.items():
            tokens = sum(len(ids) for ids in tokenizer.encode_batch(samples))
            first = tokens if first is None else first
            rows.append(
                {
                    "text": kind,
                    "tokenizer": name,
                    "vocab_size": tokenizer.vocab_size,
                    "tokens": tokens,
                    "characters_per_token": characters / tokens if tokens else None,
                    "bytes_per_token": size / tokens if tokens else None,
                    "tokens_per_word": tokens / words if words else None,
                    "relative": tokens / first if first else None,
                }
            )
    return rows
