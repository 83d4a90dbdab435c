"""`SentencePieceTokenizer`: Llama 2's kind of vocabulary (pieces with scores, bytes where no piece fits).

Neighbours are joined in the order of the score of their union, the leftmost of equals first; characters without a piece
of their own become bytes. Slow twin: `slow_merge`.
Sources: SentencePiece (`bpe_model.cc`); the Llama 2 paper (Touvron et al. 2023, section 2.2): BPE, digits alone, bytes.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from herdbook.errors import InputError
from herdbook.tokenizer.one_by_one import OneByOneTokenizer
from herdbook.tokenizer.sentencepiece_file import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    SentencePieceModel,
    format_sentencepiece,
)
from herdbook.tokenizer.tokenizer import MODEL_FILE

BLANK = "\u2581"
_WORD = re.compile(f"{BLANK}*[^{BLANK}]+|{BLANK}+")
_MAX_CACHED = 200_000


class SentencePieceTokenizer(OneByOneTokenizer):
    """Encodes as SentencePiece does. A U+2581 in a text comes back as a blank: the format has no room for it."""

    family = "sentencepiece"

    def __init__(
        self,
        model: SentencePieceModel,
        *,
        content: bytes | None = None,
        add_bos: bool = True,
        chat_template: str | None = None,
        extra_stop_ids: Iterable[int] = (),
    ) -> None:
        """content: the file that `model` was read from, which `save` then writes again byte for byte."""
        self.model = model
        self._content = content
        special = {
            piece: row
            for row, (piece, kind) in enumerate(zip(model.pieces, model.types, strict=True))
            if kind in (UNKNOWN, CONTROL, USER_DEFINED)
        }
        names = {row: name for name, row in special.items()}
        rows = [
            names[row].encode() if row in names else _piece_bytes(piece, kind)
            for row, (piece, kind) in enumerate(zip(model.pieces, model.types, strict=True))
        ]
        self._set_rows(
            rows,
            special,
            bos_id=model.bos_id,
            eos_id=model.eos_id,
            eot_id=model.eos_id,
            pad_id=model.eos_id,
            stop_ids=(model.eos_id, *extra_stop_ids),
        )
        self.add_bos = add_bos
        self.chat_template = chat_template
        self._row_of = {
            piece: row for row, (piece, kind) in reversed(list(enumerate(zip(model.pieces, model.types, strict=True))))
            if kind == NORMAL
        }  # fmt: skip
        self._byte_rows = _byte_rows(model)
        self._words_stand_alone = not any(BLANK in piece.lstrip(BLANK) for piece in self._row_of)
        self._cache: dict[str, list[int]] = {}

    def _encode_plain(self, text: str) -> list[int]:
        if not text:
            return []
        escaped = (" " + text if self.model.add_dummy_prefix else text).replace(" ", BLANK)
        if not self._words_stand_alone:
            return self._merge(escaped)
        ids: list[int] = []
        cache = self._cache
        for word in _WORD.findall(escaped):
            known = cache.get(word)
            if known is None:
                known = self._merge(word)
                if len(cache) >= _MAX_CACHED:
                    cache.clear()
                if len(word) <= 64:
                    cache[word] = known
            ids += known
        return ids

    def _merge(self, word: str) -> list[int]:
        """Ids of a word, joined by a queue of candidates: n log n in its length."""
        return self._rows_of_parts(merge_by_score(word, self._row_of, self.model.scores))

    def _rows_of_parts(self, parts: Iterable[str]) -> list[int]:
        ids: list[int] = []
        for part in parts:
            row = self._row_of.get(part)
            if row is not None:
                ids.append(row)
            elif self._byte_rows:
                ids += [self._byte_rows[byte] for byte in part.encode("utf-8")]
            else:
                ids.append(self.model.unk_id)
        return ids

    @property
    def engine(self) -> str:
        """The library that encodes."""
        return "herdbook"

    def slow_encode(self, text: str) -> list[int]:
        """The slow twin of `encode`, without special tokens: the whole text at once, all pairs before each joining."""
        if not text:
            return []
        escaped = (" " + text if self.model.add_dummy_prefix else text).replace(" ", BLANK)
        return self._rows_of_parts(slow_merge(escaped, self._row_of, self.model.scores))

    def decode_bytes(self, ids: Iterable[int], *, skip_special: bool = False) -> bytes:
        """The bytes of `ids`, without the blank that encoding put before the text."""
        rows = list(ids)
        start = 1 if rows and rows[0] == self.bos_id else 0
        joined = super().decode_bytes(rows, skip_special=skip_special)
        head = 0 if skip_special or not start else len(self._bytes[self.bos_id])
        if self.model.add_dummy_prefix and joined[head : head + 1] == b" ":
            return joined[:head] + joined[head + 1 :]
        return joined

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one id, its blank included."""
        return super().decode_bytes([token])

    def save(self, folder: str | Path) -> None:
        """Write `tokenizer.model` in SentencePiece's format (and Hugging Face's config where there is a template)."""
        from herdbook.storage import atomic_write_bytes, atomic_write_json

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(folder / MODEL_FILE, self._content or format_sentencepiece(self.model))
        atomic_write_json(folder / "tokenizer_config.json", self.config())

    def config(self) -> dict[str, Any]:
        """The content of `tokenizer_config.json`."""
        return {
            "format": "herdbook-tokenizer",
            "format_version": 1,
            "family": self.family,
            "vocab_size": self.vocab_size,
            "add_bos": self.add_bos,
            "stop_ids": list(self.stop_ids),
            "chat_template": self.chat_template,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.model, self._content, self.add_bos, self.chat_template, self.stop_ids[1:])


def _rebuild(
    model: SentencePieceModel, content: bytes | None, add_bos: bool, template: str | None, stop: tuple[int, ...]
) -> SentencePieceTokenizer:
    return SentencePieceTokenizer(
        model, content=content, add_bos=add_bos, chat_template=template, extra_stop_ids=stop
    )


def _piece_bytes(piece: str, kind: int) -> bytes:
    return bytes([int(piece[3:5], 16)]) if kind == BYTE else piece.replace(BLANK, " ").encode("utf-8")


def _byte_rows(model: SentencePieceModel) -> list[int]:
    """The row of each byte; empty where the vocabulary has no bytes."""
    rows = {piece: row for row, piece in enumerate(model.pieces) if model.types[row] == BYTE}
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    if not rows:
        return []
    missing = [name for name in names if name not in rows]
    if missing or len(rows) != 256:
        raise InputError(f"The vocabulary has some byte pieces but not {missing[:1] or 'only 256'}.", key="tokenizer")
    return [rows[name] for name in names]


def merge_by_score(word: str, row_of: Mapping[str, int], scores: tuple[float, ...]) -> list[str]:
    """The parts of `word` after joining: characters in a linked list, candidates in a queue by (score, place)."""
    parts: list[str] = list(word)
    if len(parts) < 2:
        return parts
    after = list(range(1, len(parts) + 1))
    before = list(range(-1, len(parts) - 1))
    queue: list[tuple[float, int, int, int]] = []

    def propose(left: int, right: int) -> None:
        joined = parts[left] + parts[right]
        row = row_of.get(joined)
        if row is not None:
            heapq.heappush(queue, (-scores[row], left, right, len(joined)))

    for left in range(len(parts) - 1):
        propose(left, left + 1)
    while queue:
        _, left, right, length = heapq.heappop(queue)
        if not parts[left] or not parts[right] or len(parts[left]) + len(parts[right]) != length:
            continue
        parts[left] += parts[right]
        parts[right] = ""
        after[left] = after[right]
        if after[left] < len(parts):
            before[after[left]] = left
            propose(left, after[left])
        if before[left] >= 0:
            propose(before[left], left)
    return [part for part in parts if part]


def slow_merge(word: str, row_of: Mapping[str, int], scores: tuple[float, ...]) -> list[str]:
    """The slow twin of `merge_by_score`: quadratic in the length of the word."""
    parts = list(word)
    while True:
        known = [
            (-scores[row_of[parts[i] + parts[i + 1]]], i)
            for i in range(len(parts) - 1)
            if parts[i] + parts[i + 1] in row_of
        ]
        if not known:
            return parts
        _, i = min(known)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
