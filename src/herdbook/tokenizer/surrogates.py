"""Text as UTF-8. Surrogates: halves of characters in UTF-16, which Python's texts may contain and UTF-8 may not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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


def clean_text(text: str | bytes) -> str:
    """`clean_surrogates(text)`, of UTF-8 too; UnicodeDecodeError where that is none."""
    return text.decode("utf-8") if isinstance(text, bytes) else clean_surrogates(text)


def check_utf8(texts: Sequence[bytes], joined: bytes) -> None:
    """UnicodeDecodeError where one of `texts`, none empty, is no UTF-8; `joined` is all of them one after another."""
    import pyarrow

    ends = pyarrow.py_buffer(np.array([0, len(joined)], dtype=np.int64))
    one = pyarrow.Array.from_buffers(pyarrow.large_string(), 1, [None, ends, pyarrow.py_buffer(joined)])
    try:
        one.validate(full=True)  # several times as fast as decoding, and without Python's lock
        whole = all(text[0] & 0xC0 != 0x80 for text in texts)  # no text begins within a character
    except pyarrow.ArrowInvalid:
        whole = False
    if not whole:
        for text in texts:
            text.decode("utf-8")
