"""Texts cut into words and hashed, once: every rule of this room reads the arrays that come out of here.

A kernel compiled by Numba runs over Arrow's UTF-8 buffer. Words follow the conventions of the tokenisers that the
published thresholds were applied with: runs between white space, punctuation at either end split off one mark at a
time, abbreviations, numbers and addresses left whole, English contractions cut (do|n't), hyphens and slashes between
letters words of their own. In documents of languages written without spaces every letter of such a script is a word.
Shape letters: T words of all documents one after the other, N documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics import characters
from herdbook.curation.heuristics.characters import (
    AFFIX,
    CURRENCY,
    DIGIT,
    HYPHEN,
    ICON,
    LETTER,
    LOWER,
    PREFIX,
    PUNCTUATION,
    QUOTE,
    SPACE,
    SYMBOL,
    TERMINAL,
    UNSPACED,
    UPPER,
)  # fmt: skip
from herdbook.curation.kernel import inner, short
from herdbook.curation.wide import digest, digest_8, digest_of, eight, lowest, n_letters, padded

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

HAS_LETTER = 1
HAS_CONTENT = 2
"""Some character is neither punctuation nor symbol nor control character."""
IS_TERMINAL = 4
"""One character that ends sentences."""
IS_PUNCTUATION = 8
"""Punctuation throughout."""

WITHOUT_SPACES = frozenset(("zh", "ja", "th", "lo", "km", "my", "yue", "wuu"))
ABBREVIATIONS = (
    "and/or w/o "
    "Mr. Mrs. Ms. Dr. Prof. St. Jr. Sr. Rev. Gen. Gov. Sen. Rep. Adm. Messrs. Inc. Ltd. Co. co. Corp. Bros. "
    "vs. v.s. e.g. i.e. E.g. I.e. E.G. I.E. a.m. p.m. Ph.D. D.C. Mt. Md. Mo. Mont. Jan. Feb. Mar. Apr. Jun. Jul. "
    "Aug. Sep. Sept. Oct. Nov. Dec. Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga. Ia. Ill. Ind. Kan. Kans. Ky. La. "
    "Mass. Mich. Minn. Miss. Neb. Nev. Okla. Ore. Pa. Tenn. Va. Wash. Wis. N.C. N.D. N.H. N.J. N.M. N.Y. S.C. "
    "a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z."
).split()
"""English abbreviations that keep their full stop."""
CUT_WORDS = (
    "can|not Can|not gon|na Gon|na got|ta Got|ta do|nt Do|nt does|nt Does|nt did|nt Did|nt ca|nt Ca|nt wo|nt Wo|nt "
    "is|nt are|nt was|nt were|nt have|nt has|nt could|nt would|nt should|nt i|m I|m I|ve i|ve you|re You|re they|re "
    "They|re that|s That|s what|s What|s let|'s Let|'s"
).split()
"""Contractions, by custom two words, with the place of the cut."""
UNITS = (
    "km km² km³ m m² m³ dm cm mm µm nm ha ft in yd mi kg g mg µg t lb oz mph kph hPa Pa mbar mb MB kb KB gb GB tb TB T "
    "G M K %"
).split()
"""Units that are words of their own after a digit."""

_KEEP = 0
_LONGEST_SPECIAL = 8
"""Bytes of the longest abbreviation or contraction."""


def _open_table(entries: dict[int, int]) -> tuple[U64, U8]:
    size = 1 << max(4, (len(entries) * 4).bit_length())
    keys = np.zeros(size, dtype=np.uint64)
    values = np.zeros(size, dtype=np.uint8)
    for key, value in entries.items():
        at = key & (size - 1)
        while keys[at]:
            at = (at + 1) & (size - 1)
        keys[at], values[at] = key, value
    return keys, values


@lru_cache(maxsize=1)
def special() -> tuple[U64, U8, U64, U8]:
    """(hashes of words that are not cut in the usual way, where to cut them or `_KEEP`, hashes of units, 1 for each):
    open tables."""
    whole = {digest_of(word.encode()): _KEEP for word in ABBREVIATIONS}
    cut = {digest_of(word.replace("|", "").encode()): word.index("|") for word in CUT_WORDS}
    assert max(len(word.replace("|", "")) for word in ABBREVIATIONS + CUT_WORDS) <= _LONGEST_SPECIAL
    return *_open_table(whole | cut), *_open_table({digest_of(unit.encode()): 1 for unit in UNITS})


@dataclass(frozen=True)
class Texts:
    """Texts as one buffer of UTF-8: text i is data[offsets_N1[i]:offsets_N1[i + 1]]. Arrow's buffers are not copied,
    but for very short ones: kernels that read many bytes at a time (`wide`) want 64."""

    data: U8
    offsets_N1: I64

    def __post_init__(self) -> None:
        # Kernels are compiled once for read-only bytes, and not again for writable ones.
        readable = padded(self.data).view()
        readable.flags.writeable = False
        object.__setattr__(self, "data", readable)

    def __len__(self) -> int:
        return len(self.offsets_N1) - 1

    def bytes_of(self, i: int) -> bytes:
        """The bytes of one text."""
        return self.data[self.offsets_N1[i] : self.offsets_N1[i + 1]].tobytes()


def texts_of(column: Any) -> Texts:
    """Texts of an Arrow array or chunked array of strings, or of a sequence of `str` (copied). Nulls are empty.
    `Texts` come back as they are."""
    import pyarrow as pa

    if isinstance(column, Texts):
        return column
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if not isinstance(column, pa.Array):
        column = pa.array([text.encode("utf-8", "replace") for text in column], type=pa.large_binary())
    wide = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    if not (wide or pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        column, wide = column.cast(pa.large_string()), True
    _, where, data = column.buffers()
    written = np.frombuffer(where, dtype=np.int64 if wide else np.int32)
    offsets: I64 = np.zeros(1, dtype=np.int64)
    if len(written):
        offsets = np.array(written[column.offset : column.offset + len(column) + 1], dtype=np.int64)
    if data is None or not len(data):
        return Texts(np.zeros(0, dtype=np.uint8), offsets)
    return Texts(np.frombuffer(data, dtype=np.uint8), offsets)


@dataclass(frozen=True)
class Words:
    """The words of N texts: those of text i are rows bounds_N1[i] to bounds_N1[i + 1] of the other arrays."""

    start_T: npt.NDArray[np.int64]
    """First byte of the word in the buffer of the texts."""
    end_T: npt.NDArray[np.int64]
    """Byte after its last."""
    characters_T: npt.NDArray[np.int32]
    hash_T: U64
    """`wide.digest` of its bytes."""
    flags_T: U8
    bounds_N1: I64
    data: U8
    """The buffer of the texts."""

    @cached_property
    def folded_T(self) -> U64:
        """Hash of each word in lower case; made when it is asked for."""
        hashes = np.empty(len(self.start_T), dtype=np.uint64)
        _fold(self.data, self.start_T, self.end_T, characters.lower_case(), hashes)
        return hashes

    def strings(self, texts: Texts, i: int) -> list[str]:
        """The words of one text as strings; for looking at them."""
        rows = range(self.bounds_N1[i], self.bounds_N1[i + 1])
        return [texts.data[self.start_T[t] : self.end_T[t]].tobytes().decode("utf-8", "replace") for t in rows]


@short
def _code_at(text, i, end):  # type: ignore[no-untyped-def]
    """(code point, bytes) at place i; a damaged byte counts as one character U+FFFD."""
    b = text[i]
    if b < 0x80:
        return np.int64(b), 1
    if b >= 0xF0 and i + 3 < end:
        return (
            ((np.int64(b) & 7) << 18)
            | ((np.int64(text[i + 1]) & 63) << 12)
            | ((np.int64(text[i + 2]) & 63) << 6)
            | (np.int64(text[i + 3]) & 63),
            4,
        )
    if b >= 0xE0 and i + 2 < end:
        return ((np.int64(b) & 15) << 12) | ((np.int64(text[i + 1]) & 63) << 6) | (np.int64(text[i + 2]) & 63), 3
    if b >= 0xC0 and i + 1 < end:
        return ((np.int64(b) & 31) << 6) | (np.int64(text[i + 1]) & 63), 2
    return np.int64(0xFFFD), 1


@short
def _bits(table, code):  # type: ignore[no-untyped-def]
    return np.int64(table[code]) if code < len(table) else np.int64(LETTER | UNSPACED)


@short
def _class_at(text, i, end, table):  # type: ignore[no-untyped-def]
    code, _ = _code_at(text, i, end)
    return _bits(table, code)


@inner
def _back(text, i, start):  # type: ignore[no-untyped-def]
    """First byte of the character that ends before place i."""
    i -= 1
    while i > start and text[i] & 0xC0 == 0x80:
        i -= 1
    return i


@inner
def _fold(text, starts, ends, fold, hashes):  # type: ignore[no-untyped-def]
    """FNV-1a of the code points of words in lower case, mixed."""
    for word in range(len(starts)):
        value = np.uint64(0xCBF29CE484222325)
        i = starts[word]
        while i < ends[word]:
            code, size = _code_at(text, i, ends[word])
            low = np.int64(fold[code]) if code < len(fold) else code
            value = (value ^ np.uint64(low)) * np.uint64(0x100000001B3)
            i += size
        value ^= value >> np.uint64(32)
        value *= np.uint64(0xD6E8FEB86659FD93)
        hashes[word] = value ^ (value >> np.uint64(32))


@inner
def _find(keys, key):  # type: ignore[no-untyped-def]
    """Place of a key in an open table, or -1."""
    mask = np.uint64(len(keys) - 1)
    at = key & mask
    while keys[at] != 0:
        if keys[at] == key:
            return np.int64(at)
        at = (at + np.uint64(1)) & mask
    return np.int64(-1)


@inner
def _is_address(text, start, end):  # type: ignore[no-untyped-def]
    """Whether the characters look like a URL, a host name or an e-mail address."""
    at = start
    for i in range(start + 2, end - 2):
        if text[i] == 58 and text[i + 1] == 47 and text[i + 2] == 47:  # ://
            at = i + 3
            break
        if text[i] == 47:
            break
    for i in range(at + 1, end):
        if text[i] == 64:  # @
            at = i + 1
            break
        if text[i] == 47:
            break
    dots, label, lower = 0, 0, True
    i = at
    while i < end:
        b = text[i]
        if b == 46:
            if label == 0 or text[i - 1] == 45 or text[i - 1] == 95:
                return False
            dots += 1
            label, lower = 0, True
        elif b >= 0x80 or 97 <= b <= 122:
            label += 1
        elif 48 <= b <= 57 or 65 <= b <= 90 or b == 45 or b == 95:
            label += 1
            lower = False
        else:
            break
        i += 1
    if dots == 0 or label < 2 or not lower:
        return False
    if i < end and text[i] == 58:
        i += 1
        while i < end and 48 <= text[i] <= 57:
            i += 1
    return i == end or text[i] == 47 or text[i] == 63 or text[i] == 35


@inner
def _dots(text, i, end):  # type: ignore[no-untyped-def]
    """Number of full stops in a row at place i."""
    n = 0
    while i + n < end and text[i + n] == 46:
        n += 1
    return n


@inner
def _suffix(text, start, end, table, unit_keys):  # type: ignore[no-untyped-def]
    """Bytes of what is split off at the end, 0 if nothing."""
    last = _back(text, end, start)
    bits = _class_at(text, last, end, table)
    if text[last] == 46:  # full stops
        run = last
        while run > start and text[run - 1] == 46:
            run -= 1
        if last - run >= 1:
            return end - run
        if last == start:
            return 0
        before_at = _back(text, last, start)
        before = _class_at(text, before_at, last, table)
        if (
            before & (DIGIT | LOWER | AFFIX | QUOTE)
            or text[before_at] == 37
            or text[before_at] == 43
            or text[before_at] == 45
        ):
            return 1
        if before & UPPER and before_at > start:
            second = _class_at(text, _back(text, before_at, start), before_at, table)
            if second & UPPER:
                return 1
        return 0
    if (text[last] == 115 or text[last] == 83) and last > start:  # 's
        before_at = _back(text, last, start)
        if text[before_at] == 39:
            return 2
        if (
            last - before_at == 3
            and text[before_at] == 0xE2
            and text[before_at + 1] == 0x80
            and text[before_at + 2] == 0x99
        ):
            return 4
    if bits & (AFFIX | ICON):
        return end - last
    if last == start:
        return 0
    before_at = _back(text, last, start)
    if (bits & CURRENCY or text[last] == 43) and text[before_at] >= 48 and text[before_at] <= 57:
        return end - last
    # a unit after a digit
    at = end
    for _ in range(4):
        if at <= start:
            break
        at = _back(text, at, start)
        if 48 <= text[at] <= 57:
            break
        if at > start and 48 <= text[at - 1] <= 57:
            if _find(unit_keys, digest(text, at, end)) >= 0:
                return end - at
            break
    return 0


@inner
def _prefix(text, start, end, table):  # type: ignore[no-untyped-def]
    """Bytes of what is split off at the beginning, 0 if nothing."""
    code, size = _code_at(text, start, end)
    if code == 46:
        n = _dots(text, start, end)
        return n if n >= 2 else 0
    if code == 43:
        return 0 if start + 1 < end and 48 <= text[start + 1] <= 57 else 1
    bits = _bits(table, code)
    return size if bits & (AFFIX | ICON | CURRENCY | PREFIX) else 0


@inner
def _contraction(text, start, end):  # type: ignore[no-untyped-def]
    """Place of the cut in don't, we'll, I've, you're, she'd, I'm; `end` where there is none."""
    n = end - start
    if n > 3 and text[end - 2] == 39:
        b = text[end - 1] | 0x20
        if b == 116 and text[end - 3] | 0x20 == 110:  # n't
            return end - 3
        if b == 100 or b == 109:  # 'd 'm
            return end - 2
    if n == 3 and text[end - 2] == 39 and (text[end - 1] == 109 or text[end - 1] == 100):
        return end - 2
    if n > 3 and text[end - 3] == 39:
        a, b = text[end - 2] | 0x20, text[end - 1] | 0x20
        if (a == 108 and b == 108) or (a == 118 and b == 101) or (a == 114 and b == 101):
            return end - 3
    return end


@inner
def _push(text, start, end, table, out, n):  # type: ignore[no-untyped-def]
    """Measures and hashes the word and writes it at row n."""
    starts, ends, sizes, hashes, flags = out
    characters_ = 0
    any_bits, all_bits = np.int64(0), np.int64(0xFFFF)
    content = 0
    i = start
    while i < end:
        code, size = _code_at(text, i, end)
        bits = _bits(table, code)
        any_bits |= bits
        all_bits &= bits
        if not bits & SYMBOL:
            content = HAS_CONTENT
        characters_ += 1
        i += size
    starts[n] = start
    ends[n] = end
    sizes[n] = characters_
    hashes[n] = digest(text, start, end)
    kind = content
    if any_bits & LETTER:
        kind |= HAS_LETTER
    if all_bits & PUNCTUATION:
        kind |= IS_PUNCTUATION
    if characters_ == 1 and all_bits & TERMINAL:
        kind |= IS_TERMINAL
    flags[n] = kind


@short
def _push_letters(start, end, characters_, value, out, n):  # type: ignore[no-untyped-def]
    """Writes a word of letters with its hash at row n."""
    starts, ends, sizes, hashes, flags = out
    starts[n] = start
    ends[n] = end
    sizes[n] = characters_
    hashes[n] = value
    flags[n] = HAS_CONTENT | HAS_LETTER


@short
def _is_cut(keys, cuts, value):  # type: ignore[no-untyped-def]
    """Whether custom cuts the word with this hash in two."""
    found = _find(keys, value)
    return found >= 0 and cuts[found] > 0


@inner
def _push_core(text, start, end, table, keys, cuts, out, n):  # type: ignore[no-untyped-def]
    """What is left when both ends are bare: contractions, addresses, cuts inside. Returns the next row."""
    apostrophe, mark, foreign, letters = False, False, False, True
    i = start
    while i < end:
        code, size = _code_at(text, i, end)
        i += size
        if 97 <= code | 0x20 <= 122:
            continue
        letters = False
        if code == 39:
            apostrophe = True
        elif code >= 0x80:
            foreign = True
            mark = mark or code == 0x2026 or _bits(table, code) & (ICON | HYPHEN) != 0
        elif not 48 <= code <= 57:
            mark = True
    if letters:
        value = digest(text, start, end)
        if end - start > _LONGEST_SPECIAL or not _is_cut(keys, cuts, value):
            _push_letters(start, end, end - start, value, out, n)
            return n + 1
    if not mark:
        if foreign:
            _push(text, start, end, table, out, n)
            return n + 1
        if apostrophe:
            cut = _contraction(text, start, end)
            if cut < end:
                _push(text, start, cut, table, out, n)
                _push(text, cut, end, table, out, n + 1)
                return n + 2
        _push(text, start, end, table, out, n)
        if end - start <= _LONGEST_SPECIAL:
            found = _find(keys, out[3][n])
            if found >= 0 and cuts[found] > 0:
                cut = start + np.int64(cuts[found])
                _push(text, start, cut, table, out, n)
                _push(text, cut, end, table, out, n + 1)
                return n + 2
        return n + 1
    if _is_address(text, start, end) or _find(keys, digest(text, start, end)) >= 0:
        _push(text, start, end, table, out, n)
        return n + 1
    begin = start
    i = start
    previous = 0  # bits of the character before i
    while i < end:
        code, size = _code_at(text, i, end)
        bits = _bits(table, code)
        length = 0
        after = 0
        if i > start and i + size < end:
            after = _class_at(text, i + size, end, table)
        if i > start:
            if code == 46:
                run = _dots(text, i, end)
                if run >= 2:
                    length = run
                elif previous & (LOWER | QUOTE) and after & (UPPER | QUOTE):
                    length = 1
            elif code == 0x2026 or bits & ICON:
                length = size
            elif bits & HYPHEN:
                run = size
                while code == 45 and i + run < end and text[i + run] == 45 and run < 3:
                    run += 1
                follows = _class_at(text, i + run, end, table) if i + run < end else 0
                if previous & (LETTER | DIGIT) and follows & LETTER:
                    length = run
                elif code == 45 and previous & DIGIT and (after & DIGIT or (i + 1 < end and text[i + 1] == 45)):
                    length = 1
            elif code == 44:
                if previous & LETTER and after & LETTER:
                    length = 1
            elif code == 43 or code == 42 or code == 94:
                if previous & DIGIT and (after & DIGIT or (i + 1 < end and text[i + 1] == 45)):
                    length = 1
            elif code == 58 or code == 60 or code == 61 or code == 62 or code == 47:
                if previous & (LETTER | DIGIT) and after & LETTER:
                    length = 1
        if length:
            if i > begin:
                _push(text, begin, i, table, out, n)
                n += 1
            _push(text, i, i + length, table, out, n)
            n += 1
            begin = i + length
            i = begin
            previous = bits
            continue
        previous = bits
        i += size
    if begin < end:
        _push(text, begin, end, table, out, n)
        n += 1
    return n


@inner
def _push_letters_apart(text, start, end, table, out, n):  # type: ignore[no-untyped-def]
    """A run of characters in a script without spaces: each letter of such scripts is a word, the rest stays in runs."""
    i = begin = start
    while i < end:
        code, size = _code_at(text, i, end)
        bits = _bits(table, code)
        if bits & (UNSPACED | AFFIX | ICON):
            stop = i + size
            # vowel signs and tone marks belong to the letter before them
            while stop < end:
                following, extent = _code_at(text, stop, end)
                kind = _bits(table, following)
                if not (kind & UNSPACED and not kind & LETTER):
                    break
                stop += extent
            if i > begin:
                _push(text, begin, i, table, out, n)
                n += 1
            _push(text, i, stop, table, out, n)
            n += 1
            i = begin = stop
            continue
        i += size
    if begin < end:
        _push(text, begin, end, table, out, n)
        n += 1
    return n


@short
def _push_mark(text, start, end, bits, out, n):  # type: ignore[no-untyped-def]
    """Writes a word of one character that is no letter, with these bits."""
    starts, ends, sizes, hashes, flags = out
    starts[n] = start
    ends[n] = end
    sizes[n] = 1
    hashes[n] = digest_8(eight(text, start) & lowest(8 * (end - start)), end - start)
    kind = HAS_CONTENT if not bits & SYMBOL else 0
    kind |= IS_PUNCTUATION if bits & PUNCTUATION else 0
    flags[n] = kind | (IS_TERMINAL if bits & TERMINAL else 0)


@short
def _hash(text, start, end):  # type: ignore[no-untyped-def]
    """`digest`, without a call where the word is short."""
    if end - start > 8:
        return digest(text, start, end)
    return digest_8(eight(text, start) & lowest(8 * (end - start)), end - start)


@inner
def _keeps_full_stop(text, start, end, table, keys):  # type: ignore[no-untyped-def]
    """Whether the full stop behind the letters text[start:end] may be a part of the word: of an abbreviation or an
    initial."""
    last_at = _back(text, end, start)
    last = _class_at(text, last_at, end, table)
    if not last & LOWER:
        if last_at == start or not last & UPPER:
            return True
        if not _class_at(text, _back(text, last_at, start), last_at, table) & UPPER:
            return True
    return end + 1 - start <= _LONGEST_SPECIAL and _find(keys, _hash(text, start, end + 1)) >= 0


@inner
def split_document(text, i, stop, apart, table, keys, cuts, unit_keys, out, n):  # type: ignore[no-untyped-def]
    """Writes the words of text[i:stop] to `out` from row n on. Returns the next row, or -1 where `out` is too small."""
    room = len(out[0])
    while i < stop:
        start = i
        b = text[i]
        if b == 32:
            i += 1
            continue
        if b < 0x80:
            ahead = eight(text, i)
            length = min(n_letters(ahead), stop - i)
            i += length
            if 0 < length < 8 and (i == stop or text[i] == 32) and not apart and n < room:
                value = digest_8(ahead & lowest(8 * length), length)
                if not _is_cut(keys, cuts, value):
                    _push_letters(start, i, length, value, out, n)
                    n += 1
                    i += 1
                    continue
            if length == 0 and table[b] & SPACE:
                i += 1
                continue
        # a run of letters of any script
        n_beyond = np.int64(0)  # bytes of it that begin no character
        bits = np.int64(SPACE)  # of the character behind it
        size = 0
        while i < stop:
            if text[i] < 0x80:
                length = min(n_letters(eight(text, i)), stop - i)
                i += length
                if length == 0:
                    bits, size = np.int64(table[text[i]]), 1
                    break
            else:
                code, size = _code_at(text, i, stop)
                if not 0xAC00 <= code <= 0xD7A3:
                    bits = _bits(table, code)
                    if not bits & LETTER:
                        break
                n_beyond += size - 1
                i += size
        plain = i == stop or bits & SPACE != 0
        if i == start and plain:
            i += size
            continue
        after = i + size
        marked = bits & AFFIX != 0 or (not plain and text[i] == 46)
        if marked and not plain:
            marked = after >= stop or text[after] == 32 or _class_at(text, after, stop, table) & SPACE != 0
        if (plain or marked) and i > start and not apart and n + 3 < room:
            # alone or with one mark behind it: most words
            value = _hash(text, start, i)
            special = n_beyond == 0 and i - start <= _LONGEST_SPECIAL and _is_cut(keys, cuts, value)
            special = special or (not plain and text[i] == 46 and _keeps_full_stop(text, start, i, table, keys))
            if not special:
                _push_letters(start, i, i - start - n_beyond, value, out, n)
                n += 1
                if not plain:
                    _push_mark(text, i, after, bits, out, n)
                    n += 1
                    i = after
                continue
        while i < stop:
            b = text[i]
            if b < 0x80:
                if table[b] & SPACE:
                    break
                i += 1
            else:
                code, size = _code_at(text, i, stop)
                if _bits(table, code) & SPACE:
                    break
                i += size
        end = i
        if n + (end - start) + 2 > room:
            return -1
        if apart:
            n = _push_letters_apart(text, start, end, table, out, n)
            continue
        if plain:
            n = _push_core(text, start, end, table, keys, cuts, out, n)
            continue
        # Marks at the end are found before what stands left of them: they wait at the far end of this run's rows.
        waiting = n + (end - start) + 1
        low = waiting
        while start < end:
            if text[end - 1] == 46 and _find(keys, digest(text, start, end)) >= 0:
                break
            before = _prefix(text, start, end, table)
            if before > 0:
                _push(text, start, start + before, table, out, n)
                n += 1
                start += before
            if start >= end:
                break
            if text[end - 1] == 46 and before > 0 and _find(keys, digest(text, start, end)) >= 0:
                break
            after = _suffix(text, start, end, table, unit_keys)
            if after > 0:
                low -= 1
                _push(text, end - after, end, table, out, low)
                end -= after
            if before == 0 and after == 0:
                break
        if start < end:
            n = _push_core(text, start, end, table, keys, cuts, out, n)
        for row in range(low, waiting):
            if row != n:
                out[0][n], out[1][n], out[2][n] = out[0][row], out[1][row], out[2][row]
                out[3][n], out[4][n] = out[3][row], out[4][row]
            n += 1
    return n


@inner
def _split(text, offsets, letters_apart, table, keys, cuts, unit_keys, bounds, out):  # type: ignore[no-untyped-def]
    """Words of all texts into `out`; returns their number, or -1 where `out` is too small."""
    n = np.int64(0)  # not the literal 0, for which Numba would compile everything twice
    for i in range(len(offsets) - 1):
        n = split_document(text, offsets[i], offsets[i + 1], letters_apart[i], table, keys, cuts, unit_keys, out, n)
        if n < 0:
            return n
        bounds[i + 1] = n
    return n


def letters_apart(languages: Sequence[str | None] | str | None, n: int) -> npt.NDArray[np.bool_]:
    """Whether the letters of each of n texts stand apart [n]; `languages` is one for all or one for each."""
    if languages is None or isinstance(languages, str):
        return np.full(n, languages in WITHOUT_SPACES, dtype=np.bool_)
    return np.fromiter((language in WITHOUT_SPACES for language in languages), np.bool_, count=n)


def split_words(texts: Texts, languages: Sequence[str | None] | str | None = "en") -> Words:
    """The words of all texts. `languages`, one for all or one for each, decide whether letters stand apart."""
    return cut_words(texts, letters_apart(languages, len(texts)))


def cut_words(texts: Texts, apart: npt.NDArray[np.bool_]) -> Words:
    """`split_words` of N texts, told whether the letters of each stand apart [N]."""
    keys, cuts, unit_keys, _ = special()
    n_bytes = int(texts.offsets_N1[-1] - texts.offsets_N1[0])
    longest = int(np.diff(texts.offsets_N1).max()) if len(texts) else 0
    room = n_bytes // 3 + min(longest, 1 << 16) + 1024
    bounds = np.zeros(len(texts) + 1, dtype=np.int64)
    while True:
        out = (
            np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int32),
            np.empty(room, np.uint64), np.empty(room, np.uint8),
        )  # fmt: skip
        n = _split(texts.data, texts.offsets_N1, apart, characters.table(), keys, cuts, unit_keys, bounds, out)
        if n >= 0:
            break
        room = min(room * 2, n_bytes + longest + 16) if room < n_bytes + longest + 16 else room * 2
    return Words(out[0][:n], out[1][:n], out[2][:n], out[3][:n], out[4][:n], bounds, texts.data)
