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
from herdbook.curation.heuristics.words import Texts, _back, _code_at
from herdbook.curation.kernel import PLACES, inner, short
from herdbook.curation.wide import HIGH, SEVEN, each, eight, first_bit, n_characters, padded

I64 = npt.NDArray[np.int64]
_FROM_32, _C2, _E2 = each(0x80 - 32), each(0x42), each(0x62)
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


@short
def _kind(text, i, stop, table):  # type: ignore[no-untyped-def]
    """(bits, bytes) of the character at place i."""
    b = text[i]
    if b < 0x80:
        return np.int64(table[b]), 1
    code, size = _code_at(text, i, stop)
    return (np.int64(table[code]) if code < SIZE else np.int64(0)), size


@short
def _may_end(word):  # type: ignore[no-untyped-def]
    """The high bit of each of eight bytes that may begin the end of a line: under 32, 0xC2 or 0xE2."""
    low = word & SEVEN
    control = ~((low + _FROM_32) | word)
    lead = ~(((low ^ _C2) + SEVEN) & ((low ^ _E2) + SEVEN)) & word
    return (control | lead) & HIGH


@inner
def _line_end(text, i, stop, table):  # type: ignore[no-untyped-def]
    """(first byte of what ends the line that place i is in, bytes of that end)."""
    while i < stop:
        mask = _may_end(eight(text, i))
        if not mask:
            i += 8
            continue
        i += np.int64(first_bit(mask) >> np.uint64(3))
        if i >= stop:
            break
        bits, size = _kind(text, i, stop, table)
        if bits & LINE_END:
            return i, 2 if text[i] == 13 and i + 1 < stop and text[i + 1] == 10 else size
        i += 1
    return stop, 0


@inner
def _lines(text, i, stop, table, places):  # type: ignore[no-untyped-def]
    """Writes (first byte, byte after the last) of the lines of text[i:stop] without white space around them, but for
    empty ones, as long as there is room in `places` [M, 2]. Returns (lines, where the next one begins)."""
    n = 0
    while i < stop and n < len(places):
        end, size = _line_end(text, i, stop, table)
        begin, following = i, end + size
        while begin < end:
            bits, size = _kind(text, begin, end, table)
            if not bits & SPACE:
                break
            begin += size
        while begin < end:
            last = _back(text, end, begin)
            bits, _ = _kind(text, last, end, table)
            if not bits & SPACE:
                break
            end = last
        if begin < end:
            places[n, 0], places[n, 1] = begin, end
            n += 1
        i = following
    return n, i


@inner
def _head(text, begin, end, table):  # type: ignore[no-untyped-def]
    """(whether the first characters of a line that is not empty look like prose: no prompt, comment, table or rule, and
    mostly letters; which bits they have; whether one outside ASCII is an upper case letter; characters; place behind
    them)."""
    seen, other_upper, n, letters = 0, False, 0, 0
    i = begin
    while i < end and n < HEAD:
        bits, size = _kind(text, i, end, table)
        seen |= bits
        letters += bits & ALPHA != 0 or text[i] == 32
        other_upper = other_upper or (size > 1 and bits & UPPER != 0)
        n += 1
        i += size
    prose = letters >= 0.7 * n
    first = text[begin]
    if first == 35 or first == 36 or first == 124:  # # $ |
        prose = False
    if end - begin >= 2 and first == 43 and text[begin + 1] == 45:  # +-
        prose = False
    if end - begin >= 3 and (first == 62 or first == 46) and text[begin + 1] == first and text[begin + 2] == first:
        prose = False  # >>> and ...
    return prose, seen, other_upper, n, i


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
def _copy_whole(text, begin, end, out, n):  # type: ignore[no-untyped-def]
    """Copies bytes, NUL as a blank; returns the place behind them."""
    source, target = begin & PLACES, n & PLACES
    for k in range(end - begin):
        b = text[source + k]
        out[target + k] = b if b else np.uint8(32)
    return n + (end - begin)


@inner
def _sample(text, places, n_lines, most, table, out, n, state):  # type: ignore[no-untyped-def]
    """Adds the lines that look like prose to a sample that ends before place n of `out`; returns the place behind it.

    `state`: characters written, characters of the lines and one more for each, bits seen, whether one outside ASCII is
    an upper case letter, whether any that was written is a letter.
    """
    for line in range(n_lines):
        if state[1] > most:
            break
        begin, end = places[line, 0], places[line, 1]
        prose, seen, other_upper, head, i = _head(text, begin, end, table)
        if not prose:
            continue
        written = state[0]
        if state[1] and written < most:
            out[n] = 32
            n += 1
            written += 1
        length = head + n_characters(text, i, end)
        if length <= most - written and seen & ALPHA:
            n = _copy_whole(text, begin, end, out, n)
            written += length
            state[4] = 1
        else:
            n, characters, letter = _copy(text, begin, end, most - written, table, out, n)
            written += characters
            state[4] |= letter
        seen |= state[2]
        while i < end and not seen & LOWER:  # with a letter in lower case the sample stays as it is
            bits, size = _kind(text, i, end, table)
            seen |= bits
            other_upper = other_upper or (size > 1 and bits & UPPER != 0)
            i += size
        state[0], state[2] = written, seen
        state[1] += length + 1
        state[3] |= other_upper
    return n


@inner
def _finish(out, begin, n, state):  # type: ignore[no-untyped-def]
    """Ends the sample out[begin:n]; returns (place behind it, whether it is sure)."""
    upper = state[2] & UPPER != 0 and not state[2] & LOWER
    if state[1] == 0 or (upper and state[3]):
        return begin, False
    if upper:
        for k in range(begin, n):
            if 65 <= out[k] <= 90:
                out[k] |= 0x20
    return n, True


@inner
def _long_enough(text, places, n_lines, shortest):  # type: ignore[no-untyped-def]
    """Moves the lines of at least so many characters to the front; returns how many they are."""
    n = 0
    for line in range(n_lines):
        begin, end = places[line, 0], places[line, 1]
        if end - begin < shortest:  # in bytes: fewer than that are fewer characters
            continue
        length, k = 0, begin
        while k < end and length < shortest:
            length += (text[k] & 0xC0) != 0x80
            k += 1
        if length >= shortest:
            places[n, 0], places[n, 1] = begin, end
            n += 1
    return n


@numba.njit(cache=True, nogil=True)
def _cut(  # type: ignore[no-untyped-def]
    text, offsets, sampled, lined, table, most, n_lines, shortest, longest, out, ends, sizes, letters, bounds, unsure
):  # fmt: skip
    """Fills the arrays of `Parts`; returns (bytes written, parts)."""
    n, row = np.int64(0), np.int64(0)
    places = np.empty((64, 2), np.int64)
    state = np.zeros(5, np.int64)
    for document in range(len(offsets) - 1):
        bounds[document] = row
        i, stop = offsets[document], offsets[document + 1]
        sample, lines = sampled[document], lined[document] and n_lines > 0
        begin, found = n, 0
        state[:] = 0
        while i < stop and (lines or (sample and state[1] <= most)):
            if len(places) - found < 32:
                wider = np.empty((2 * len(places), 2), np.int64)
                wider[:found] = places[:found]
                places = wider
            here = places[found:]
            more, i = _lines(text, i, stop, table, here)
            if sample:
                n = _sample(text, here, more, most, table, out, n, state)
            found += _long_enough(text, here, more, shortest) if lines else 0
        if sample:
            n, sure = _finish(out, begin, n, state)
            sizes[row], letters[row], unsure[document] = state[0] if sure else 0, sure and state[4] != 0, not sure
            ends[row] = n
            row += 1
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
        padded(texts.data), texts.offsets_N1, sampled_N, lined_N, character_kinds.kinds(), sample_characters, n_lines,
        min_line_characters, line_characters, out, ends[1:], sizes, letters, bounds, unsure,
    )  # fmt: skip
    found = Texts(out[:n_bytes], ends[: n_parts + 1])
    return Parts(found, sizes[:n_parts], letters[:n_parts], bounds, unsure)
