"""SentencePiece's model file (a Protocol Buffers message) as plain data, and back.

Source: `sentencepiece_model.proto` of the SentencePiece project. Only what encoding needs is read: pieces with score
and type, the ids of the special pieces, and whether a blank is put before the text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from herdbook.errors import InputError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
_BPE = 2


@dataclass(frozen=True, kw_only=True)
class SentencePieceModel:
    """A vocabulary with scores: of two neighbours that can be joined, those with the highest score go first."""

    pieces: tuple[str, ...]
    """The text of each row; a blank is written U+2581."""
    scores: tuple[float, ...]
    types: tuple[int, ...]
    """NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED or BYTE (`<0x00>` to `<0xFF>`) of each row."""
    unk_id: int = 0
    bos_id: int = 1
    eos_id: int = 2
    add_dummy_prefix: bool = True
    """Whether a blank is put before each text."""


def parse_sentencepiece(content: bytes, where: str = "tokenizer.model") -> SentencePieceModel:
    """Read a model file; InputError where it is none, is cut off, or is of another kind than BPE."""
    try:
        return _parse(content, where)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise InputError(
            f"{where} is not a whole SentencePiece model ({error}).",
            key="tokenizer",
            value=where,
            remedy="Fetch it again.",
        ) from None


def _parse(content: bytes, where: str) -> SentencePieceModel:
    pieces: list[str] = []
    scores: list[float] = []
    types: list[int] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for number, value in _fields(content):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            row = dict(_fields(value))
            text, score, kind = row.get(1, b""), row.get(2, bytes(4)), row.get(3, NORMAL)
            assert isinstance(text, bytes) and isinstance(score, bytes) and isinstance(kind, int)
            pieces.append(text.decode("utf-8"))
            scores.append(struct.unpack("<f", score)[0])
            types.append(kind)
        elif number == 2:
            trainer = dict(_fields(value))
        elif number == 3:
            normalizer = dict(_fields(value))
    if not pieces:
        raise InputError(f"{where} is no SentencePiece model: it has no pieces.", key="tokenizer", value=where)
    if trainer.get(3, 1) != _BPE:
        raise InputError(
            f"{where} is a SentencePiece model of another kind than BPE.",
            key="tokenizer",
            value=where,
            remedy="Llama 2's is BPE; unigram models are not read.",
        )
    if normalizer.get(2) or normalizer.get(4, 1):
        raise InputError(
            f"{where} rewrites text before cutting it (normalisation {normalizer.get(1)!r}): not read here.",
            key="tokenizer",
            value=where,
        )
    ids = {name: _signed(trainer.get(field, default)) for name, field, default in _IDS}
    return SentencePieceModel(
        pieces=tuple(pieces),
        scores=tuple(scores),
        types=tuple(types),
        add_dummy_prefix=bool(normalizer.get(3, 1)),
        **ids,
    )


_IDS = (("unk_id", 40, 0), ("bos_id", 41, 1), ("eos_id", 42, 2))


def _signed(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value - (1 << 64) if value >= 1 << 63 else value


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a message: integers, and everything else as bytes."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(content, position)
            yield number, value
            continue
        if wire == 2:
            size, position = _varint(content, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise IndexError(f"wire type {wire} at byte {position}")
        if position + size > len(content):
            raise IndexError(f"{position + size - len(content)} bytes are missing at the end")
        yield number, content[position : position + size]
        position += size


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(content) or shift > 63:
            raise IndexError(f"a number breaks off at byte {position}")
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position


def format_sentencepiece(model: SentencePieceModel) -> bytes:
    """A model file with these pieces, which SentencePiece itself reads too."""
    rows = b"".join(
        _message(1, _message(1, piece.encode("utf-8")) + b"\x15" + struct.pack("<f", score) + _number(3, kind))
        for piece, score, kind in zip(model.pieces, model.scores, model.types, strict=True)
    )
    trainer = _number(3, _BPE) + _number(4, len(model.pieces)) + _number(35, int(BYTE in model.types))
    trainer += b"".join(_number(field, getattr(model, name)) for name, field, _ in _IDS)
    normalizer = _message(1, b"identity") + _number(3, int(model.add_dummy_prefix)) + _number(4, 0) + _number(5, 1)
    return rows + _message(2, trainer) + _message(3, normalizer)


def _as_varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _as_varint(field << 3) + _as_varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _as_varint(field << 3 | 2) + _as_varint(len(content)) + content
