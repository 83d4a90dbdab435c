"""What turns text into ids for vocabularies of Llama 3's kind: tiktoken, and gigatoken where it is installed.

The ids are tiktoken's, whichever engine works. gigatoken is several times as fast but takes a second or two to set up
for 128,000 tokens, so it takes over when enough text has been seen to be worth that. Slow twin: `slow.py`.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import threading
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
import tiktoken

from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN, compile_split
from herdbook.tokenizer.surrogates import check_utf8, clean_text, to_utf8

EngineName = Literal["auto", "tiktoken", "gigatoken"]
Texts = Sequence[str] | Sequence[bytes]
"""Texts as Python holds them, or all in UTF-8 as a file holds them."""


class Engine(Protocol):
    """Text to ids, without special tokens; text without surrogates, but for `encode_flat`, which cleans them itself and
    takes UTF-8 too."""

    name: str
    """Library and version."""

    def encode(self, text: str) -> list[int]:
        """Ids."""

    def encode_array(self, text: str) -> np.ndarray:
        """Ids as a uint32 array, without a Python object for each."""

    def encode_batch(self, texts: Sequence[str], threads: int) -> list[list[int]]:
        """Ids of each text, on up to `threads` threads."""

    def encode_flat(self, texts: Texts, threads: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids of all texts one after another (uint32), and where each text's begin and the last end (int64).
        UnicodeDecodeError for bytes that are no UTF-8."""


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

    def encode_flat(self, texts: Texts, threads: int) -> tuple[np.ndarray, np.ndarray]:
        return flatten(self.encode_batch([clean_text(text) for text in texts], threads))

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

_DISPUTED = (
    (0x88F, 0x88F), (0xC5C, 0xC5C), (0xCDC, 0xCDC), (0xA7CE, 0xA7CF), (0xA7D2, 0xA7D2), (0xA7D4, 0xA7D4),
    (0xA7F1, 0xA7F1), (0x10940, 0x10959), (0x10EC5, 0x10EC7), (0x11DB0, 0x11DDB), (0x11DE0, 0x11DE9),
    (0x16EA0, 0x16EB8), (0x16EBB, 0x16ED3), (0x16FF2, 0x16FF6), (0x187F8, 0x187FF), (0x18D09, 0x18D1E),
    (0x18D80, 0x18DF2), (0x1E6C0, 0x1E6DE), (0x1E6E0, 0x1E6E2), (0x1E6E4, 0x1E6E5), (0x1E6E7, 0x1E6ED),
    (0x1E6F0, 0x1E6F4), (0x1E6FE, 0x1E6FF), (0x2B73A, 0x2B73F), (0x2CEA2, 0x2CEAD), (0x323B0, 0x33479),
)  # fmt: skip
"""Letters, digits and marks that are new in Unicode 17: gigatoken 0.10 knows them, tiktoken 0.14 does not yet."""
_FIRST_R = np.array([first for first, _ in _DISPUTED])
_LAST_R = np.array([last for _, last in _DISPUTED])


def is_disputed(utf8: bytes) -> bool:
    """Whether a text has a character of which the two libraries think differently (then tiktoken decides)."""
    if utf8.isascii():
        return False
    from herdbook.tokenizer.disputed_kernel import first_disputed

    return bool(first_disputed(np.frombuffer(utf8, dtype=np.uint8), _FIRST_R, _LAST_R) >= 0)


PART_CHARACTERS = 500_000
"""A batch is divided among threads where each gets so much."""


def even_parts(texts: Texts, threads: int) -> list[Texts]:
    """A batch in up to `threads` parts of about equal length, each of about `PART_CHARACTERS` (bytes) or more."""
    if threads < 2 or len(texts) < 2:
        return [texts]
    ends = np.cumsum([len(text) for text in texts])
    n = min(threads, int(ends[-1]) // PART_CHARACTERS)
    if n < 2:
        return [texts]
    cuts = [0, *(int(cut) + 1 for cut in np.searchsorted(ends, ends[-1] * np.arange(1, n) / n)), len(texts)]
    return [texts[a:b] for a, b in pairwise(cuts) if b > a]


def flatten(rows: Sequence[Sequence[int] | np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ids as one array and the places where each begins and the last ends."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    flat = np.empty(int(offsets[-1]), dtype=np.uint32)
    for row, (start, end) in zip(rows, pairwise(offsets)):
        flat[start:end] = row
    return flat, offsets


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
        self._description = zlib.compress(json.dumps(byte_level_json(ranks)).encode(), 1)
        self._raw = self._another()
        self._raws = [self._raw]
        self._making = threading.Lock()
        self._batched, self._n_tokens = 0, len(ranks)
        if self._raw.encode(_PROBE).tolist() != exact.encode(_PROBE):
            raise ValueError("gigatoken gives other ids for this vocabulary")

    def _another(self) -> Any:
        return _load_gigatoken(zlib.decompress(self._description).decode())

    def _worth(self, characters: int) -> bool:
        """Whether batches for several threads have been so large that more tokenizers of the library pay."""
        self._batched += characters
        return self._batched > WORTH_ANOTHER * self._n_tokens

    def _one_each(self, threads: int) -> list[Any]:
        """As many of the library's tokenizers: one of them encodes one batch at a time, threads that share it wait."""
        with self._making:
            while len(self._raws) < threads:
                self._raws.append(self._another())
            return self._raws[:threads]

    def encode(self, text: str) -> list[int]:
        utf8 = text.encode("utf-8")
        if is_disputed(utf8):
            return self._exact.encode(text)
        ids: list[int] = self._raw.encode(utf8).tolist()
        return ids

    def encode_array(self, text: str) -> np.ndarray:
        utf8 = text.encode("utf-8")
        if is_disputed(utf8):
            return self._exact.encode_array(text)
        return np.asarray(self._raw.encode(utf8), dtype=np.uint32)

    def _inputs(self, texts: Texts) -> tuple[list[bytes], list[int]]:
        """(the texts in UTF-8, disputed ones empty; the places of those)."""
        inputs = [text if isinstance(text, bytes) else to_utf8(text) for text in texts]
        pairs: Iterable[tuple[str | bytes, bytes]] = zip(texts, inputs)
        beyond_ascii = [utf8 for text, utf8 in pairs if not text.isascii()]  # a `str` knows, bytes have to be read
        joined = b"".join(beyond_ascii)
        if beyond_ascii and isinstance(texts[0], bytes):
            check_utf8(beyond_ascii, joined)
        if not is_disputed(joined):
            return inputs, []
        disputed = [place for place, utf8 in enumerate(inputs) if is_disputed(utf8)]
        for place in disputed:
            inputs[place] = b""
        return inputs, disputed

    def encode_flat(self, texts: Texts, threads: int) -> tuple[np.ndarray, np.ndarray]:
        parts = even_parts(texts, threads)
        if len(parts) == 1 or not self._worth(sum(map(len, texts))):
            return self._encode_part(self._raw, texts)
        with ThreadPoolExecutor(len(parts)) as pool:
            done = list(pool.map(self._encode_part, self._one_each(len(parts)), parts))
        ends = np.cumsum([flat.size for flat, _ in done])
        offsets = [done[0][1], *(row[1:] + end for (_, row), end in zip(done[1:], ends))]
        return np.concatenate([flat for flat, _ in done]), np.concatenate(offsets)

    def _encode_part(self, raw: Any, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
        inputs, disputed = self._inputs(texts)
        layout = raw.encode_batch(inputs, parallel=False).layout
        flat, offsets = np.asarray(layout.content.data), np.asarray(layout.offsets.data)
        if not disputed:
            return flat, offsets
        rows = [flat[start:end] for start, end in pairwise(offsets)]
        for place in disputed:
            rows[place] = self._exact.encode_array(clean_text(texts[place]))
        return flatten(rows)

    def encode_batch(self, texts: Sequence[str], threads: int) -> list[list[int]]:
        inputs, disputed = self._inputs(texts)
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
WORTH_ANOTHER = 1000
"""The same for a second one, which only halves the time of batches."""


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

    def encode_flat(self, texts: Texts, threads: int) -> tuple[np.ndarray, np.ndarray]:
        return self._for(sum(map(len, texts))).encode_flat(texts, threads)

    def _for(self, characters: int) -> Engine:
        if self._left >= 0:
            self._left -= characters
            if self._left < 0:
                try:
                    self._engine = GigatokenEngine(self._ranks, self.exact)
                except (ImportError, ValueError):
                    pass  # the same ids, slower
        return self._engine
