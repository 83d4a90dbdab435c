"""Bytes as letters: how GPT-2's files, Hugging Face's `tokenizer.json` and GGUF write tokens that are no valid UTF-8.

The printable bytes of Latin-1 stand for themselves, the other 68 become the letters from U+0100 on (a space is `Ġ`).
"""

from __future__ import annotations

from functools import cache


def byte_order() -> list[bytes]:
    """The 256 single bytes in the order of their ids (GPT-2's, and Meta's): printable Latin-1 first, then the rest."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [bytes([byte]) for byte in [*printable, *(byte for byte in range(256) if byte not in printable)]]


@cache
def letters() -> tuple[str, ...]:
    """The letter of each byte, 0 to 255."""
    order = [token[0] for token in byte_order()]
    other = {byte: chr(256 + place) for place, byte in enumerate(order[188:])}
    return tuple(other.get(byte, chr(byte)) for byte in range(256))


@cache
def _bytes_of_letters() -> dict[str, int]:
    return {letter: byte for byte, letter in enumerate(letters())}


def to_letters(token: bytes) -> str:
    """The token as letters."""
    table = letters()
    return "".join([table[byte] for byte in token])


def from_letters(text: str) -> bytes:
    """The reverse of `to_letters`; KeyError for a character that stands for no byte."""
    table = _bytes_of_letters()
    return bytes([table[letter] for letter in text])
