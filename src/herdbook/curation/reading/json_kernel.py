"""Lines of JSON taken apart by a kernel: where the values of the wanted fields stand, and the text without its escapes.

It knows strict JSON and stops at every line that it is not sure of (damage, lone surrogates, `NaN`, escapes in names,
deep nesting), so that Python's own `json` says what such a line is. A line that it takes means the same to both
(tests).
NumPy points at the bytes that may end a string (`marks_of`), so the kernel looks at few of the others; that the bytes
are UTF-8 is found beforehand.
Shape letters: R records, F wanted fields, M marks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from herdbook.curation.kernel import inner

DEPTH = 64
"""Levels of nesting that are followed."""
DIGITS = 4000
"""Python refuses integers of more than 4,300 digits."""
_QUOTE, _BACKSLASH, _COMMA, _COLON = 0x22, 0x5C, 0x2C, 0x3A
_OBJECT, _OBJECT_END, _ARRAY, _ARRAY_END = 0x7B, 0x7D, 0x5B, 0x5D


def marks_of(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Places [M] of quotes, backslashes and control characters, and one behind the last byte."""
    found = np.flatnonzero((data == _QUOTE) | (data == _BACKSLASH) | (data < 0x20))
    return np.append(found, len(data))


@inner
def _blank(data, i, stop):  # type: ignore[no-untyped-def]
    """The next place that is no white space."""
    while i < stop and (data[i] == 32 or data[i] == 9 or data[i] == 13):
        i += 1
    return i


@inner
def _hex(data, i, stop):  # type: ignore[no-untyped-def]
    """The number that four hexadecimal digits write; -1 where they are none."""
    if i + 4 > stop:
        return np.int64(-1)
    value = np.int64(0)
    for k in range(i, i + 4):
        c = np.int64(data[k])
        if 48 <= c <= 57:
            digit = c - 48
        elif 97 <= c | 32 <= 102:
            digit = (c | 32) - 87
        else:
            return np.int64(-1)
        value = value * 16 + digit
    return value


@inner
def _escape(data, i, stop):  # type: ignore[no-untyped-def]
    """(code point of the escape whose backslash stands at i, its bytes); (-1, 0) for one that is none."""
    if i + 1 >= stop:
        return np.int64(-1), np.int64(0)
    c = data[i + 1]
    if c == 110:
        return np.int64(10), np.int64(2)
    if c in (_QUOTE, _BACKSLASH, 47):
        return np.int64(c), np.int64(2)
    if c == 116:
        return np.int64(9), np.int64(2)
    if c == 114:
        return np.int64(13), np.int64(2)
    if c == 98:
        return np.int64(8), np.int64(2)
    if c == 102:
        return np.int64(12), np.int64(2)
    if c != 117:
        return np.int64(-1), np.int64(0)
    code = np.int64(_hex(data, i + 2, stop))
    if not 0xD800 <= code < 0xE000:
        return code, np.int64(6)
    if code >= 0xDC00 or i + 12 > stop or data[i + 6] != _BACKSLASH or data[i + 7] != 117:
        return np.int64(-1), np.int64(0)
    low = np.int64(_hex(data, i + 8, stop))
    if not 0xDC00 <= low < 0xE000:
        return np.int64(-1), np.int64(0)
    return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), np.int64(12)


@inner
def _string(data, i, marks, m):  # type: ignore[no-untyped-def]
    """(place after the closing quote of the string whose first character stands at i, whether it has escapes, number of
    the mark after it); -1 as the first: not one that is known. `m`: number of a mark that is not behind i."""
    escaped = False
    while True:
        while marks[m] < i:
            m += 1
        i = marks[m]
        if i == len(data) or data[i] < 0x20:
            return np.int64(-1), escaped, m
        if data[i] == _QUOTE:
            return i + 1, escaped, m + 1
        code, size = _escape(data, i, len(data))
        if code < 0:
            return np.int64(-1), escaped, m
        escaped = True
        i += size


@inner
def _digits(data, i, stop):  # type: ignore[no-untyped-def]
    while i < stop and 48 <= data[i] <= 57:
        i += 1
    return i


@inner
def _plain(data, i, stop):  # type: ignore[no-untyped-def]
    """The place after a number, `true`, `false` or `null`; -1: none of them."""
    if i + 4 <= stop:
        a, b, c, d = data[i], data[i + 1], data[i + 2], data[i + 3]
        if a == 110 and b == 117 and c == 108 and d == 108:
            return i + 4
        if a == 116 and b == 114 and c == 117 and d == 101:
            return i + 4
        if a == 102 and b == 97 and c == 108 and d == 115 and i + 5 <= stop and data[i + 4] == 101:
            return i + 5
    begin = i
    if i < stop and data[i] == 45:
        i += 1
    if i >= stop or not 48 <= data[i] <= 57:
        return np.int64(-1)
    i = i + 1 if data[i] == 48 else _digits(data, i, stop)
    if i + 1 < stop and data[i] == 46:
        after = _digits(data, i + 1, stop)
        if after == i + 1:
            return np.int64(-1)
        i = after
    if i < stop and data[i] | 32 == 101:
        i += 1
        if i < stop and (data[i] == 43 or data[i] == 45):
            i += 1
        after = _digits(data, i, stop)
        if after == i:
            return np.int64(-1)
        i = after
    return i if i - begin < DIGITS else np.int64(-1)


@inner
def _name(data, i, stop, marks, m):  # type: ignore[no-untyped-def]
    """(first byte of the name at place i, byte after its last, place after its colon, number of the next mark); -1 as
    the third: none."""
    i = _blank(data, i, stop)
    if i >= stop or data[i] != _QUOTE:
        return i, i, np.int64(-1), m
    end, escaped, m = _string(data, i + 1, marks, m)
    if end < 0 or escaped:
        return i, i, np.int64(-1), m
    after = _blank(data, end, stop)
    if after >= stop or data[after] != _COLON:
        return i, i, np.int64(-1), m
    return i + 1, end - 1, after + 1, m


@inner
def _value(data, i, stop, marks, m, stack):  # type: ignore[no-untyped-def]
    """(place after the value at place i, number of a mark that is not behind it); -1 as the first: not one that is
    known."""
    depth = 0
    while True:
        i = _blank(data, i, stop)
        if i >= stop:
            return np.int64(-1), m
        b = data[i]
        if b == _QUOTE:
            i, _, m = _string(data, i + 1, marks, m)
        elif b in (_OBJECT, _ARRAY):
            if depth == len(stack):
                return np.int64(-1), m
            stack[depth] = b
            depth += 1
            i = _blank(data, i + 1, stop)
            if i < stop and data[i] == b + 2:
                depth -= 1
                i += 1
            elif b == _OBJECT:
                _, _, i, m = _name(data, i, stop, marks, m)
                if i < 0:
                    return np.int64(-1), m
                continue
            else:
                continue
        else:
            i = _plain(data, i, stop)
        if i < 0:
            return np.int64(-1), m
        while True:
            if depth == 0:
                return i, m
            i = _blank(data, i, stop)
            if i >= stop:
                return np.int64(-1), m
            if data[i] == _COMMA:
                i += 1
                if stack[depth - 1] == _OBJECT:
                    _, _, i, m = _name(data, i, stop, marks, m)
                    if i < 0:
                        return np.int64(-1), m
                break
            if data[i] != stack[depth - 1] + 2:
                return np.int64(-1), m
            depth -= 1
            i += 1


@inner
def _object(data, i, marks, m, names, name_bounds, stack, spans):  # type: ignore[no-untyped-def]
    """(place after the line, its line feed included, number of a mark) where the line at place i is an object that is
    known, and `spans` [F, 2] the places of the wanted values; -1 as the first for any other."""
    stop = len(data)
    for f in range(len(spans)):
        spans[f, 0] = spans[f, 1] = -1
    i = _blank(data, i, stop)
    if i >= stop or data[i] != _OBJECT:
        return np.int64(-1), m
    i = _blank(data, i + 1, stop)
    if i < stop and data[i] == _OBJECT_END:
        return _line_end(data, i + 1), m
    while True:
        a, b, i, m = _name(data, i, stop, marks, m)
        if i < 0:
            return i, m
        i = _blank(data, i, stop)
        end, m = _value(data, i, stop, marks, m, stack)
        if end < 0:
            return end, m
        for f in range(len(spans)):
            begin = name_bounds[f]
            if name_bounds[f + 1] - begin != b - a:
                continue
            same = True
            for k in range(b - a):
                same = same and names[begin + k] == data[a + k]
            if same:
                spans[f, 0], spans[f, 1] = i, end
        i = _blank(data, end, stop)
        if i >= stop:
            return np.int64(-1), m
        if data[i] == _OBJECT_END:
            return _line_end(data, i + 1), m
        if data[i] != _COMMA:
            return np.int64(-1), m
        i += 1


@inner
def _line_end(data, i):  # type: ignore[no-untyped-def]
    """The place after the line feed that alone follows; -1 where more does."""
    i = _blank(data, i, len(data))
    if i == len(data):
        return i
    return i + 1 if data[i] == 10 else np.int64(-1)


@inner
def _unescaped(data, i, stop, marks, m, out, n):  # type: ignore[no-untyped-def]
    """Writes the string between its quotes to `out` from n on; returns (byte after its last, whether a character is
    there that is surely no white space)."""
    first = n
    while True:
        while marks[m] < i:
            m += 1
        end = min(marks[m], stop)
        for k in range(end - i):
            out[n + k] = data[i + k]
        n += end - i
        i = end
        if i == stop:
            break
        code, size = _escape(data, i, stop)
        i += size
        if code < 0x80:
            out[n] = code
            n += 1
        elif code < 0x800:
            out[n] = 0xC0 | code >> 6
            out[n + 1] = 0x80 | code & 63
            n += 2
        elif code < 0x10000:
            out[n] = 0xE0 | code >> 12
            out[n + 1] = 0x80 | code >> 6 & 63
            out[n + 2] = 0x80 | code & 63
            n += 3
        else:
            out[n] = 0xF0 | code >> 18
            out[n + 1] = 0x80 | code >> 12 & 63
            out[n + 2] = 0x80 | code >> 6 & 63
            out[n + 3] = 0x80 | code & 63
            n += 4
    for k in range(first, n):
        if 0x21 <= out[k] <= 0x7E or out[k] >= 0xE4:  # printing ASCII, or from U+4000 on
            return n, True
    return n, False


@inner
def records(data, i, marks, longest, names, name_bounds, n_texts, stack, spans, starts, out, offsets):  # type: ignore[no-untyped-def]
    """Takes lines apart from place i on. Fills `spans` [R, F, 2] with the places of the values of fields in the line
    that begins at `starts` [R], and `out` with the texts: text r is out[offsets[r]:offsets[r + 1]].

    The first `n_texts` fields are those in which the text is looked for, best first. Returns (records, place of the
    first line that was not taken): it ends at lines that are not known, that have no text or blanks alone, or are
    longer than `longest`, and where `starts` is full.
    """
    n = 0
    m = np.searchsorted(marks, i)
    while i < len(data) and n < len(starts):
        if data[i] == 10:
            i += 1
            continue
        before = m
        following, m = _object(data, i, marks, m, names, name_bounds, stack, spans[n])
        if following < 0 or following - i > longest:
            break
        text = 0
        while text < n_texts and (spans[n, text, 0] < 0 or data[spans[n, text, 0]] == 110):
            text += 1
        if text == n_texts or data[spans[n, text, 0]] != _QUOTE:
            break
        end, printing = _unescaped(
            data, spans[n, text, 0] + 1, spans[n, text, 1] - 1, marks, before, out, offsets[n]
        )  # fmt: skip
        if not printing:
            break
        starts[n] = i
        n += 1
        offsets[n] = end
        i = following
    return n, i
