"""Exact deduplication: a key of 128 bits for each text, equal where texts differ in case and white space alone.

The engine groups by the key; this file removes nothing. Letters are put in lower case one by one (Unicode's mapping of
single characters, so a Greek sigma is the same at the end of a word and within one: both become σ); every run of white
space becomes one blank, and none stays at the ends. The key is BLAKE2b of the rest in UTF-8, so nobody can write two
texts of one key. A text without anything but white space has a key too, that of the empty text.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import Texts, texts_of
from herdbook.curation.kernel import inner
from herdbook.curation.wide import eight, lower_8, n_single_blanks, put_eight

_SIZE = 0x20000
_BLANK = -1
_SPARE = 64
_FINAL_SIGMA, _SIGMA, _DOTTED_I = 0x3C2, 0x3C3, 0x130


@dataclass(frozen=True, kw_only=True)
class Config:
    """Exact duplicates have no settings."""


@lru_cache(maxsize=1)
def _table() -> npt.NDArray[np.int32]:
    """For each code point under 0x20000 its lower case, or -1: white space."""
    table = np.arange(_SIZE, dtype=np.int32)
    for code in range(_SIZE):
        character = chr(code)
        if character.isspace():
            table[code] = _BLANK
            continue
        lowered = character.lower()
        if len(lowered) == 1 and ord(lowered) < _SIZE:
            table[code] = ord(lowered)
    table[_FINAL_SIGMA] = _SIGMA
    return table


@inner
def _normalise(text, offsets, table, out, out_offsets):  # type: ignore[no-untyped-def]
    """Texts in lower case with single blanks into `out`, which has room for 3 bytes of each 2 and `_SPARE` more."""
    n = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        begin = n
        blank = False
        while i < stop:
            b = text[i]
            if b < 0x80:
                if b <= 32:
                    if table[b] == _BLANK:
                        blank = True
                        i += 1
                        continue
                if blank:
                    if n > begin:
                        out[n] = 32
                        n += 1
                    blank = False
                # up to 8 bytes with single blanks between them, of which the last may be one
                ahead = lower_8(eight(text, i))
                put_eight(out, n, ahead)
                length = max(1, min(n_single_blanks(ahead), stop - i))
                i += length
                n += length
                if length > 1 and out[n - 1] == 32:
                    n -= 1
                    blank = True
                continue
            if 0xE3 <= b <= 0xED and i + 2 < stop and text[i + 1] & 0xC0 == 0x80 and text[i + 2] & 0xC0 == 0x80:
                code = ((np.int64(b) & 15) << 12) | ((np.int64(text[i + 1]) & 63) << 6) | (np.int64(text[i + 2]) & 63)
                if 0x3040 <= code < 0xA640 or 0xAC00 <= code <= 0xD7A3:  # without case, and no blank among them
                    if blank:
                        if n > begin:
                            out[n] = 32
                            n += 1
                        blank = False
                    out[n], out[n + 1], out[n + 2] = b, text[i + 1], text[i + 2]
                    n += 3
                    i += 3
                    continue
            whole = 1  # bytes up to the next that begins a character
            while whole < 4 and i + whole < stop and (text[i + whole] & 0xC0) == 0x80:
                whole += 1
            if 0xC0 <= b < 0xE0 and whole >= 2:
                code, size = ((np.int64(b) & 31) << 6) | (np.int64(text[i + 1]) & 63), 2
            elif 0xE0 <= b < 0xF0 and whole >= 3:
                code = ((np.int64(b) & 15) << 12) | ((np.int64(text[i + 1]) & 63) << 6) | (np.int64(text[i + 2]) & 63)
                size = 3
            elif b >= 0xF0 and whole >= 4:
                code = ((np.int64(b) & 7) << 18) | ((np.int64(text[i + 1]) & 63) << 12)
                code |= ((np.int64(text[i + 2]) & 63) << 6) | (np.int64(text[i + 3]) & 63)
                size = 4
            else:
                code, size = np.int64(_SIZE), 1  # a damaged byte is copied
            low = np.int64(table[code]) if code < _SIZE else code
            if low == _BLANK:
                blank = True
                i += size
                continue
            if blank:
                if n > begin:
                    out[n] = 32
                    n += 1
                blank = False
            if code == _DOTTED_I:  # the only letter whose lower case has two characters: i and a dot above
                out[n], out[n + 1], out[n + 2] = 0x69, 0xCC, 0x87
                n += 3
            elif low == code or code >= _SIZE:
                for k in range(size):
                    out[n + k] = text[i + k]
                n += size
            elif low < 0x80:  # the sign for kelvin is a k
                out[n] = low
                n += 1
            elif low < 0x800:
                out[n], out[n + 1] = 0xC0 | (low >> 6), 0x80 | (low & 63)
                n += 2
            elif low < 0x10000:
                out[n], out[n + 1], out[n + 2] = 0xE0 | (low >> 12), 0x80 | ((low >> 6) & 63), 0x80 | (low & 63)
                n += 3
            else:
                out[n], out[n + 1] = 0xF0 | (low >> 18), 0x80 | ((low >> 12) & 63)
                out[n + 2], out[n + 3] = 0x80 | ((low >> 6) & 63), 0x80 | (low & 63)
                n += 4
            i += size
        out_offsets[document + 1] = n


def normalised(texts: Texts) -> Texts:
    """The texts as they are hashed."""
    out = np.empty(int(texts.offsets_N1[-1] - texts.offsets_N1[0]) * 3 // 2 + _SPARE, dtype=np.uint8)
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    _normalise(texts.data, texts.offsets_N1, _table(), out, offsets)
    return Texts(out, offsets)


def keys(texts: Any) -> Any:
    """A key of 16 bytes for each text (an Arrow array of strings or a sequence of them): Arrow binary(16) [N]."""
    import pyarrow as pa

    found = normalised(texts_of(texts))
    data = found.data.data
    bounds = found.offsets_N1.tolist()
    hashed = b"".join(blake2b(data[a:b], digest_size=16).digest() for a, b in itertools.pairwise(bounds))
    return pa.Array.from_buffers(pa.binary(16), len(found), [None, pa.py_buffer(hashed)])


def measure(table: Any, config: Config | None = None) -> Any:
    """Column `exact_key` (16 bytes) of a table with a column `text`."""
    import pyarrow as pa

    return pa.table({"exact_key": keys(table["text"])})
