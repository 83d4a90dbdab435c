"""Decoding while a model speaks: ids come one at a time, and a character may be spread over several of them."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class StreamDecoder:
    """Turns ids into text piece by piece; never emits half a character.

    The pieces of `push` and the last one of `finish`, joined, equal `Tokenizer.decode` of all the ids.
    """

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self._token_bytes = token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """The text that became complete with this id; often one word, empty inside a character."""
        if not 0 <= token < len(self._token_bytes):
            raise IndexError(f"id {token} is outside the vocabulary of {len(self._token_bytes)} rows")
        return self._utf8.decode(self._token_bytes[token])

    def finish(self) -> str:
        """What is left: empty, or U+FFFD where the ids ended inside a character."""
        rest = self._utf8.decode(b"", final=True)
        self._utf8.reset()
        return rest
