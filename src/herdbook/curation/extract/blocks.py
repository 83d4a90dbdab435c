"""A page as a row of blocks (paragraphs, headings, list items, cells, code), each with the elements that it stands in.

resiliparse (a C++ parser) repairs and parses the page and prints it again as well-formed markup; one pass over those
bytes, in Numba, makes blocks and the tree of the elements that are not inline. An element covers a range of blocks, so
that sums over it are differences of running sums. `tests/curation/slow_blocks.py` says the same in plain Python.
Shape letters: B blocks of a page, E elements of a page, M bytes of its markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
LEFT_OUT = (
    "script", "style", "noscript", "template", "svg", "iframe", "select", "textarea", "button", "canvas", "object",
    "audio", "video",
)  # fmt: skip
"""Elements whose text is none of the page's."""
BREAKS = (
    "h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "pre", "td", "th", "dt", "dd",
    "address", "article", "aside", "blockquote", "body", "caption", "center", "details", "dialog", "dir", "div", "dl",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "label", "legend", "main", "menu", "nav",
    "ol", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
)  # fmt: skip
"""Elements that are not inline, those that name their blocks first; those with a hyphen in their name count too."""
TEXT_TAGS = BREAKS[:13]
TAGS = ("", *BREAKS)
"""Names of the codes of tags; 0 is text outside of `TEXT_TAGS`, and elements with a hyphen."""
P, LI, PRE, TD, TH = (TAGS.index(name) for name in ("p", "li", "pre", "td", "th"))
_N_TEXT = len(TEXT_TAGS)
_N_BREAKS = len(BREAKS)
_BR, _A, _IMG, _HR = range(_N_BREAKS + 1, _N_BREAKS + 5)
_FIRST_LEFT_OUT = _HR + 1
SPACE, UPPER, DIGIT, COMMA, END = 1, 2, 4, 8, 16
"""What a character is, in bits."""
_COMMAS = ",;،、，；"
_END_MARKS = '.!?"”’…。！？:'
_CODES = 0x20000
_MOST_FAILURES = 1000
"""No more looks for an end that is not there: each goes through the rest of the page."""
PRIME = np.uint64(0x100000001B3)
SEED = np.uint64(0xCBF29CE484222325)


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of a page: bytes of all texts and where each begins and ends, code of its tag (`TAGS`), characters of
    it that are links, number of its element, for cells that of their row (else -1), then figures of its text:
    characters, commas and the like, runs of digits, line feeds, blanks, bits of the first and of the last character,
    and a hash. Each int64 [B]."""

    utf8: U8
    starts: I64
    ends: I64
    tags: I64
    links: I64
    elements: I64
    rows: I64
    sizes: I64
    commas: I64
    digits: I64
    lines: I64
    blanks: I64
    first: I64
    last: I64
    hashes: U64

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, number: int) -> str:
        """The text of one block."""
        return self.utf8[self.starts[number] : self.ends[number]].tobytes().decode("utf-8", "replace")

    def tag(self, number: int) -> str:
        """Its tag, "" for text outside of any."""
        return TAGS[self.tags[number]]


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a page that are not inline, in the order of their starts: bytes of the markup, hash of `<` and
    the tag, where the attributes begin and end in the markup, parent's number (the root's own is 0), code of the tag,
    and the blocks [first, end) inside. Each int64 or uint64 [E]."""

    markup: U8
    hashes: U64
    attributes: I64
    attribute_ends: I64
    parents: I64
    tags: I64
    firsts: I64
    ends: I64

    def __len__(self) -> int:
        return len(self.parents)

    def tag(self, number: int) -> str:
        """The tag of one element, "" for those with a hyphen."""
        return TAGS[self.tags[number]]

    def source(self, number: int) -> str:
        """The source of its attributes."""
        return self.markup[self.attributes[number] : self.attribute_ends[number]].tobytes().decode("utf-8", "replace")


def hash_of(text: str) -> np.uint64:
    """FNV-1a of the UTF-8 bytes, 64 bits."""
    value = int(SEED)
    for byte in text.encode():
        value = (value ^ byte) * int(PRIME) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value)


_OPEN, _BODY = hash_of("<"), hash_of("<body")


def table_of(numbers: dict[str, int]) -> tuple[U64, I64]:
    """An open hash table of hashed words for the kernels: keys (0 where empty) and numbers, at most half full."""
    size = 16
    while size < 2 * len(numbers) + 2:
        size *= 2
    keys, values = np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int64)
    for word, number in numbers.items():
        key = hash_of(word)
        place = int(key) & (size - 1)
        while keys[place]:
            place = (place + 1) & (size - 1)
        keys[place], values[place] = key, number
    return keys, values


@numba.njit(cache=True, nogil=True)
def looked_up(key, keys, values):  # type: ignore[no-untyped-def]
    """The number that `table_of` holds for a hash, 0 where it holds none."""
    mask = len(keys) - 1
    place = np.int64(key & np.uint64(mask))
    while keys[place] != 0:
        if keys[place] == key:
            return values[place]
        place = (place + 1) & mask
    return 0


@lru_cache(maxsize=1)
def _tables() -> tuple[U8, U64, I64]:
    """(bits of each code point under 0x20000, keys and codes of tags)."""
    bits = np.zeros(_CODES, dtype=np.uint8)
    for code in range(_CODES):
        c = chr(code)
        if not c.isascii() or not c.islower():
            bits[code] = SPACE * c.isspace() + UPPER * c.isupper() + DIGIT * c.isdecimal()
    for mark in _COMMAS:
        bits[ord(mark)] |= COMMA
    for mark in _END_MARKS:
        bits[ord(mark)] |= END
    names = (*BREAKS, "br", "a", "img", "hr", *LEFT_OUT)
    return bits, *table_of({f"<{name}": code for code, name in enumerate(names, 1)})


@numba.njit(cache=True, nogil=True, inline="always")
def _character(text, i, stop):  # type: ignore[no-untyped-def]
    """(code point at i, its bytes)."""
    b = np.int64(text[i])
    if b < 0x80:
        return b, 1
    if b >= 0xF0 and i + 3 < stop:
        code = ((b & 7) << 18) | ((np.int64(text[i + 1]) & 63) << 12)
        return code | ((np.int64(text[i + 2]) & 63) << 6) | (np.int64(text[i + 3]) & 63), 4
    if b >= 0xE0 and i + 2 < stop:
        return ((b & 15) << 12) | ((np.int64(text[i + 1]) & 63) << 6) | (np.int64(text[i + 2]) & 63), 3
    if b >= 0xC0 and i + 1 < stop:
        return ((b & 31) << 6) | (np.int64(text[i + 1]) & 63), 2
    return 0xFFFD, 1


@numba.njit(cache=True, nogil=True)
def _entity(text, i, stop):  # type: ignore[no-untyped-def]
    """(the character that a printed entity at i stands for, bytes of the entity); (38, 1) for a plain ampersand."""
    if i + 3 < stop and text[i + 2] == 116 and text[i + 3] == 59:
        if text[i + 1] == 108:
            return 60, 4  # &lt;
        if text[i + 1] == 103:
            return 62, 4  # &gt;
    if i + 4 < stop and text[i + 1] == 97 and text[i + 2] == 109 and text[i + 3] == 112 and text[i + 4] == 59:
        return 38, 5  # &amp;
    if i + 5 < stop and text[i + 5] == 59:
        if text[i + 1] == 110 and text[i + 2] == 98 and text[i + 3] == 115 and text[i + 4] == 112:
            return 32, 6  # &nbsp;
        if text[i + 1] == 113 and text[i + 2] == 117 and text[i + 3] == 111 and text[i + 4] == 116:
            return 34, 6  # &quot;
    return 38, 1


_POSITION, _BLOCK, _LINE, _BLANK, _FEED, _INK, _LINK_SIZE = range(7)


@numba.njit(cache=True, nogil=True)
def _write(text, start, stop, pre, linked, bits, out, state):  # type: ignore[no-untyped-def]
    """Text between two tags into `out`, entities turned back, white space run together (not in `pre`), and its
    characters to those of links if `linked`; whether there was any ink."""
    position = state[_POSITION]
    characters = 0
    ink = False
    i = start
    while i < stop:
        code, size = _character(text, i, stop)
        if code == 38:
            code, size = _entity(text, i, stop)
        characters += 1
        blank = code < _CODES and bits[code] & SPACE
        if pre:
            if code != 10 or position > state[_BLOCK]:
                if size > 1 and code < 0x80:
                    out[position] = code
                    position += 1
                else:
                    for k in range(size):
                        out[position + k] = text[i + k]
                    position += size
            if not blank:
                ink = True
        elif blank:
            state[_BLANK] = 1
        else:
            ink = True
            if state[_FEED]:
                if position > state[_BLOCK]:
                    out[position] = 10
                    position += 1
                state[_LINE] = position
            elif state[_BLANK] and position > state[_LINE]:
                out[position] = 32
                position += 1
            state[_FEED] = state[_BLANK] = 0
            if size > 1 and code < 0x80:
                out[position] = code
                position += 1
            else:
                for k in range(size):
                    out[position + k] = text[i + k]
                position += size
        i += size
    state[_POSITION] = position
    if ink:
        state[_INK] = 1
    if linked and (ink or pre):
        state[_LINK_SIZE] += characters
    return ink


@numba.njit(cache=True, nogil=True)
def _end_of_tag(text, i, stop):  # type: ignore[no-untyped-def]
    """Where the `>` of a tag stands, looking from i; quoted values may hold others. -1 if nowhere."""
    quoted = False
    while i < stop:
        b = text[i]
        if b == 34:
            quoted = not quoted
        elif b == 62 and not quoted:
            return i
        i += 1
    return -1


@numba.njit(cache=True, nogil=True)
def _end_of_element(text, i, stop, name, name_end):  # type: ignore[no-untyped-def]
    """Behind the next `</name>`, looking from i; -1 if nowhere."""
    size = name_end - name
    while i + size + 2 < stop:
        if text[i] == 60 and text[i + 1] == 47 and text[i + 2 + size] == 62:
            same = True
            for k in range(size):
                if text[i + 2 + k] != text[name + k]:
                    same = False
                    break
            if same:
                return i + size + 3
        i += 1
    return -1


@numba.njit(cache=True, nogil=True)
def _flush(blocks, hashes, n, out, state, pre, top, element_tags, parents, firsts, bits):  # type: ignore[no-untyped-def]
    """Ends the block that was being written; returns the number of blocks."""
    start, end = state[_BLOCK], state[_POSITION]
    links, ink = state[_LINK_SIZE], state[_INK]
    state[_LINK_SIZE] = state[_INK] = state[_BLANK] = state[_FEED] = 0
    if pre:
        while end > start and out[end - 1] == 10:
            end -= 1
    if not ink or end == start:
        state[_POSITION] = state[_LINE] = start
        return n
    state[_POSITION] = state[_BLOCK] = state[_LINE] = end
    tag = element_tags[top]
    row = -1
    if pre:
        tag = PRE
    if tag in (TD, TH):
        row = parents[top]
    elif tag == P or tag == 0 or tag > _N_TEXT:
        above = parents[top]
        if element_tags[above] == LI and firsts[above] == n:
            tag = LI
        elif tag != P:
            tag = 0
    size = commas = digits = lines = blanks = 0
    first = last = np.int64(0)
    in_digits = False
    value = SEED
    i = start
    while i < end:
        code, width = _character(out, i, end)
        kind = np.int64(bits[code]) if code < _CODES else np.int64(0)
        if size == 0:
            first = kind
        last = kind
        size += 1
        if kind & COMMA:
            commas += 1
        if kind & DIGIT:
            if not in_digits:
                digits += 1
            in_digits = True
        else:
            in_digits = False
        if code == 10:
            lines += 1
        elif code == 32:
            blanks += 1
        value = (value ^ np.uint64(code)) * PRIME
        i += width
    row_of = blocks[n]
    row_of[0], row_of[1], row_of[2], row_of[3], row_of[4], row_of[5] = start, end, tag, min(links, size), top, row
    row_of[6], row_of[7], row_of[8], row_of[9], row_of[10] = size, commas, digits, lines, blanks
    row_of[11], row_of[12] = first, last
    hashes[n] = value
    return n + 1


@numba.njit(cache=True, nogil=True)
def _walk(text, bits, tag_keys, tag_codes, out, blocks, hashes, elements, element_hashes):  # type: ignore[no-untyped-def]
    """Blocks [B, 13] and elements [E, 6] of printed markup as the dataclasses have them; returns their numbers."""
    stop = len(text)
    state = np.zeros(7, dtype=np.int64)
    attributes, attribute_ends, parents, tags, firsts, ends = (
        elements[0], elements[1], elements[2], elements[3], elements[4], elements[5],
    )  # fmt: skip
    attributes[0] = attribute_ends[0] = parents[0] = firsts[0] = 0
    element_hashes[0] = _BODY
    tags[0] = looked_up(_BODY, tag_keys, tag_codes)
    n, n_elements, top = 0, 1, 0
    in_link = in_pre = 0
    after_break = False
    failures = 0
    i = 0
    while i < stop:
        begin = i
        value = _OPEN
        token_end = -1
        name = name_end = 0
        closing = False
        code = 0
        while i < stop:  # to the next token
            if text[i] != 60 or i + 1 >= stop:
                i += 1
                continue
            b = text[i + 1]
            if b == 33:
                if i + 3 < stop and text[i + 2] == 45 and text[i + 3] == 45 and failures < _MOST_FAILURES:
                    k = i + 4
                    while k + 2 < stop and not (text[k] == 45 and text[k + 1] == 45 and text[k + 2] == 62):
                        k += 1
                    if k + 2 < stop:
                        token_end, code = k + 3, -1
                        break
                    failures += 1
                i += 1
                continue
            closing = b == 47
            name = i + 1 + closing
            if name >= stop or text[name] < 97 or text[name] > 122 or failures >= _MOST_FAILURES:
                i += 1
                continue
            value = _OPEN
            hyphen = False
            name_end = name
            while name_end < stop:
                b = text[name_end]
                if b == 62 or b == 47 or b == 32 or (9 <= b <= 13):
                    break
                hyphen |= b == 45
                value = (value ^ np.uint64(b)) * PRIME
                name_end += 1
            close = _end_of_tag(text, name_end, stop)
            if close < 0:
                failures += 1
                i += 1
                continue
            token_end = close + 1
            code = looked_up(value, tag_keys, tag_codes)
            if code == 0 and hyphen:
                code = -2
            break
        if i > begin:
            ink = _write(text, begin, i, in_pre > 0, in_link > 0, bits, out, state)
            if ink or in_pre:
                after_break = False
        if token_end < 0:
            break
        if code >= _FIRST_LEFT_OUT:
            code = 0
            if not closing and failures < _MOST_FAILURES:
                end = _end_of_element(text, token_end, stop, name, name_end)
                if end > 0:
                    token_end, code = end, -1
                else:
                    failures += 1
        if code == -1:  # a comment, or what is left out
            if in_pre and state[_POSITION] > state[_BLOCK]:
                out[state[_POSITION]] = 32
                state[_POSITION] += 1
            else:
                state[_BLANK] = 1
        elif code == -2 or 0 < code <= _N_BREAKS:
            if closing:
                if element_hashes[top] == value and top > 0:
                    n = _flush(blocks, hashes, n, out, state, in_pre > 0, top, tags, parents, firsts, bits)
                    ends[top] = n
                    top = parents[top]
                    if code == PRE and in_pre:
                        in_pre -= 1
            else:
                n = _flush(blocks, hashes, n, out, state, in_pre > 0, top, tags, parents, firsts, bits)
                parents[n_elements] = top
                top = n_elements
                n_elements += 1
                attributes[top], attribute_ends[top] = name_end, token_end - 1
                element_hashes[top] = value
                tags[top] = max(code, 0)
                firsts[top] = n
                if code == PRE:
                    in_pre += 1
        elif code == _BR and not closing:
            if in_pre:
                if state[_POSITION] > state[_BLOCK]:
                    out[state[_POSITION]] = 10
                    state[_POSITION] += 1
            else:
                if after_break:
                    n = _flush(blocks, hashes, n, out, state, False, top, tags, parents, firsts, bits)
                state[_FEED] = 1
            after_break = True
        elif code == _A:
            in_link = max(0, in_link - 1) if closing else in_link + 1
        elif code == _IMG and not closing:
            k = name_end
            while k + 6 < token_end:
                if (
                    text[k] == 32 and text[k + 1] == 97 and text[k + 2] == 108 and text[k + 3] == 116
                    and text[k + 4] == 61 and text[k + 5] == 34
                ):  # fmt: skip
                    break
                k += 1
            if k + 6 < token_end:
                end = k + 6
                while end < token_end and text[end] != 34:
                    end += 1
                state[_BLANK] = 1
                _write(text, k + 6, end, False, in_link > 0, bits, out, state)
                state[_BLANK] = 1
                if in_pre and state[_POSITION] > state[_BLOCK]:
                    out[state[_POSITION]] = 32
                    state[_POSITION] += 1
        elif code == _HR and not closing:
            n = _flush(blocks, hashes, n, out, state, in_pre > 0, top, tags, parents, firsts, bits)
        i = token_end
    n = _flush(blocks, hashes, n, out, state, in_pre > 0, top, tags, parents, firsts, bits)
    while True:
        ends[top] = n
        if top == 0:
            break
        top = parents[top]
    return n, n_elements


def blocks_of(tree: Any) -> tuple[Blocks, Elements]:
    """The blocks of a page that resiliparse parsed (an HTMLTree), and its elements in the order of their starts."""
    body = tree.body
    return blocks_of_markup(body.html if body is not None else "")


def blocks_of_markup(markup: str) -> tuple[Blocks, Elements]:
    """As blocks_of, for well-formed markup as a parser prints it: balanced, lower case, values in double quotes."""
    written = markup.encode("utf-8", "replace")
    text = np.frombuffer(written, dtype=np.uint8)
    room = written.count(b"<") + 2
    out = np.empty(len(text) + 8, dtype=np.uint8)
    blocks, hashes = np.empty((room, 13), dtype=np.int64), np.empty(room, dtype=np.uint64)
    elements, element_hashes = np.empty((6, room), dtype=np.int64), np.empty(room, dtype=np.uint64)
    n, n_elements = _walk(text, *_tables(), out, blocks, hashes, elements, element_hashes)
    columns = np.ascontiguousarray(blocks[:n].T)
    attributes, attribute_ends, parents, tags, firsts, ends = elements[:, :n_elements]
    return (
        Blocks(*(out, *columns, hashes[:n])),
        Elements(text, element_hashes[:n_elements], attributes, attribute_ends, parents, tags, firsts, ends),
    )
