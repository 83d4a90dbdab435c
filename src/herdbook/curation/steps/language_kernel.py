"""lid.176 asked by a kernel for whole batches of lines: the labels of fastText's own code, many times as fast.

fastText looks up every word and every n-gram of its letters in a compressed matrix, taking each row apart anew. Here
the rows are unfolded (3.2 MB); which rows a word has is kept in a small table by the bytes of the word, for most words
come again; and the rows are added up in fastText's order and precision, so that every probability is the same number.
`tests/curation/test_language_model.py` compares both with fastText's binding, the slow twin.

An entry of the table is one line of the processor's cache, 64 bytes: a word of under 32 bytes (no byte of a word is
0, so its length needs no place), at most 15 rows, and their number.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import Texts
from herdbook.curation.kernel import PLACES, inner, short
from herdbook.curation.steps.language_model import BUCKETS, DIM, F32, I32, LONGEST, SHORTEST, Model
from herdbook.curation.wide import HIGH, SEVEN, each, eight, first_bit, lowest, n_bits, padded

_LABEL = np.frombuffer(b"__label__", dtype=np.uint8).copy()
_OFFSET, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_TINY = 1e-5
LINE, ENTRIES, WORD, ROWS = 64, 1 << 12, 32, 15
"""Bytes of an entry of the table, entries, more bytes than a word has, rows that an entry has room for."""
_KEPT = WORD // 2
"""Where rows begin in an entry, as numbers of two bytes."""
_U = np.uint64
_BLANK, _FROM_9, _FROM_14 = each(32), each(0x80 - 9), each(0x80 - 14)
_ODD_1, _ODD_2, _ODD_3, _ODD_4 = (
    _U(0x9E3779B97F4A7C15), _U(0xC2B2AE3D27D4EB4F), _U(0x165667B19E3779F9), _U(0x27D4EB2F165667C5),
)  # fmt: skip
"""Large odd numbers by which words are mixed."""


@short
def _spaces(word):  # type: ignore[no-untyped-def]
    """The high bit of each byte that ends a word: blank, NUL, 9 to 13."""
    low = word & SEVEN
    inside = ((low ^ _BLANK) + SEVEN) & (low + SEVEN)
    control = (low + _FROM_9) & ~(low + _FROM_14)
    return (~inside | control) & ~word & HIGH


@short
def _piece(text, i, rest):  # type: ignore[no-untyped-def]
    """(the bytes of a word that begins or goes on at place i, as a number; how many of the next eight it has)."""
    word = eight(text, i)
    n = min(np.int64(first_bit(_spaces(word)) >> _U(3)), rest)
    return word & lowest(8 * n), n


@short
def _read(text, i, rest):  # type: ignore[no-untyped-def]
    """(bytes of the word at place i, which ends before `rest` bytes or with them, the word as four numbers); bytes -1
    where they are too many."""
    a, n = _piece(text, i, rest)
    b = c = d = _U(0)
    if n == 8 and rest > 8:
        b, more = _piece(text, i + 8, rest - 8)
        n += more
        if more == 8 and rest > 16:
            c, more = _piece(text, i + 16, rest - 16)
            n += more
            if more == 8 and rest > 24:
                d, more = _piece(text, i + 24, rest - 24)
                n = n + more if more < 8 else -1
    return n, a, b, c, d


@inner
def _length(text, i, stop):  # type: ignore[no-untyped-def]
    """Bytes of the word at place i."""
    n = 0
    while i + n < stop:
        b = text[i + n]
        if b == 32 or b == 0 or 9 <= b <= 13:
            break
        n += 1
    return n


@short
def _entry(a, b, c, d):  # type: ignore[no-untyped-def]
    """Where in the table a word is."""
    mixed = (a * _ODD_1) ^ (b * _ODD_2) ^ (c * _ODD_3) ^ (d * _ODD_4)
    return np.int64(((mixed ^ (mixed >> _U(32))) * _ODD_1) >> _U(40)) & (ENTRIES - 1)


@short
def _mixed(value, byte):  # type: ignore[no-untyped-def]
    """One step of the hash."""
    wide = np.uint32(byte)
    if byte >= 0x80:
        wide |= np.uint32(0xFFFFFF00)
    return np.uint32((value ^ wide) * _PRIME)


@inner
def _word(token, n, words, bounds, slots):  # type: ignore[no-untyped-def]
    """Number of the entry that reads like token[1 : n + 1], or -1."""
    value = _OFFSET
    for i in range(1, n + 1):
        value = _mixed(value, token[i])
    mask = np.uint32(len(slots) - 1)
    at = value & mask
    while slots[at] >= 0:
        number = slots[at]
        begin = bounds[number]
        if bounds[number + 1] - begin == n:
            same = True
            for k in range(n):
                if words[begin + k] != token[k + 1]:
                    same = False
                    break
            if same:
                return number
        at = (at + np.uint32(1)) & mask
    return np.int32(-1)


@short
def _note(value, known, out, n):  # type: ignore[no-untyped-def]
    """Writes the bucket of a hash to place n; returns the place behind it if the bucket is known. There is no branch,
    which the processor could not foresee."""
    bucket = value % np.uint32(BUCKETS)
    out[n] = bucket
    return n + np.int64((known[bucket >> np.uint32(6)] >> _U(bucket & np.uint32(63))) & _U(1))


@inner
def _buckets_of_bytes(token, n, known, out):  # type: ignore[no-untyped-def]
    """`_buckets` of a word of ASCII, each of whose bytes is a character."""
    found = 0
    for first in range(n - 1):
        value = _mixed(_mixed(_OFFSET, token[first]), token[first + 1])
        found = _note(value, known, out, found)
        if first + 2 < n:
            value = _mixed(value, token[first + 2])
            found = _note(value, known, out, found)
            if first + 3 < n:
                value = _mixed(value, token[first + 3])
                found = _note(value, known, out, found)
    return found


@inner
def _buckets(token, n, places, known, out):  # type: ignore[no-untyped-def]
    """Writes the known buckets among those of the n-grams of token[:n]; returns how many. There is no branch on whether
    one is known, which the processor could not foresee."""
    characters = 0
    for i in range(n):
        places[characters] = i
        characters += (token[i] & 0xC0) != 0x80
    places[characters] = n
    found = 0
    for first in range(characters - 1):
        value = _OFFSET
        i = places[first]
        for last in range(first + SHORTEST, min(first + LONGEST, characters) + 1):
            end = places[last]
            while i < end:
                value = _mixed(value, token[i])
                i += 1
            found = _note(value, known, out, found)
    return found


@short
def _rows_of(token, n, plain, model, buckets, places, out, at):  # type: ignore[no-untyped-def]
    """Writes the rows of the word token[1 : n + 1] from place `at` on; returns the place behind them."""
    words, bounds, slots, is_word, known, known_before = model
    number = _word(token, n, words, bounds, slots)
    if number >= 0:
        if not is_word[number]:
            return at
        out[at] = number
        at += 1
    elif _is_label(token, n):
        return at
    token[n + 1] = 62  # >
    if plain:
        found = _buckets_of_bytes(token, n + 2, known, buckets)
    else:
        found = _buckets(token, n + 2, places, known, buckets)
    for k in range(found):
        group = buckets[k] >> 6
        out[at] = known_before[group] + np.int64(n_bits(known[group] & lowest(buckets[k] & 63)))
        at += 1
    return at


@inner
def _sum(rows, numbers, n, share, hidden):  # type: ignore[no-untyped-def]
    """The sum of n rows, one after the other, times `share`. Sixteen numbers of their own stay in registers."""
    a = b = c = d = e = f = g = h = i = j = k = m = o = p = q = r = np.float32(0)
    for number in range(n):
        row = np.int64(numbers[number])
        a += rows[row, 0]
        b += rows[row, 1]
        c += rows[row, 2]
        d += rows[row, 3]
        e += rows[row, 4]
        f += rows[row, 5]
        g += rows[row, 6]
        h += rows[row, 7]
        i += rows[row, 8]
        j += rows[row, 9]
        k += rows[row, 10]
        m += rows[row, 11]
        o += rows[row, 12]
        p += rows[row, 13]
        q += rows[row, 14]
        r += rows[row, 15]
    hidden[0], hidden[1], hidden[2], hidden[3] = a * share, b * share, c * share, d * share
    hidden[4], hidden[5], hidden[6], hidden[7] = e * share, f * share, g * share, h * share
    hidden[8], hidden[9], hidden[10], hidden[11] = i * share, j * share, k * share, m * share
    hidden[12], hidden[13], hidden[14], hidden[15] = o * share, p * share, q * share, r * share


@inner
def _best(hidden, output, children, nodes, scores):  # type: ignore[no-untyped-def]
    """(most probable label, its probability): down the tree, leaving branches that are worse than what was found."""
    n_labels = len(output)
    best, best_score = -1, np.float32(-np.inf)
    nodes[0], scores[0] = 2 * n_labels - 2, np.float32(0)
    waiting = 1
    while waiting:
        waiting -= 1
        node, score = nodes[waiting], scores[waiting]
        if best >= 0 and score < best_score:
            continue
        if node < n_labels:
            if best < 0 or score > best_score:
                best, best_score = node, score
            continue
        dot = np.float32(0)
        for d in range(DIM):
            dot += output[node - n_labels, d] * hidden[d]
        right = np.float32(1.0 / (np.float32(1) + np.exp(-dot)))
        left = np.float32(1.0 - right)
        first, second = (0, 1) if left < right else (1, 0)  # the better child lies on top: it is looked at next
        for k in range(2):
            side = first if k == 0 else second
            nodes[waiting + k] = children[node - n_labels, side]
            scores[waiting + k] = score + np.float32(np.log((right if side else left) + _TINY))
        waiting += 2
    return best, np.exp(best_score)


@inner
def _is_label(token, n):  # type: ignore[no-untyped-def]
    same = n >= len(_LABEL)
    for k in range(len(_LABEL) if same else 0):
        same = same and token[k + 1] == _LABEL[k]
    return same


@numba.njit(cache=True, nogil=True)
def _predict(text, offsets, rows, end_row, model, output, children, keys, kept, labels, scores):  # type: ignore[no-untyped-def]
    """Label and probability of each line."""
    longest = 0
    for line in range(len(offsets) - 1):
        longest = max(longest, offsets[line + 1] - offsets[line])
    token, places = np.empty(longest + 2, np.uint8), np.empty(longest + 3, np.int64)
    buckets = np.empty((LONGEST - SHORTEST + 1) * (longest + 2) + 1, np.uint32)
    numbers = np.empty((LONGEST - SHORTEST + 2) * (longest + 2) + ROWS + 1, np.uint16)
    hidden = np.empty(DIM, np.float32)
    nodes = np.empty(2 * len(output), np.int64)
    waiting = np.empty(2 * len(output), np.float32)
    token[0] = 60  # <
    for line in range(len(offsets) - 1):
        at = 0
        i, stop = offsets[line], offsets[line + 1]
        while i < stop:
            n, a, b, c, d = _read(text, i, stop - i)
            is_short = n >= 0
            if not is_short:
                n = _length(text, i, stop)
            begin = i
            i += n + 1
            if n == 0:
                continue
            if n == 4 and text[begin] == 60 and text[begin + 1] == 47 and text[begin + 2] == 115:
                if text[begin + 3] == 62:  # </s>
                    break
            entry = _entry(a, b, c, d)
            if is_short and (
                (keys[entry, 0] == a) & (keys[entry, 1] == b) & (keys[entry, 2] == c) & (keys[entry, 3] == d)
            ):  # fmt: skip
                target = at & PLACES
                for k in range(ROWS + 1):
                    numbers[target + k] = kept[entry, _KEPT + k]
                at += kept[entry, _KEPT + ROWS]
                continue
            for k in range(n):
                token[k + 1] = text[begin + k]
            before = at
            plain = is_short and (a | b | c | d) & HIGH == 0
            at = _rows_of(token, n, plain, model, buckets, places, numbers, at)
            if is_short and at - before <= ROWS:
                keys[entry, 0], keys[entry, 1], keys[entry, 2], keys[entry, 3] = a, b, c, d
                for k in range(at - before):
                    kept[entry, _KEPT + k] = numbers[before + k]
                kept[entry, _KEPT + ROWS] = at - before
        numbers[at] = end_row
        at += 1
        _sum(rows, numbers, at, np.float32(1.0 / at), hidden)
        labels[line], scores[line] = _best(hidden, output, children, nodes, waiting)


def predict(lines: Texts, model: Model) -> tuple[I32, F32]:
    """(number of the most probable label, its probability, at most 1) of each line [N]; no line holds a line feed."""
    labels = np.zeros(len(lines), dtype=np.int32)
    scores = np.zeros(len(lines), dtype=np.float32)
    keys, kept = _table()
    words = (
        model.words, model.word_bounds, model.word_slots, model.is_word, model.known, model.known_before,
    )  # fmt: skip
    _predict(
        padded(lines.data), lines.offsets_N1, model.rows_RD, model.end_row, words, model.output_LD, model.children,
        keys, kept, labels, scores,
    )  # fmt: skip
    return labels, np.minimum(scores, np.float32(1))


def _table() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint16]]:
    """An empty table, as numbers of eight bytes (for words) and of two (for rows)."""
    room = np.zeros(LINE * (ENTRIES + 1), dtype=np.uint8)
    begin = -room.ctypes.data % LINE
    entries = room[begin : begin + LINE * ENTRIES].reshape(ENTRIES, LINE)
    return entries.view(np.uint64), entries.view(np.uint16)
