"""`MergesTokenizer`: byte-level BPE whose merges are an ordered list (GPT-2's kind: SmolLM2, and most of Hugging Face).

Llama 3's vocabulary needs no such list, the ids themselves are the order. Here a vocabulary may give its ids in any
order, with special tokens anywhere. Engine: Hugging Face's `tokenizers`. Slow twin: `slow_encode`.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from herdbook.errors import InputError
from herdbook.tokenizer.byte_letters import to_letters
from herdbook.tokenizer.one_by_one import OneByOneTokenizer
from herdbook.tokenizer.split_pattern import compile_split

GPT2_SPLIT_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""Source: `encoder.py` of the gpt-2 repository."""

SMOLLM_SPLIT_PATTERNS = (r"\p{N}", GPT2_SPLIT_PATTERN)
"""Digits one by one, then GPT-2's pattern (the pre-tokenizer of SmolLM's `tokenizer.json`)."""

Merge = tuple[bytes, bytes]


class MergesTokenizer(OneByOneTokenizer):
    """Each pattern of `split_patterns` cuts what the one before left; in each piece the earliest merge of the list goes
    first. Bytes that the vocabulary does not have are left out of the ids, as `tokenizers` does."""

    family = "merges"

    def __init__(
        self,
        vocabulary: dict[bytes, int],
        merges: Sequence[Merge],
        special: dict[str, int],
        *,
        split_patterns: Sequence[str],
        bos_id: int,
        eos_id: int,
        pad_id: int | None = None,
        ignore_merges: bool = False,
        add_bos: bool = False,
        chat_template: str | None = None,
        extra_stop_ids: Iterable[int] = (),
    ) -> None:
        """vocabulary: tokens -> id, without the special ones. special: name -> id. Together they fill 0..n-1.

        ignore_merges: a piece that is a token as a whole is that token, whatever the merges make of it."""
        n_rows = len(vocabulary) + len(special)
        rows = [b""] * n_rows
        for token, row in [*vocabulary.items(), *((name.encode("utf-8"), row) for name, row in special.items())]:
            if not 0 <= row < n_rows or rows[row]:
                raise InputError(
                    f"The ids of the {n_rows} tokens are not 0 to {n_rows - 1}, each once: see id {row}.",
                    key="tokenizer",
                    value=row,
                )
            rows[row] = token
        self.vocabulary = vocabulary
        self.merges = tuple(merges)
        self.split_patterns = tuple(split_patterns)
        self.ignore_merges = ignore_merges
        self._set_rows(
            rows,
            special,
            bos_id=bos_id,
            eos_id=eos_id,
            eot_id=eos_id,
            pad_id=eos_id if pad_id is None else pad_id,
            stop_ids=(eos_id, *extra_stop_ids),
        )
        self.add_bos = add_bos
        self.chat_template = chat_template
        self._merge_order: dict[Merge, int] = {}
        for place, pair in enumerate(self.merges):
            self._merge_order.setdefault(pair, place)
        for left, right in self.merges:
            if left not in vocabulary or right not in vocabulary or left + right not in vocabulary:
                raise InputError(f"The merge {(left, right)!r} is of, or makes, no token.", key="tokenizer")
        self._bpe = self._make_engine()

    def _make_engine(self) -> Any:
        import tokenizers
        from tokenizers import models, pre_tokenizers

        written = {to_letters(token): row for token, row in self.vocabulary.items()}
        engine = tokenizers.Tokenizer(
            models.BPE(
                vocab=written,
                merges=[(to_letters(left), to_letters(right)) for left, right in self.merges],
                ignore_merges=self.ignore_merges,
            )
        )
        cuts = [
            pre_tokenizers.Split(tokenizers.Regex(pattern), behavior="isolated") for pattern in self.split_patterns
        ]
        as_letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        engine.pre_tokenizer = pre_tokenizers.Sequence([*cuts, as_letters])
        return engine

    def _encode_plain(self, text: str) -> list[int]:
        return list(self._bpe.encode(text, add_special_tokens=False).ids)

    @property
    def engine(self) -> str:
        """The library that encodes."""
        return f"tokenizers {importlib.metadata.version('tokenizers')}"

    def slow_encode(self, text: str) -> list[int]:
        """The slow twin of `encode`, without special tokens."""
        pieces = [text]
        for pattern in self.split_patterns:
            pieces = [part for piece in pieces for part in _isolate(piece, pattern)]
        return [row for piece in pieces for row in self._slow_merge(piece.encode("utf-8"))]

    def _slow_merge(self, piece: bytes) -> list[int]:
        if self.ignore_merges and piece in self.vocabulary:
            return [self.vocabulary[piece]]
        parts = [part for part in (piece[i : i + 1] for i in range(len(piece))) if part in self.vocabulary]
        while True:
            known = [
                (self._merge_order[parts[i], parts[i + 1]], i)
                for i in range(len(parts) - 1)
                if (parts[i], parts[i + 1]) in self._merge_order
            ]
            if not known:
                return [self.vocabulary[part] for part in parts]
            _, i = min(known)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]

    def save(self, folder: str | Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, Hugging Face's files."""
        from herdbook.tokenizer.hf_export import export_hf

        export_hf(self, folder)

    def __reduce__(self) -> tuple[Any, ...]:
        settings = {
            "split_patterns": self.split_patterns,
            "bos_id": self.bos_id,
            "eos_id": self.eos_id,
            "pad_id": self.pad_id,
            "ignore_merges": self.ignore_merges,
            "add_bos": self.add_bos,
            "chat_template": self.chat_template,
            "extra_stop_ids": self.stop_ids[1:],
        }
        return _rebuild, (self.vocabulary, self.merges, self.special, settings)


def _rebuild(
    vocabulary: dict[bytes, int], merges: Sequence[Merge], special: dict[str, int], settings: dict[str, Any]
) -> MergesTokenizer:
    return MergesTokenizer(vocabulary, merges, special, **settings)


def _isolate(text: str, pattern: str) -> list[str]:
    """The text cut before and after each match: matches and what stands between them."""
    parts, end = [], 0
    for match in compile_split(pattern).finditer(text):
        if match.start() == match.end():
            continue
        parts += [text[end : match.start()], match.group()]
        end = match.end()
    return [part for part in [*parts, text[end:]] if part]
