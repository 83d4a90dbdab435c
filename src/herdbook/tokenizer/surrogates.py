"""Surrogates: halves of characters in UTF-16, which Python's texts may contain and UTF-8 may not."""

from __future__ import annotations


def clean_surrogates(text: str) -> str:
    """Pairs of surrogates become the character they stand for, lone ones U+FFFD: they have no UTF-8 form."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def to_utf8(text: str) -> bytes:
    """`clean_surrogates(text)` in UTF-8, in one go."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return clean_surrogates(text).encode("utf-8")
