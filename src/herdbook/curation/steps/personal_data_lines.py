"""Lines that can hold personal data at all, and which kinds: one look at every byte, before any expression is asked.

A line is pointed at where it has an @ between what an address has there, two capitals, two digits and eight more of
either, two colons with at most four hexadecimal digits between them, or a run of digits and separators (at most two in
a row) with 8 digits, or with 4 and three full stops. Every form of `personal_data_forms.FORMS` needs one of these.
Blocks of bytes without a digit, @ or colon are passed over by a loop that the compiler turns into vector instructions;
runs are few and short, and expressions over their bytes say of which kinds they can be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation import character_kinds
from herdbook.curation.character_kinds import DIGIT
from herdbook.curation.heuristics.words import Texts, _code_at
from herdbook.curation.kernel import inner
from herdbook.curation.wide import n_characters

I64 = npt.NDArray[np.int64]
BLOCK = 64
MIN_DIGITS = 8
"""Fewest digits of a number that is personal, addresses of the Internet aside."""
EMAIL, IBAN, COLONS, DIGITS, RUN = 1, 2, 4, 8, 16
"""What is seen in a line: DIGITS are those of other scripts, which `\\d` takes for digits in any kind of number."""
NUMBERS = {
    "korean_resident_number": re.compile(rb"\d{6}[- ]?[1-8]\d{6}"),
    "us_social_security": re.compile(rb"\d{3}[- ]\d{2}[- ]\d{4}"),
    "card": re.compile(rb"\d(?:[ -]?\d){12}"),
    "ip": re.compile(rb"\d\.\d{1,3}\.\d{1,3}\.\d"),
    "phone": re.compile(
        rb"\+\d|\(\d{2,4}\) ?\d{3,4}[ .-]\d{4}|[02-9]\d{1,2}[ .-]\d{3,4}[ .-]\d{4}"
    ),
}  # fmt: skip
"""For each kind of number what a run must hold: a part of each match of `FORMS`, without what stands around."""


@dataclass(frozen=True)
class Line:
    """A line that can hold personal data."""

    document: int
    text: str
    before: int
    """Characters of the document before it."""
    kinds: frozenset[str]
    """Kinds that it can hold."""


@numba.njit(cache=True, nogil=True, inline="always")
def _is_mark(b, c, d):  # type: ignore[no-untyped-def]
    """Whether a byte is a digit, @ or colon, or three bytes may begin with a digit of another script."""
    return (
        ((b >= 48) & (b <= 58)) | (b == 64)
        | ((b == 0xD9) & (c <= 0xA9)) | ((b == 0xDB) & (c >= 0xB0) & (c <= 0xB9)) | ((b == 0xDF) & (c <= 0x89))
        | ((b == 0xE0) & (
            ((c & 1 == 1) & (c <= 0xB7) & (d >= 0xA6)) | (((c == 0xB9) | (c == 0xBB)) & (d >= 0x90) & (d <= 0x99))
            | ((c == 0xBC) & (d >= 0xA0) & (d <= 0xA9))
        ))
        | ((b == 0xE1) & (c < 0xB8)) | ((b == 0xEA) & (c < 0xB0)) | ((b == 0xEF) & (c == 0xBC)) | (b >= 0xF0)
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, inline="always")
def _any_mark(text, begin):  # type: ignore[no-untyped-def]
    found = False
    for k in range(BLOCK):
        i = begin + k
        found |= _is_mark(text[i], text[i + 1], text[i + 2])
    return found


@inner
def _is_digit(b):  # type: ignore[no-untyped-def]
    return 48 <= b <= 57


@inner
def _is_capital(b):  # type: ignore[no-untyped-def]
    return 65 <= b <= 90


@inner
def _is_alphanumeric(b):  # type: ignore[no-untyped-def]
    return 48 <= b <= 57 or 97 <= b | 0x20 <= 122


@inner
def _is_separator(b):  # type: ignore[no-untyped-def]
    return b == 32 or b == 45 or b == 46 or b == 40 or b == 41 or b == 43  # blank - . ( ) +


@inner
def _is_email(text, i, start, stop):  # type: ignore[no-untyped-def]
    """Whether the @ at place i stands between what an address has there."""
    if i == start or i + 1 >= stop or not _is_alphanumeric(text[i + 1]):
        return False
    b = text[i - 1]
    return b >= 0x80 or _is_alphanumeric(b) or b == 46 or b == 43 or b == 95 or b == 45  # . + _ -


@inner
def _is_second_colon(text, i, start):  # type: ignore[no-untyped-def]
    """Whether at most four hexadecimal digits stand between the colon at place i and one before it."""
    k = i - 1
    while k >= start and k >= i - 4 and (_is_digit(text[k]) or 97 <= text[k] | 0x20 <= 102):
        k -= 1
    return k >= start and text[k] == 58


@inner
def _is_iban(text, i, start, stop):  # type: ignore[no-untyped-def]
    """Whether the digit at place i stands behind two capitals and before another digit and twice four of either."""
    if i - 2 < start or i + 1 >= stop:
        return False
    if not (_is_capital(text[i - 1]) and _is_capital(text[i - 2]) and _is_digit(text[i + 1])):
        return False
    k = i + 2
    for _ in range(2):
        if k < stop and text[k] == 32:
            k += 1
        for _ in range(4):
            if k >= stop or not (_is_digit(text[k]) or _is_capital(text[k])):
                return False
            k += 1
    return True


@inner
def _run(text, i, start, stop):  # type: ignore[no-untyped-def]
    """(first byte of the run with its first digit at place i, byte after its last, whether it has digits enough)."""
    begin = i
    while begin > start and begin > i - 2 and _is_separator(text[begin - 1]):
        begin -= 1
    digits, dots, separators = 0, 0, 0
    for k in range(begin, i):
        dots += text[k] == 46
    while i < stop:
        b = text[i]
        if _is_digit(b):
            digits += 1
            separators = 0
        elif _is_separator(b) and separators < 2:
            separators += 1
            dots += b == 46
        else:
            break
        i += 1
    return begin, i, digits >= MIN_DIGITS or (digits >= 4 and dots >= 3)


@inner
def _seen(text, i, start, stop, kinds):  # type: ignore[no-untyped-def]
    """What is seen at the mark at place i that is no digit of a run."""
    b = text[i]
    if b == 64:
        return EMAIL if _is_email(text, i, start, stop) else 0
    if b == 58:
        return COLONS if _is_second_colon(text, i, start) else 0
    code, _ = _code_at(text, i, stop)
    return DIGITS if code < len(kinds) and kinds[code] & DIGIT else 0


@inner
def _find(text, offsets, kinds, lines, runs):  # type: ignore[no-untyped-def]
    """Writes (document, first byte, byte after the last, characters of the document before it, what is seen) of each
    line found, and (line, first byte, byte after the last) of each run, the first document beginning at byte 0; returns
    how many of both."""
    n, n_runs, document, behind_run = -1, 0, 0, 0
    last = len(offsets) - 1
    for block in range((offsets[last] + BLOCK - 1) // BLOCK):
        begin = block * BLOCK
        if begin + BLOCK + 2 <= len(text) and not _any_mark(text, begin):
            continue
        for i in range(max(begin, behind_run), min(begin + BLOCK, offsets[last])):
            b = text[i]
            if b < 48 or 58 < b < 64 or 64 < b < 0xC0 or i < behind_run:
                continue
            while offsets[document + 1] <= i:
                document += 1
            start, stop = offsets[document], offsets[document + 1]
            seen, first = 0, 0
            if _is_digit(b):
                first, behind_run, enough = _run(text, i, start, stop)
                seen = (RUN if enough else 0) | (IBAN if _is_iban(text, i, start, stop) else 0)
            else:
                seen = _seen(text, i, start, stop, kinds)
            if not seen:
                continue
            if n < 0 or i >= lines[n, 2]:
                n += 1
                line_begin, line_end = i, i
                while line_begin > start and text[line_begin - 1] != 10:
                    line_begin -= 1
                while line_end < stop and text[line_end] != 10:
                    line_end += 1
                lines[n, 0], lines[n, 1], lines[n, 2], lines[n, 4] = document, line_begin, line_end, 0
                if n and lines[n - 1, 0] == document:
                    lines[n, 3] = lines[n - 1, 3] + n_characters(text, lines[n - 1, 1], line_begin)
                else:
                    lines[n, 3] = n_characters(text, start, line_begin)
            lines[n, 4] |= seen
            if seen & RUN:
                runs[n_runs, 0], runs[n_runs, 1], runs[n_runs, 2] = n, first, behind_run
                n_runs += 1
    return n + 1, n_runs


def possible_lines(texts: Texts) -> list[Line]:
    """The lines that can hold personal data, in order."""
    first = texts.offsets_N1[0]
    data, offsets = texts.data[first:], texts.offsets_N1 - first
    room = int(offsets[-1]) // 3 + len(texts) + 1  # the shortest line has two bytes and its line feed
    found, runs = np.empty((room, 5), np.int64), np.empty((room, 3), np.int64)
    n_lines, n_runs = _find(data, offsets, character_kinds.kinds(), found, runs)
    kinds: list[set[str]] = [_kinds(seen) for seen in found[:n_lines, 4].tolist()]
    for line, begin, end in runs[:n_runs].tolist():
        run = data[begin:end].tobytes()
        kinds[line].update(kind for kind, pattern in NUMBERS.items() if pattern.search(run))
    return [
        Line(document, data[begin:end].tobytes().decode("utf-8", "replace"), before, frozenset(here))
        for (document, begin, end, before, _), here in zip(found[:n_lines].tolist(), kinds)
        if here
    ]


def _kinds(seen: int) -> set[str]:
    """The kinds that a line can hold by what is seen in it, those of its runs aside."""
    if seen & DIGITS:
        return {"email", "iban", *NUMBERS}
    kinds = (("email", EMAIL), ("iban", IBAN), ("ip", COLONS))
    return {kind for kind, bit in kinds if seen & bit}
