"""Many bytes at a time, for kernels: 8 as one whole number, 64 as a mask of 64 bits.

Numba has no words for these; the functions here write LLVM's own. `text` is an array of bytes of at least `LEAST` bytes
(`padded`), and no function reads beyond its end. Bit k or byte k of a result belongs to the byte at place i + k.
"""

from __future__ import annotations

from typing import Any

import numba
import numba.extending
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from herdbook.curation.kernel import PLACES, inner, short

intrinsic: Any = numba.extending.intrinsic

LEAST = 64
"""Fewest bytes of an array that is read so."""
HIGH = np.uint64(0x8080808080808080)
SEVEN = np.uint64(0x7F7F7F7F7F7F7F7F)
_BLANKS = np.uint64(0x2020202020202020)
_FROM_A = np.uint64(0x1F1F1F1F1F1F1F1F)
_FROM_BEYOND_Z = np.uint64(0x0505050505050505)
_FROM_A_CAPITAL = np.uint64(0x3F3F3F3F3F3F3F3F)
_FROM_BEYOND_Z_CAPITAL = np.uint64(0x2525252525252525)
_FROM_BLANK = np.uint64(0x6060606060606060)
"""What is added to a byte below 128 so that its highest bit says whether it is an a or more, and so on."""
STEP = np.uint64(0x9E3779B97F4A7C15)
LAST = np.uint64(0xD6E8FEB86659FD93)
"""Multipliers of hashes: for each 8 bytes, and at the end."""


def each(byte: int) -> np.uint64:
    """The number whose eight bytes are all the same."""
    return np.uint64(0x0101010101010101 * byte)


def padded(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The bytes, with zeros behind them where they are fewer than `LEAST`."""
    if len(data) >= LEAST:
        return data
    longer = np.zeros(LEAST, dtype=np.uint8)
    longer[: len(data)] = data
    longer.flags.writeable = False
    return longer


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, i: Any, to: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [i]), to.as_pointer())


@intrinsic
def _load_8(typing_context, text, i):  # type: ignore[no-untyped-def]
    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array, place = arguments
        loaded = builder.load(_pointer(context, builder, signature.args[0], array, place, ir.IntType(64)))
        loaded.align = 1
        return loaded

    return types.uint64(text, types.uint64), code


@intrinsic
def _store_8(typing_context, text, i, word):  # type: ignore[no-untyped-def]
    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array, place, value = arguments
        stored = builder.store(value, _pointer(context, builder, signature.args[0], array, place, ir.IntType(64)))
        stored.align = 1
        return context.get_dummy_value()

    return types.void(text, types.uint64, types.uint64), code


@intrinsic
def _within_64(typing_context, text, i, fold, low, high):  # type: ignore[no-untyped-def]
    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array, place, *limits = arguments
        kind = ir.VectorType(ir.IntType(8), LEAST)
        nowhere, number = ir.Constant(kind, ir.Undefined), ir.IntType(32)
        zeros = ir.Constant(ir.VectorType(number, LEAST), [0] * LEAST)

        def everywhere(byte: Any) -> Any:
            one = builder.insert_element(nowhere, byte, ir.Constant(number, 0))
            return builder.shuffle_vector(one, nowhere, zeros)

        bytes_ = builder.load(_pointer(context, builder, signature.args[0], array, place, kind))
        bytes_.align = 1
        fold, low, high = map(everywhere, limits)
        above = builder.sub(builder.or_(bytes_, fold), low)
        return builder.bitcast(builder.icmp_unsigned("<=", above, builder.sub(high, low)), ir.IntType(LEAST))

    return types.uint64(text, types.uint64, types.uint8, types.uint8, types.uint8), code


@intrinsic
def first_bit(typing_context, mask):  # type: ignore[no-untyped-def]
    """Number of the lowest bit that is set in a uint64; 64 where none is."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), code


@intrinsic
def n_bits(typing_context, mask):  # type: ignore[no-untyped-def]
    """How many bits of a uint64 are set."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


@short
def eight(text, i):  # type: ignore[no-untyped-def]
    """The 8 bytes from place i on as a uint64, the first one lowest; zeros beyond the end. i < len(text)."""
    at = min(np.uint64(i), np.uint64(len(text) - 8))
    return _load_8(text, at) >> ((np.uint64(i) - at) << np.uint64(3))


@short
def put_eight(text, i, word):  # type: ignore[no-untyped-def]
    """Writes a uint64 as 8 bytes at place i, the lowest first. i + 8 <= len(text)."""
    _store_8(text, np.uint64(i), word)


@short
def within(text, i, low, high):  # type: ignore[no-untyped-def]
    """Which of the 64 bytes from place i on lie from `low` to `high`: a bit for each. i < len(text)."""
    at = min(np.uint64(i), np.uint64(len(text) - LEAST))
    return _within_64(text, at, np.uint8(0), np.uint8(low), np.uint8(high)) >> (np.uint64(i) - at)


@short
def letter(text, i, lower):  # type: ignore[no-untyped-def]
    """Which of the 64 bytes from place i on are an ASCII letter, given in lower case, in either case. i < len(text)."""
    at = min(np.uint64(i), np.uint64(len(text) - LEAST))
    return _within_64(text, at, np.uint8(32), np.uint8(lower), np.uint8(lower)) >> (np.uint64(i) - at)


@short
def n_letters(word):  # type: ignore[no-untyped-def]
    """How many of the 8 bytes of a uint64 are ASCII letters before the first that is none, int64."""
    low = (word & SEVEN) | _BLANKS  # in lower case, without the highest bit, so that no sum runs over
    letters = (low + _FROM_A) & ~(low + _FROM_BEYOND_Z) & ~word & HIGH
    return np.int64(first_bit(letters ^ HIGH) >> np.uint64(3))


@short
def lower_8(word):  # type: ignore[no-untyped-def]
    """The 8 bytes of a uint64 with A to Z in lower case."""
    low = word & SEVEN
    capitals = (low + _FROM_A_CAPITAL) & ~(low + _FROM_BEYOND_Z_CAPITAL) & ~word & HIGH
    return word | (capitals >> np.uint64(2))


@short
def n_single_blanks(word):  # type: ignore[no-untyped-def]
    """How many of the 8 bytes of a uint64 are ASCII from U+0020 on, before the first that is none or a second blank in
    a row, int64."""
    blanks = ~(((word ^ _BLANKS) & SEVEN) + SEVEN) & HIGH
    controls = ~((word & SEVEN) + _FROM_BLANK) & HIGH
    others = (word & HIGH) | controls | (blanks & (blanks << np.uint64(8)))
    return np.int64(first_bit(others) >> np.uint64(3))


@short
def lowest(n):  # type: ignore[no-untyped-def]
    """A mask of the lowest n of 64 bits; of all where n is larger."""
    return ~np.uint64(0) if n >= 64 else (np.uint64(1) << np.uint64(n)) - np.uint64(1)


@short
def digest_8(word, n):  # type: ignore[no-untyped-def]
    """`digest` of 1 to 8 bytes: the lowest n of a uint64, whose others are zero."""
    value = ((np.uint64(n) * STEP) ^ word) * STEP
    value = (value ^ (value >> np.uint64(32))) * LAST
    return value ^ (value >> np.uint64(32))


@short
def copy(text, begin, end, out, n):  # type: ignore[no-untyped-def]
    """Copies the bytes from `begin` to before `end` to place n of `out`; returns the place behind them (a loop that
    becomes vectors)."""
    source, target = begin & PLACES, n & PLACES
    for k in range(end - begin):
        out[target + k] = text[source + k]
    return n + (end - begin)


@inner
def n_characters(text, begin, end):  # type: ignore[no-untyped-def]
    """Characters of the UTF-8 between two places: bytes that continue none (a loop that becomes vectors)."""
    n = 0
    begin &= PLACES
    for k in range(end - begin):
        n += (text[begin + k] & 0xC0) != 0x80
    return n


@inner
def digest(text, start, stop):  # type: ignore[no-untyped-def]
    """A hash of text[start:stop], 8 bytes a step; `digest_of` is its slow twin."""
    value = np.uint64(stop - start) * STEP
    i = start
    while i + 8 <= stop:
        value = (value ^ eight(text, i)) * STEP
        value ^= value >> np.uint64(32)
        i += 8
    if i < stop:
        rest = eight(text, i) & lowest(8 * (stop - i))
        value = (value ^ rest) * STEP
        value ^= value >> np.uint64(32)
    value *= LAST
    return value ^ (value >> np.uint64(32))


def digest_of(data: bytes) -> int:
    """What `digest` gives for the bytes. Slow; for tables and tests."""
    whole = 0xFFFFFFFFFFFFFFFF
    value = len(data) * int(STEP) & whole
    for i in range(0, len(data), 8):
        value = (value ^ int.from_bytes(data[i : i + 8], "little")) * int(STEP) & whole
        value ^= value >> 32
    value = value * int(LAST) & whole
    return value ^ value >> 32
