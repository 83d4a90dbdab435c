"""The parts of texts by which their language is judged, cut out by a kernel: what `language.sample` and
`language.lines_of` say of one text, for whole batches over Arrow's UTF-8 buffer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation import character_kinds
from herdbook.curation.character_kinds import ALPHA, LINE_END, LOWER, SIZE, SPACE, UPPER
from herdbook.curation.heuristics.words import Texts, _code_at
from herdbook.curation.kernel import inner

I64 = npt.NDArray[np.int64]
HEAD = 80
"""Characters of a line by which it is told whether it looks like prose."""


@dataclass(frozen=True)
class Parts:
    """The parts of N texts in one buffer; those of text i are rows bounds_N1[i] to bounds_N1[i + 1]."""

    texts: Texts
    characters_P: I64
    has_letter_P: npt.NDArray[np.bool_]
    bounds_N1: I64
    unsure_N: npt.NDArray[np.bool_]
    """Texts whose sample is empty here: `language.sample` has to say what it is."""


@numba.njit(cache=True, nogil=True, inline="always")
def _kind(text, i, stop, table):  # type: ignore[no-untyped-def]
    """(bits, bytes) of the character at place i."""
    b = text[i]
    if b < 0x80:
        return np.int64(table[b]), 1
    code, size = _code_at(text, i, stop)
    return (np.int64(table[code]) if code < SIZE else np.int64(0)), size


@inner
def _line(text, i, stop, table):  # type: ignore[no-untyped-def]
    """(first byte of the line at i without white space around it, byte after its last, where the next line begins)."""
    begin, end = i, i
    blank = True
    while i < stop:
        bits, size = _kind(text, i, stop, table)
        if bits & LINE_END:
            following = i + size
            if text[i] == 13 and following < stop and text[following] == 10:
                following += 1
            return begin, end, following
        i += size
        if not bits & SPACE:
            blank = False
            end = i
        elif blank:
            begin = end = i
    return begin, end, stop


@inner
def _looks_like_prose(text, begin, end, table):  # type: ignore[no-untyped-def]
    """Whether a line that is not empty is no prompt, comment, table or rule, and mostly letters."""
    first = text[begin]
    if first == 35 or first == 36 or first == 124:  # # $ |
        return False
    if end - begin >= 2 and first == 43 and text[begin + 1] == 45:  # +-
        return False
    if end - begin >= 3 and (first == 62 or first == 46) and text[begin + 1] == first and text[begin + 2] == first:
        return False  # >>> and ...
    n, letters = 0, 0
    i = begin
    while i < end and n < HEAD:
        bits, size = _kind(text, i, end, table)
        if bits & ALPHA or text[i] == 32:
            letters += 1
        n += 1
        i += size
    return letters >= 0.7 * n


@inner
def _copy(text, begin, end, most, table, out, n):  # type: ignore[no-untyped-def]
    """Copies at most `most` characters, NUL as a blank. Returns (bytes written up to, characters, any a letter)."""
    characters, letter = 0, False
    i = begin
    while i < end and characters < most:
        bits, size = _kind(text, i, end, table)
        if bits & ALPHA:
            letter = True
        if size == 1:
            out[n] = text[i] if text[i] else np.uint8(32)
            n += 1
        else:
            for k in range(size):
                out[n + k] = text[i + k]
            n += size
        characters += 1
        i += size
    return n, characters, letter


@inner
def _sample(text, start, stop, most, table, out, n):  # type: ignore[no-untyped-def]
    """The sample of one text. Returns (bytes written up to, characters, any a letter, whether it is sure)."""
    begin_n = n
    written, size_, letter = 0, 0, False
    lower, upper, other_upper = False, False, False
    i = start
    while i < stop:
        begin, end, i = _line(text, i, stop, table)
        if begin == end or not _looks_like_prose(text, begin, end, table):
            continue
        if size_ and written < most:
            out[n] = 32
            n += 1
            written += 1
        n, characters, found = _copy(text, begin, end, most - written, table, out, n)
        written += characters
        letter = letter or found
        k = begin
        length = 0
        while k < end and not (lower and size_ + length >= most):
            bits, width = _kind(text, k, end, table)
            if bits & LOWER:
                lower = True
            elif bits & UPPER:
                upper = True
                other_upper = other_upper or width > 1
            length += 1
            k += width
        size_ += length + 1
        if size_ > most:
            break
    if size_ == 0 or (upper and not lower and other_upper):
        return begin_n, 0, False, False
    if upper and not lower:
        for k in range(begin_n, n):
            if 65 <= out[k] <= 90:
                out[k] |= 0x20
    return n, written, letter, True


@numba.njit(cache=True, nogil=True)
def _cut(  # type: ignore[no-untyped-def]
    text, offsets, sampled, lined, table, most, n_lines, shortest, longest, out, ends, sizes, letters, bounds, unsure
):  # fmt: skip
    """Fills the arrays of `Parts`; returns (bytes written, parts)."""
    n, row = np.int64(0), np.int64(0)
    room = 16
    places = np.empty((room, 2), np.int64)
    for document in range(len(offsets) - 1):
        bounds[document] = row
        start, stop = offsets[document], offsets[document + 1]
        if sampled[document]:
            n, sizes[row], letters[row], sure = _sample(text, start, stop, most, table, out, n)
            unsure[document] = not sure
            ends[row] = n
            row += 1
        if not lined[document] or n_lines == 0:
            continue
        found = 0
        i = start
        while i < stop:
            begin, end, i = _line(text, i, stop, table)
            if end - begin < shortest:  # in bytes: fewer than that are fewer characters
                continue
            length, k = 0, begin
            while k < end and length < shortest:
                length += (text[k] & 0xC0) != 0x80
                k += 1
            if length < shortest:
                continue
            if found == room:
                wider = np.empty((2 * room, 2), np.int64)
                wider[:room] = places
                places = wider
                room *= 2
            places[found, 0] = begin
            places[found, 1] = end
            found += 1
        taken = min(found, n_lines)
        for number in range(taken):
            begin, end = places[number * found // taken]
            n, sizes[row], letters[row] = _copy(text, begin, end, longest, table, out, n)
            ends[row] = n
            row += 1
    bounds[len(offsets) - 1] = row
    return n, row


def parts(
    texts: Texts, sampled_N: npt.NDArray[np.bool_], lined_N: npt.NDArray[np.bool_], sample_characters: int,
    n_lines: int, min_line_characters: int, line_characters: int,
) -> Parts:  # fmt: skip
    """The parts of each text: first its sample of at most `sample_characters`, if it is among `sampled_N`; then, if it
    is among `lined_N`, up to `n_lines` of its lines, evenly over it, each of at least `min_line_characters` and cut
    after `line_characters`.
    """
    n = len(texts)
    lengths = np.diff(texts.offsets_N1)
    most_bytes = int(np.minimum(lengths + 1, 4 * sample_characters)[sampled_N].sum())
    most_bytes += int(np.minimum(lengths, 4 * line_characters * n_lines)[lined_N].sum())
    room = int(sampled_N.sum()) + n_lines * int(lined_N.sum())
    out = np.empty(most_bytes + 8, np.uint8)
    ends, sizes = np.zeros(room + 1, np.int64), np.zeros(room, np.int64)
    letters, bounds = np.zeros(room, np.bool_), np.zeros(n + 1, np.int64)
    unsure = np.zeros(n, np.bool_)
    n_bytes, n_parts = _cut(
        texts.data, texts.offsets_N1, sampled_N, lined_N, character_kinds.kinds(), sample_characters, n_lines,
        min_line_characters, line_characters, out, ends[1:], sizes, letters, bounds, unsure,
    )  # fmt: skip
    found = Texts(out[:n_bytes], ends[: n_parts + 1])
    return Parts(found, sizes[:n_parts], letters[:n_parts], bounds, unsure)
