"""The features of `noise.features` by a kernel over Arrow's UTF-8 buffers: sparse, and only of the part of a text that
is scored. Equal to the slow twin but for the rounding of sums (tests).

Shape letters: N texts, Z hashed features that are not zero, of all texts one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation import character_kinds
from herdbook.curation.character_kinds import ALNUM, ALPHA, DIGIT, DOTTED_I, SIZE, SPACE
from herdbook.curation.heuristics.words import Texts, _code_at
from herdbook.curation.kernel import inner

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
N_HASHED = 1 << 12
N_FIGURES = 8
COMMON_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with", "a", "is", "in", "for", "it", "this")
"""Of at most 7 letters of ASCII each: the kernel compares them as numbers."""
_FINAL_SIGMA, _SIGMA = 0x3C2, 0x3C3
_FIRST, _SECOND = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B)
_SEED, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Features:
    """Features of N texts: hashed ones (place, value) of text i are rows bounds_N1[i] to bounds_N1[i + 1]."""

    place_Z: npt.NDArray[np.int32]
    value_Z: F32
    bounds_N1: I64
    figures_N8: F32

    def __len__(self) -> int:
        return len(self.bounds_N1) - 1

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Features:
        """Those of the texts that are marked in `chosen` [N]."""
        sizes = np.diff(self.bounds_N1)
        chosen_Z = np.repeat(chosen, sizes)
        bounds = np.concatenate([[0], np.cumsum(sizes[chosen])])
        return Features(self.place_Z[chosen_Z], self.value_Z[chosen_Z], bounds, self.figures_N8[chosen])

    def dense(self) -> F32:
        """[N, N_HASHED + 8]."""
        x_NF = np.zeros((len(self), N_HASHED + N_FIGURES), dtype=np.float32)
        x_NF[np.repeat(np.arange(len(self)), np.diff(self.bounds_N1)), self.place_Z] = self.value_Z
        x_NF[:, N_HASHED:] = self.figures_N8
        return x_NF


@lru_cache(maxsize=1)
def _crc_table() -> npt.NDArray[np.uint32]:
    """CRC-32 of single bytes, without the inversions at both ends."""
    # crc32(b) = ~(table[0xFF ^ b] ^ 0x00FFFFFF)
    values = [crc32(bytes([byte ^ 0xFF])) ^ 0xFFFFFFFF ^ 0x00FFFFFF for byte in range(256)]
    return np.array(values, dtype=np.uint32)


@lru_cache(maxsize=1)
def _common_words() -> npt.NDArray[np.uint64]:
    return np.array([int.from_bytes(word.encode(), "big") for word in COMMON_WORDS], dtype=np.uint64)


@numba.njit(cache=True, nogil=True, inline="always")
def _crc(value, byte, table):  # type: ignore[no-untyped-def]
    return np.uint32(table[(value ^ np.uint32(byte)) & np.uint32(255)] ^ (value >> np.uint32(8)))


@inner
def _skip(text, i, stop, n):  # type: ignore[no-untyped-def]
    """Place `n` characters after place i."""
    while n >= 64 and i + 64 <= stop:  # 64 bytes have no more characters
        characters = 0
        for k in range(64):
            characters += text[np.uint64(i) + np.uint64(k)] & 0xC0 != 0x80
        n -= characters
        i += 64
    while i < stop and text[i] & 0xC0 == 0x80:  # the rest of a character that was counted
        i += 1
    while n > 0 and i < stop:
        i += 1
        while i < stop and text[i] & 0xC0 == 0x80:
            i += 1
        n -= 1
    return i


@inner
def _copy(text, begin, end, out, n):  # type: ignore[no-untyped-def]
    """Copies bytes to `out` from n on. Unsigned places need no look whether they count from the end."""
    a, b = np.uint64(begin), np.uint64(n)
    for k in range(np.uint64(end - begin)):
        out[b + k] = text[a + k]


@inner
def _scored(text, start, stop, n_characters, limit, out):  # type: ignore[no-untyped-def]
    """Copies the part that is scored: all, or beginning, middle and end. Returns its bytes."""
    if n_characters <= limit:
        _copy(text, start, stop, out, 0)
        return stop - start
    third = limit // 3
    middle = (n_characters - third) // 2
    plain = n_characters == stop - start
    n = 0
    i = start
    done = np.int64(0)
    for first in (np.int64(0), np.int64(middle), np.int64(n_characters - third)):
        if plain:
            begin, end = start + first, min(stop, start + first + third)
        else:
            if first >= done:
                begin = _skip(text, i, stop, first - done)
            else:  # the thirds overlap
                begin = _skip(text, start, stop, first)
            end = _skip(text, begin, stop, third)
        _copy(text, begin, end, out, n)
        n += end - begin
        i, done = end, first + third
    return n


@inner
def _place(seen, value):  # type: ignore[no-untyped-def]
    """Where a hash stands in an open table, or would."""
    mask = np.uint64(len(seen) - 1)
    at = (value >> np.uint64(20)) & mask
    while seen[at] != 0 and seen[at] != value:
        at = (at + np.uint64(1)) & mask
    return at


@inner
def _add_beyond_ascii(crc, low, crc_table):  # type: ignore[no-untyped-def]
    """CRC-32 with the bytes of a code point from 0x80 on."""
    if low < 0x800:
        crc = _crc(crc, 0xC0 | low >> 6, crc_table)
    else:
        if low < 0x10000:
            crc = _crc(crc, 0xE0 | low >> 12, crc_table)
        else:
            crc = _crc(crc, 0xF0 | low >> 18, crc_table)
            crc = _crc(crc, 0x80 | low >> 12 & 63, crc_table)
        crc = _crc(crc, 0x80 | low >> 6 & 63, crc_table)
    return _crc(crc, 0x80 | low & 63, crc_table)


@numba.njit(cache=True, nogil=True)
def _features(text, offsets, sizes, limit, kinds, folded, crc_table, common, logs, places, values, bounds, figures):  # type: ignore[no-untyped-def]
    """Fills the arrays of `Features` from document `bounds` on; -1 where there is no room, else the number of rows."""
    most = 0
    for document in range(len(sizes)):
        length = offsets[document + 1] - offsets[document]
        most = max(most, length if sizes[document] <= limit else 4 * limit)
    part = np.empty(most + 4, np.uint8)
    room = 64
    while room < 2 * min(most, limit + 1):
        room *= 2
    seen, used = np.zeros(room, np.uint64), np.empty(room, np.int64)
    return _fill(
        text, offsets, sizes, limit, kinds, folded, crc_table, common, logs, places, values, bounds, figures, part,
        np.zeros(N_HASHED, np.int32), seen, used,
    )  # fmt: skip


@inner
def _fill(  # type: ignore[no-untyped-def]
    text, offsets, sizes, limit, kinds, folded, crc_table, common, logs, places, values, bounds, figures,
    part, counts, seen, used,
):  # fmt: skip
    """The work of `_features` in arrays that it has made: the part of a text that is scored, counts of the hashed
    features, an open table of the different tokens, and its places that are filled."""
    row = np.int64(0)
    for document in range(len(sizes)):
        bounds[document] = row
        n = _scored(text, offsets[document], offsets[document + 1], sizes[document], limit, part)
        n_tokens, n_common, n_characters, n_alpha, n_digits, n_distinct, n_underscores, n_alnum = 0, 0, 0, 0, 0, 0, 0, 0
        n_beyond, n_all = 0, 0
        before = np.uint32(0)
        i = 0
        while i < n:
            code, size = _code_at(part, i, n)
            bits = kinds[code] if code < SIZE else np.uint8(0)
            if bits & SPACE:
                i += size
                n_all += 1
                n_beyond += code >= 0x80
                continue
            # A token: its CRC-32 and hash in lower case, its letters as a number, what all of its characters are.
            crc, value, packed = np.uint32(0xFFFFFFFF), _SEED, np.uint64(0)
            characters, underscores = 0, 0
            every = np.uint8(0xFF)
            in_word = bits & ALNUM != 0 or code == 95
            while True:
                every &= bits
                underscores += code == 95
                characters += 1
                i += size
                if code < 0x80:
                    low = np.int64(folded[code])
                    crc = _crc(crc, low, crc_table)
                    packed = packed << np.uint64(8) | np.uint64(low)
                else:
                    n_beyond += 1
                    low = np.int64(folded[code]) if code < SIZE else code
                    if code == _FINAL_SIGMA:
                        low = np.int64(_SIGMA)
                    elif code == DOTTED_I:
                        crc, low = _crc(crc, 0x69, crc_table), np.int64(0x307)
                        value = (value ^ np.uint64(0x69)) * _PRIME
                    if low < 0x80:
                        crc = _crc(crc, low, crc_table)
                        packed = packed << np.uint64(8) | np.uint64(low)
                    else:
                        crc = _add_beyond_ascii(crc, low, crc_table)
                        packed = packed << np.uint64(8) | np.uint64(0xFF)
                value = (value ^ np.uint64(low)) * _PRIME
                if not in_word or i >= n:
                    break
                code, size = _code_at(part, i, n)
                bits = kinds[code] if code < SIZE else np.uint8(0)
                if bits & ALNUM == 0 and code != 95:
                    break
            crc ^= np.uint32(0xFFFFFFFF)
            if characters <= 7:
                for k in range(len(common)):
                    n_common += packed == common[k]
            n_characters += characters
            n_all += characters
            n_alpha += every & ALPHA != 0
            n_digits += every & DIGIT != 0
            n_alnum += every & ALNUM != 0
            n_underscores += underscores > 0
            value = (value ^ (value >> np.uint64(32))) * _MULTIPLIER | np.uint64(1)
            at = _place(seen, value)
            if seen[at] == 0:
                seen[at] = value
                used[n_distinct] = at
                n_distinct += 1
            place = crc & np.uint32(N_HASHED - 1)
            for _ in range(2 if n_tokens else 1):
                if counts[place] == 0:
                    if row == len(places):
                        return -1
                    places[row] = place
                    row += 1
                counts[place] += 1
                pair = np.uint32(before * _FIRST) ^ np.uint32(crc * _SECOND)
                place = (pair ^ (pair >> np.uint32(15))) & np.uint32(N_HASHED - 1)
            before = crc
            n_tokens += 1
        if n_tokens == 0:
            continue
        for k in range(n_distinct):
            seen[used[k]] = np.uint64(0)
        square = 0.0
        for r in range(bounds[document], row):
            value_ = logs[counts[places[r]]]
            counts[places[r]] = 0
            values[r] = value_
            square += np.float64(value_) * np.float64(value_)
        norm = np.sqrt(square)
        for r in range(bounds[document], row):
            values[r] = np.float32(values[r] / norm)
        figures[document, 0] = n_common / n_tokens
        figures[document, 1] = n_characters / n_tokens / 10
        figures[document, 2] = n_alpha / n_tokens
        figures[document, 3] = n_digits / n_tokens
        figures[document, 4] = n_distinct / n_tokens
        figures[document, 5] = n_underscores / n_tokens
        figures[document, 6] = n_alnum / n_tokens
        figures[document, 7] = n_beyond / max(1, n_all)
    bounds[len(sizes)] = row
    return row


def sparse_features(texts: Texts, n_characters: I64, scored_words: int) -> Features:
    """Features of the part of each text that is scored (`scored_text.scored_part` of `scored_words`).

    `n_characters` [N]: the lengths of the texts in characters.
    """
    n = len(texts)
    limit = scored_words * 7
    most = int(np.minimum(n_characters, limit + 3).max()) if n else 0
    logs = np.log1p(np.arange(2 * most + 2, dtype=np.float32))
    room = int(np.minimum(2 * np.minimum(n_characters, limit + 3), N_HASHED).sum()) + 1
    places, values = np.empty(room, np.int32), np.empty(room, np.float32)
    bounds, figures = np.zeros(n + 1, np.int64), np.zeros((n, N_FIGURES), np.float32)
    n_rows = _features(
        texts.data, texts.offsets_N1, n_characters, limit, character_kinds.kinds(), character_kinds.lower_case(),
        _crc_table(), _common_words(), logs, places, values, bounds, figures,
    )  # fmt: skip
    assert n_rows >= 0
    return Features(places[:n_rows], values[:n_rows], bounds, figures)


@inner
def _times(places, values, bounds, figures, weights, result):  # type: ignore[no-untyped-def]
    for i in range(len(result)):
        total = 0.0
        for r in range(bounds[i], bounds[i + 1]):
            total += values[r] * weights[places[r]]
        for k in range(N_FIGURES):
            total += figures[i, k] * weights[N_HASHED + k]
        result[i] = total


@inner
def _transposed_times(places, values, bounds, figures, factors, result):  # type: ignore[no-untyped-def]
    for i in range(len(factors)):
        factor = factors[i]
        for r in range(bounds[i], bounds[i + 1]):
            result[places[r]] += values[r] * factor
        for k in range(N_FIGURES):
            result[N_HASHED + k] += figures[i, k] * factor


def times(x: Features, weights: F64) -> F64:
    """x_NF @ weights_F, in double precision [N]."""
    result = np.empty(len(x))
    _times(x.place_Z, x.value_Z, x.bounds_N1, x.figures_N8, weights, result)
    return result


def transposed_times(x: Features, factors: F64) -> F64:
    """factors_N @ x_NF, in double precision [N_HASHED + 8]."""
    result = np.zeros(N_HASHED + N_FIGURES)
    _transposed_times(x.place_Z, x.value_Z, x.bounds_N1, x.figures_N8, factors, result)
    return result


def moments(x: Features) -> tuple[F64, F64]:
    """Means and variances by column, in double precision [N_HASHED + 8] each."""
    ones = np.ones(len(x))
    mean = transposed_times(x, ones) / len(x)
    squares = np.bincount(x.place_Z, x.value_Z.astype(np.float64) ** 2, N_HASHED)
    squares = np.concatenate([squares, (x.figures_N8.astype(np.float64) ** 2).sum(axis=0)])
    return mean, np.maximum(squares / len(x) - mean**2, 0.0)
