"""Normalisation by kernels over Arrow's UTF-8 buffer: line ends and blank lines of every text are set right, and texts
that may need more are pointed at.

What a kernel cannot decide (composition of characters, damaged text) is left to `normalise.normalise_text`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation import character_kinds
from herdbook.curation.heuristics.words import Texts, _code_at
from herdbook.curation.kernel import inner

SIZE = 0x10000
CONTROL, SAFE, LEAD, HIGH, TEXT = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Found:
    """What was seen in N texts."""

    needs_N: npt.NDArray[np.bool_]
    """Controls, doubly decoded UTF-8, or nothing but white space."""
    unsure_N: npt.NDArray[np.bool_]
    """A character that may have another NFC."""


@lru_cache(maxsize=1)
def _table() -> npt.NDArray[np.uint8]:
    """Bits of each code point under SIZE."""
    from herdbook.curation.steps import normalise

    table = np.zeros(SIZE, dtype=np.uint8)
    for low, high in normalise.SAFE:
        table[low : high + 1] |= SAFE
    for low, high in normalise.CONTROLS:
        table[low : high + 1] |= CONTROL
    table[[ord(c) for c in normalise.LEAD]] |= LEAD
    table[[ord(c) for c in normalise.HIGH]] |= HIGH
    table[np.flatnonzero(character_kinds.kinds()[:SIZE] & character_kinds.ALNUM)] |= TEXT
    table[0x21:0x7F] |= TEXT
    table.flags.writeable = False
    return table


@inner
def _look(text, offsets, table, needs, unsure):  # type: ignore[no-untyped-def]
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        need, odd, filled, lead = False, False, False, False
        while i < stop and not need:
            b = text[i]
            if b < 0x80:
                i += 1
                lead = False
                if b > 32:
                    filled = True
                    need = b == 0x7F
                else:
                    need = b != 32 and b != 10 and b != 9
                continue
            code, size = _code_at(text, i, stop)
            i += size
            bits = np.int64(table[code]) if code < SIZE else np.int64(0)
            need = bits & CONTROL != 0 or (lead and bits & HIGH != 0)
            lead = bits & LEAD != 0
            filled = filled or bits & TEXT != 0
            odd = odd or bits & SAFE == 0
        needs[document] = need or not filled
        unsure[document] = odd


def look(texts: Texts) -> Found:
    """Looks at all texts."""
    needs, unsure = np.zeros(len(texts), np.bool_), np.zeros(len(texts), np.bool_)
    _look(texts.data, texts.offsets_N1, _table(), needs, unsure)
    return Found(needs, unsure)


@inner
def _tidy(text, offsets, out, out_offsets, changed):  # type: ignore[no-untyped-def]
    n = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        begin_n = n
        feeds = 0
        while i < stop:
            end = i
            while end < stop and text[end] != 10:
                end += 1
            last = end
            while last > i and (text[last - 1] == 32 or text[last - 1] == 9):
                last -= 1
            if last < end:
                changed[document] = True
            if last > i:
                if n > begin_n:
                    if feeds > 3:
                        changed[document] = True
                        feeds = 3
                    for _ in range(feeds):
                        out[n] = 10
                        n += 1
                for k in range(i, last):
                    out[n] = text[k]
                    n += 1
                feeds = 0
            feeds += 1
            i = end + 1
        out[n] = 10
        n += 1
        out_offsets[document + 1] = n
    return n


def tidied(texts: Texts) -> tuple[Any, npt.NDArray[np.bool_]]:
    """(Arrow strings without blanks at line ends, with at most two empty lines in a row, none at either end and one
    line feed behind; whether more than the ends of a text changed [N])."""
    import pyarrow as pa

    n = len(texts)
    out = np.empty(int(texts.offsets_N1[-1] - texts.offsets_N1[0]) + n, np.uint8)
    offsets, changed = np.zeros(n + 1, np.int64), np.zeros(n, np.bool_)
    n_bytes = _tidy(texts.data, texts.offsets_N1, out, offsets, changed)
    found = pa.Array.from_buffers(pa.large_string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(out[:n_bytes])])
    return found, changed


@inner
def _count_lost(text, offsets, lost):  # type: ignore[no-untyped-def]
    for document in range(len(offsets) - 1):
        n = 0
        for i in range(offsets[document], offsets[document + 1] - 2):
            n += text[i] == 0xEF and text[i + 1] == 0xBF and text[i + 2] == 0xBD
        lost[document] = n


def count_lost(texts: Texts) -> npt.NDArray[np.int64]:
    """Characters U+FFFD of each text [N]."""
    lost = np.zeros(len(texts), np.int64)
    _count_lost(texts.data, texts.offsets_N1, lost)
    return lost
