"""Lines and paragraphs: the raw figures of Gopher's line rules and of FineWeb's (Penedo et al. 2024, section 3.5).

Four ways to cut a text stand in the published implementations, and they differ: at every line boundary of Unicode
(bullets and ellipses), at runs of line feeds (repeated lines), at runs of two and more (paragraphs), at single line
feeds with blank lines left out (FineWeb).
"""

from __future__ import annotations

import numpy as np

from herdbook.curation.heuristics.characters import LINE_END, SPACE, TERMINAL
from herdbook.curation.kernel import inner, short
from herdbook.curation.wide import digest, first_bit, lowest, n_bits, within

COLUMNS = (
    "n_characters", "n_hash_signs", "n_ellipses", "n_lines", "n_bullet_lines", "n_ellipsis_lines",
    "n_newlines", "n_text_lines", "n_duplicate_lines", "duplicate_line_characters",
    "n_paragraphs", "n_duplicate_paragraphs", "duplicate_paragraph_characters",
    "n_filled_lines", "n_terminal_lines", "n_short_lines", "duplicate_filled_line_characters",
)  # fmt: skip
"""What `line_figures` writes of each document. Text lines are those between runs of line feeds; filled lines have more
than white space on them."""


@inner
def _seen(keys, mask, key):  # type: ignore[no-untyped-def]
    """Whether the key was given before; remembers it."""
    if key == 0:
        key = np.uint64(1)
    at = (key ^ (key >> np.uint64(31))) & mask
    while keys[at] != 0:
        if keys[at] == key:
            return True
        at = (at + np.uint64(1)) & mask
    keys[at] = key
    return False


@short
def _kind(text, i, stop, table):  # type: ignore[no-untyped-def]
    """(bits, bytes) of the character at place i."""
    b = text[i]
    if b < 0x80:
        return np.int64(table[b]), 1
    code, size = np.int64(0xFFFD), 1
    if b >= 0xF0 and i + 3 < stop:
        code = ((np.int64(b) & 7) << 18) | ((np.int64(text[i + 1]) & 63) << 12)
        code |= ((np.int64(text[i + 2]) & 63) << 6) | (np.int64(text[i + 3]) & 63)
        size = 4
    elif b >= 0xE0 and i + 2 < stop:
        code = ((np.int64(b) & 15) << 12) | ((np.int64(text[i + 1]) & 63) << 6) | (np.int64(text[i + 2]) & 63)
        size = 3
    elif b >= 0xC0 and i + 1 < stop:
        code = ((np.int64(b) & 31) << 6) | (np.int64(text[i + 1]) & 63)
        size = 2
    return (np.int64(table[code]) if code < len(table) else np.int64(0)), size


@inner
def strip(text, start, stop, table):  # type: ignore[no-untyped-def]
    """(start, stop) without white space at either end."""
    while start < stop:
        bits, size = _kind(text, start, stop, table)
        if not bits & SPACE:
            break
        start += size
    while stop > start:
        last = stop - 1
        while last > start and text[last] & 0xC0 == 0x80:
            last -= 1
        bits, _ = _kind(text, last, stop, table)
        if not bits & SPACE:
            break
        stop = last
    return start, stop


@inner
def _ends_with_dots(text, start, stop):  # type: ignore[no-untyped-def]
    """Whether the text ends with ... or …"""
    if stop - start < 3:
        return False
    a, b, c = text[stop - 3], text[stop - 2], text[stop - 1]
    return (a == 46 and b == 46 and c == 46) or (a == 0xE2 and b == 0x80 and c == 0xA6)


@inner
def next_line(text, i, stop, table):  # type: ignore[no-untyped-def]
    """(end of the line that begins at i, begin of the next), as `str.splitlines` has them."""
    while i < stop:
        # line feeds, other controls, and where U+0085, U+2028 and U+2029 may begin
        found = within(text, i, 10, 13) | within(text, i, 28, 30) | within(text, i, 0xE2, 0xE2)
        found |= within(text, i, 0xC2, 0xC2) | within(text, i, 0xE0, 0xE0)
        found &= lowest(stop - i)
        while found:
            at = i + np.int64(first_bit(found))
            if text[at] == 10:
                return at, at + 1
            bits, size = _kind(text, at, stop, table)
            if bits & LINE_END:
                if text[at] == 13 and at + 1 < stop and text[at + 1] == 10:
                    return at, at + 2
                return at, at + size
            found &= found - np.uint64(1)
        i += 64
    return stop, stop


@inner
def _third(first, first_before, second, second_before, third):  # type: ignore[no-untyped-def]
    """Places of `third` with `second` one and `first` two before them; *_before: marks of the 64 bytes before."""
    one, two = np.uint64(1), np.uint64(2)
    ahead = (second << one) | (second_before >> np.uint64(63))
    return third & ahead & ((first << two) | (first_before >> np.uint64(62)))


@inner
def _unicode_lines(text, start, stop, table, column):  # type: ignore[no-untyped-def]
    """Lines as `str.splitlines` has them: how many, with a bullet in front, with an ellipsis behind."""
    i = start
    while i < stop:
        begin = i
        end, i = next_line(text, i, stop, table)
        first, last = strip(text, begin, end, table)
        column[3] += 1
        if last > first:
            a = first
            if text[a] == 45 or (text[a] == 0xE2 and last - a >= 3 and text[a + 1] == 0x80 and text[a + 2] == 0xA2):
                column[4] += 1
            if _ends_with_dots(text, first, last):
                column[5] += 1


@inner
def feed(text, i, stop):  # type: ignore[no-untyped-def]
    """(place of the first line feed from i on or `stop`, characters before it)."""
    n = np.int64(0)
    while i < stop:
        found = within(text, i, 10, 10) & lowest(stop - i)
        inside = lowest(min(np.int64(first_bit(found)), stop - i))
        n += np.int64(n_bits(inside & ~within(text, i, 0x80, 0xBF)))
        if found:
            return i + np.int64(first_bit(found)), n
        i += 64
    return stop, n


@inner
def _feed_lines(text, start, stop, table, keys, mask, short, column):  # type: ignore[no-untyped-def]
    """Lines between line feeds: repeats, terminal marks, short ones."""
    n_empty_ends = 0
    if stop > start:
        n_empty_ends = (1 if text[start] == 10 else 0) + (1 if text[stop - 1] == 10 else 0)
    else:
        n_empty_ends = 1
    column[7] += n_empty_ends
    if n_empty_ends == 2:
        column[8] += 1
    i = start
    while i < stop:
        begin = i
        end, size_ = feed(text, i, stop)
        i = end + 1
        if end == begin:
            continue
        filled = 32 < text[begin] < 0x80
        if not filled:
            for k in range(begin, end):
                if text[k] > 32:
                    a, b = strip(text, begin, end, table)
                    filled = b > a
                    break
        column[7] += 1
        repeat = _seen(keys, mask, digest(text, begin, end))
        if repeat:
            column[8] += 1
            column[9] += size_
        if filled:
            column[13] += 1
            last = end - 1
            while last > begin and text[last] & 0xC0 == 0x80:
                last -= 1
            bits, _ = _kind(text, last, end, table)
            if bits & TERMINAL:
                column[14] += 1
            if size_ <= short:
                column[15] += 1
            if repeat:
                column[16] += size_


@inner
def _paragraphs(text, start, stop, table, keys, mask, column):  # type: ignore[no-untyped-def]
    """Parts of the stripped text between two or more line feeds, and repeats among them."""
    start, stop = strip(text, start, stop, table)
    i = start
    while True:
        begin, size_ = i, np.int64(0)
        i, n = feed(text, i, stop)
        size_ += n
        while i < stop and not (i + 1 < stop and text[i + 1] == 10):
            i, n = feed(text, i + 1, stop)
            size_ += n + 1
        column[10] += 1
        if _seen(keys, mask, digest(text, begin, i)):
            column[11] += 1
            column[12] += size_
        if i >= stop:
            break
        while i < stop and text[i] == 10:
            i += 1


@inner
def _characters(text, start, stop, column):  # type: ignore[no-untyped-def]
    """Counts characters, number signs and ellipses."""
    dots_before = wide_before = second_before = np.uint64(0)  # marks of the 64 bytes before
    any_dots = False
    i = start
    while i < stop:
        live = lowest(stop - i)
        column[0] += np.int64(n_bits(live & ~within(text, i, 0x80, 0xBF)))
        column[1] += np.int64(n_bits(live & within(text, i, 35, 35)))
        dots = live & within(text, i, 46, 46)
        if _third(dots, dots_before, dots, dots_before, dots):
            any_dots = True
        dots_before = dots
        wide, second = within(text, i, 0xE2, 0xE2), within(text, i, 0x80, 0x80)
        if wide | wide_before:
            last = live & within(text, i, 0xA6, 0xA6)
            column[2] += np.int64(n_bits(_third(wide, wide_before, second, second_before, last)))
        wide_before, second_before = wide, second
        i += 64
    if not any_dots:
        return
    dots = 0
    for i in range(start, stop):
        if text[i] == 46:
            dots += 1
            if dots == 3:
                column[2] += 1
                dots = 0
        else:
            dots = 0


@inner
def n_feeds(text, i, stop):  # type: ignore[no-untyped-def]
    """How many line feeds there are."""
    n = np.int64(0)
    while i < stop:
        n += np.int64(n_bits(within(text, i, 10, 10) & lowest(stop - i)))
        i += 64
    return n


@inner
def line_figures(text, start, stop, table, short, keys, column):  # type: ignore[no-untyped-def]
    """Writes COLUMNS of a document, of which column[6] (line feeds) is given. `keys` [a power of two] has room for
    twice its lines."""
    _characters(text, start, stop, column)
    size = 16
    while size < 2 * (column[6] + 2):
        size *= 2
    mask = np.uint64(size - 1)
    _unicode_lines(text, start, stop, table, column)
    for i in range(size):
        keys[i] = 0
    _feed_lines(text, start, stop, table, keys, mask, short, column)
    for i in range(size):
        keys[i] = 0
    _paragraphs(text, start, stop, table, keys, mask, column)
