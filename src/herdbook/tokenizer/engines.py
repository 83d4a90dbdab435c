"""What turns text into ids for vocabularies of Llama 3's kind: tiktoken, and gigatoken where it is installed.

The ids are tiktoken's, whichever engine works. gigatoken is several times as fast but takes a second or two to set up
for 128,000 tokens, so it takes over when enough text has been seen to be worth that. Slow twin: `slow.py`.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import tiktoken

from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN, compile_split

EngineName = Literal["auto", "tiktoken", "gigatoken"]


class Engine(Protocol):
    """Text without surrogates to ids, without special tokens."""

    name: str
    """Library and version."""

    def encode(self, text: str) -> list[int]:
        """Ids."""

    def encode_array(self, text: str) -> np.ndarray:
        """Ids as a uint32 array, without a Python object for each."""

    def encode_batch(self, texts: Sequence[str], threads: int) -> list[list[int]]:
        """Ids of each text, on up to `threads` threads."""


# --- tiktoken

_LONG_BLANK = re.compile(r"\s{100000}")
"""tiktoken overflows somewhere between 300,000 and 1,000,000 blank characters in a row; we step in well before."""
_LONG_BLANK_LENGTH = 100_000


class TiktokenEngine:
    """tiktoken; where its regular expression would overflow, text is cut by the `regex` library: same pieces."""

    def __init__(self, ranks: dict[bytes, int], split_pattern: str) -> None:
        self.name = f"tiktoken {importlib.metadata.version('tiktoken')}"
        self.split_pattern = split_pattern
        self.raw = tiktoken.Encoding("herdbook", pat_str=split_pattern, mergeable_ranks=ranks, special_tokens={})

    def encode(self, text: str) -> list[int]:
        if _too_long_blank(text):
            return self.encode_by_pieces(text)
        return self.raw.encode_ordinary(text)

    def encode_array(self, text: str) -> np.ndarray:
        if _too_long_blank(text):
            return np.asarray(self.encode_by_pieces(text), dtype=np.uint32)
        return np.asarray(self.raw.encode_to_numpy(text, disallowed_special=()), dtype=np.uint32)

    def encode_batch(self, texts: Sequence[str], threads: int) -> list[list[int]]:
        if any(_too_long_blank(text) for text in texts):
            return [self.encode(text) for text in texts]
        return self.raw.encode_ordinary_batch(list(texts), num_threads=max(1, threads))

    def encode_by_pieces(self, text: str) -> list[int]:
        """The same ids by another road: cut by `regex`, each piece merged by tiktoken (n log n in its length)."""
        merge = self.raw._encode_single_piece
        ids: list[int] = []
        for match in compile_split(self.split_pattern).finditer(text):
            ids.extend(merge(match.group()))
        return ids


def _too_long_blank(text: str) -> bool:
    return len(text) >= _LONG_BLANK_LENGTH and _LONG_BLANK.search(text) is not None


# --- gigatoken

GIGATOKEN_VERSIONS = ("0.10.",)
"""Versions whose ids were compared with tiktoken's over all of Unicode; others are not used."""

# Letters, digits and marks that are new in Unicode 17: gigatoken 0.10 knows them, tiktoken 0.14 does not yet.
_NEW_CHARACTERS = (
    "\u088f\u0c5c\u0cdc\ua7ce-\ua7cf\ua7d2\ua7d4\ua7f1\U00010940-\U00010959\U00010ec5-\U00010ec7\U00011db0-\U00011ddb"
    "\U00011de0-\U00011de9\U00016ea0-\U00016eb8\U00016ebb-\U00016ed3\U00016ff2-\U00016ff6\U000187f8-\U000187ff"
    "\U00018d09-\U00018d1e\U00018d80-\U00018df2\U0001e6c0-\U0001e6de\U0001e6e0-\U0001e6e2\U0001e6e4-\U0001e6e5"
    "\U0001e6e7-\U0001e6ed\U0001e6f0-\U0001e6f4\U0001e6fe-\U0001e6ff\U0002b73a-\U0002b73f\U0002cea2-\U0002cead"
    "\U000323b0-\U00033479"
)
_NEW = re.compile(f"[{_NEW_CHARACTERS}]")
# What the UTF-8 form of each of them begins with: a search for bytes costs next to nothing.
_NEW_BYTES = (b"\xf0", b"\xea\x9f", b"\xe0\xa2\x8f", b"\xe0\xb1\x9c", b"\xe0\xb3\x9c")


def is_disputed(text: str, utf8: bytes) -> bool:
    """Whether the text has a character of which the two libraries think differently (then tiktoken decides)."""
    if text.isascii() or not any(lead in utf8 for lead in _NEW_BYTES):
        return False
    return _NEW.search(text) is not None


class GigatokenEngine:
    """gigatoken, with tiktoken for texts that have disputed characters."""

    def __init__(self, ranks: dict[bytes, int], exact: TiktokenEngine) -> None:
        """ImportError without a fit version of the library; ValueError where it does not take this vocabulary."""
        version = gigatoken_version()
        if version is None or not version.startswith(GIGATOKEN_VERSIONS):
            raise ImportError("gigatoken 0.10 is not installed")
        if exact.split_pattern != LLAMA3_SPLIT_PATTERN:
            raise ValueError("gigatoken is used with Llama 3's split pattern only")
        from herdbook.tokenizer.hf_export import byte_level_json

        self.name = f"gigatoken {version}"
        self._exact = exact
        self._raw = _load_gigatoken(json.dumps(byte_level_json(ranks)))
        if self._raw.encode(_PROBE).tolist() != exact.encode(_PROBE):
            raise ValueError("gigatoken gives other ids for this vocabulary")

    def encode(self, text: str) -> list[int]:
        utf8 = text.encode("utf-8")
        if is_disputed(text, utf8):
            return self._exact.encode(text)
        ids: list[int] = self._raw.encode(utf8).tolist()
        return ids

    def encode_array(self, text: str) -> np.ndarray:
        utf8 = text.encode("utf-8")
        if is_disputed(text, utf8):
            return self._exact.encode_array(text)
        return np.asarray(self._raw.encode(utf8), dtype=np.uint32)

    def encode_batch(self, texts: Sequence[str], threads: int) -> list[list[int]]:
        inputs = [text.encode("utf-8") for text in texts]
        disputed = [place for place, text in enumerate(texts) if is_disputed(text, inputs[place])]
        for place in disputed:
            inputs[place] = b""
        rows: list[list[int]] = self._raw.encode_batch_list(inputs, parallel=threads > 1)
        for place in disputed:
            rows[place] = self._exact.encode(texts[place])
        return rows


_PROBE = "They'll  DRINK'LL 12345 — 라마 🦙\n\n  x = y\t\r\n  'ſ aaaaaaaaaaaaaaa ======== \u00a0A e\u0301 "


def _load_gigatoken(description: str) -> Any:
    """The library's tokenizer; its panics (which are no Exception) become ValueErrors."""
    import gigatoken

    try:
        return gigatoken.Tokenizer.from_json(description).backend
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise ValueError(f"gigatoken does not take this vocabulary: {error}") from None


def gigatoken_version() -> str | None:
    """The installed version, None without one."""
    try:
        return importlib.metadata.version("gigatoken")
    except importlib.metadata.PackageNotFoundError:
        return None


# --- the choice

WORTH_IT = 64
"""Characters of text per token of the vocabulary after which setting gigatoken up has paid."""


class AutomaticEngine:
    """tiktoken at first; gigatoken, where there is one, once `WORTH_IT` characters per token have been encoded."""

    def __init__(self, ranks: dict[bytes, int], split_pattern: str, choice: EngineName = "auto") -> None:
        """choice: "gigatoken" begins with it and raises where that cannot be, "tiktoken" stays with that."""
        self._ranks = ranks
        self.exact = TiktokenEngine(ranks, split_pattern)
        self._engine: Engine = GigatokenEngine(ranks, self.exact) if choice == "gigatoken" else self.exact
        self._left = WORTH_IT * len(ranks) if choice == "auto" else -1

    @property
    def name(self) -> str:
        """Library and version that works at present."""
        return self._engine.name

    def encode(self, text: str) -> list[int]:
        return self._for(len(text)).encode(text)

    def encode_array(self, text: str) -> np.ndarray:
        return self._for(len(text)).encode_array(text)

    def encode_batch(self, texts: Sequence[str], threads: int) -> list[list[int]]:
        return self._for(sum(map(len, texts))).encode_batch(texts, threads)

    def _for(self, characters: int) -> Engine:
        if self._left >= 0:
            self._left -= characters
            if self._left < 0:
                try:
                    self._engine = GigatokenEngine(self._ranks, self.exact)
                except (ImportError, ValueError):
                    pass  # the same ids, slower
        return self._engine
