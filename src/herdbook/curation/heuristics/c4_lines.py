"""What C4 (Raffel et al. 2020, section 2.2) makes of each line, and the text that it leaves.

Judged in this order, as in the published implementations: a word too long, no mark at the end, too few words,
"lorem ipsum" and a curly bracket (which drop the whole document), "javascript", policies. Sentences are counted in the
lines that stay. Marks of citation ([12], [edit], [citation needed]) are taken out before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics import characters
from herdbook.curation.heuristics.characters import SPACE
from herdbook.curation.heuristics.lines import next_line, strip
from herdbook.curation.heuristics.words import IS_PUNCTUATION, IS_TERMINAL, Texts
from herdbook.curation.kernel import inner, short
from herdbook.curation.wide import first_bit, letter, lowest, within

KEPT, TOO_LONG_WORD, NO_END_MARK, FEW_WORDS, JAVASCRIPT, POLICY, LOREM_IPSUM, CURLY_BRACKET = range(8)
STATES = (
    "kept", "too_long_word", "no_end_mark", "few_words", "javascript", "policy", "lorem_ipsum", "curly_bracket",
)  # fmt: skip
"""Names of what can be said of a line, by number."""
PHRASES = (
    "lorem ipsum", "javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies",
    "use cookies",
)  # fmt: skip
_LETTERS = np.frombuffer("".join(PHRASES).encode(), dtype=np.uint8).copy()
_BOUNDS = np.cumsum([0, *map(len, PHRASES)])
_EDIT = np.frombuffer(b"edit]", dtype=np.uint8).copy()
_NEEDED = np.frombuffer(b"citation needed]", dtype=np.uint8).copy()
CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")


@dataclass(frozen=True, kw_only=True)
class Config:
    """How lines are judged: fixed before the reading, for what they leave is counted."""

    end_marks: bool = True
    """Whether a line must end with . ? ! or a quotation mark and not with an ellipsis (published: yes; FineWeb: no)."""
    min_words_per_line: int = 3
    """Fewest words of a line (published: 3)."""
    max_word_length: int = 1000
    """Longest word of a line in characters (published: 1,000)."""


@dataclass(frozen=True)
class Lines:
    """The lines of N texts, as `str.splitlines` has them: those of text i are rows bounds_N1[i] to bounds_N1[i + 1]."""

    state_L: npt.NDArray[np.uint8]
    bounds_N1: npt.NDArray[np.int64]

    def count(self, state: int) -> npt.NDArray[np.int64]:
        """Lines with a state in each text [N]."""
        sums = np.concatenate([[0], np.cumsum(self.state_L == state)])
        return np.diff(sums[self.bounds_N1]).astype(np.int64)


@short
def _kind(text, i, stop, table):  # type: ignore[no-untyped-def]
    """(bits, bytes) of the character at place i."""
    b = text[i]
    if b < 0x80:
        return np.int64(table[b]), 1
    code, size = np.int64(0xFFFD), 1
    if b >= 0xF0 and i + 3 < stop:
        return np.int64(0), 4
    if b >= 0xE0 and i + 2 < stop:
        code = ((np.int64(b) & 15) << 12) | ((np.int64(text[i + 1]) & 63) << 6) | (np.int64(text[i + 2]) & 63)
        size = 3
    elif b >= 0xC0 and i + 1 < stop:
        code = ((np.int64(b) & 31) << 6) | (np.int64(text[i + 1]) & 63)
        size = 2
    return np.int64(table[code]), size


@inner
def _citation_at(text, i, stop):  # type: ignore[no-untyped-def]
    """Bytes of the mark of citation that begins at place i (a bracket), 0 if there is none."""
    k = i + 1
    while k < stop and 48 <= text[k] <= 57:
        k += 1
    if k < stop and text[k] == 93:
        return k + 1 - i
    for number in range(2):
        word = _EDIT if number == 0 else _NEEDED
        n = len(word)
        if i + 1 + n <= stop:
            same = True
            for j in range(n):
                if text[i + 1 + j] != word[j]:
                    same = False
                    break
            if same:
                return n + 1
    return 0


@inner
def first_citation(text, i, stop):  # type: ignore[no-untyped-def]
    """Place of the first mark of citation, or `stop`."""
    while i < stop:
        brackets = within(text, i, 91, 91) & lowest(stop - i)
        while brackets:
            at = i + np.int64(first_bit(brackets))
            if _citation_at(text, at, stop) > 0:
                return at
            brackets &= brackets - np.uint64(1)
        i += 64
    return stop


@inner
def without_citations(text, start, stop, out):  # type: ignore[no-untyped-def]
    """Copies a text without its marks of citation. Returns bytes written."""
    written = 0
    i = start
    while i < stop:
        length = _citation_at(text, i, stop) if text[i] == 91 else 0
        if length > 0:
            i += length
        else:
            out[written] = text[i]
            written += 1
            i += 1
    return written


@inner
def _starts(text, i, stop, number):  # type: ignore[no-untyped-def]
    """Whether the phrase with this number stands at place i, in any case."""
    begin, end = _BOUNDS[number], _BOUNDS[number + 1]
    if i + end - begin > stop:
        return False
    for k in range(end - begin):
        b = text[i + k]
        if 65 <= b <= 90:
            b |= 0x20
        if b != _LETTERS[begin + k]:
            return False
    return True


@inner
def _may_say(text, i, stop):  # type: ignore[no-untyped-def]
    """Whether the line has a curly bracket or "orem", "avas", "ivac", "rms o" or "okie": each phrase has one."""
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    while i < stop:
        a, e, o, r = letter(text, i, 97), letter(text, i, 101), letter(text, i, 111), letter(text, i, 114)
        i_, s, v = letter(text, i, 105), letter(text, i, 115), letter(text, i, 118) >> one
        m, ki = letter(text, i, 109), (letter(text, i, 107) >> one) & (i_ >> two)
        found = (o & (r >> one) & (e >> two) & (m >> three)) | (v & a & (a >> two) & (s >> three))
        found |= (v & i_ & (a >> two) & (letter(text, i, 99) >> three)) | (o & ki & (e >> three))
        found |= r & (m >> one) & (s >> two) & (within(text, i, 32, 32) >> three) & (o >> four)
        if (found | within(text, i, 123, 123)) & lowest(stop - i):
            return True
        i += 60  # what begins in the last 4 of 64 places is seen again
    return False


@inner
def _content_state(text, start, stop):  # type: ignore[no-untyped-def]
    """KEPT, or the state that the phrases in the line give it."""
    if not _may_say(text, start, stop):
        return KEPT
    lorem = javascript = curly = policy = False
    for i in range(start, stop - 1):
        # the first letter of a phrase with its second: few places pass
        b, c = text[i] | 0x20, text[i + 1] | 0x20
        if b == 106 and c == 97:
            javascript = javascript or _starts(text, i, stop, 1)
        elif b == 108 and c == 111:
            lorem = lorem or _starts(text, i, stop, 0)
        elif b == 116 and c == 101:
            policy = policy or _starts(text, i, stop, 2)
        elif b == 112 and c == 114:
            policy = policy or _starts(text, i, stop, 3)
        elif b == 99 and c == 111:
            policy = policy or _starts(text, i, stop, 4)
        elif b == 117 and c == 115:
            policy = policy or _starts(text, i, stop, 5) or _starts(text, i, stop, 6) or _starts(text, i, stop, 7)
    for i in range(start, stop):
        curly = curly or text[i] == 123
    if lorem:
        return LOREM_IPSUM
    if javascript:
        return JAVASCRIPT
    if curly:
        return CURLY_BRACKET
    return POLICY if policy else KEPT


@inner
def _may_have_longer(text, i, stop, length):  # type: ignore[no-untyped-def]
    """Whether more than `length` bytes in a row are not white space of ASCII."""
    while stop - i > length:
        at = i + length
        while at >= i and text[at] != 32 and not 9 <= text[at] <= 13:
            at -= 1
        if at < i:
            return True
        i = at + 1
    return False


@inner
def _has_longer(text, i, stop, table, length):  # type: ignore[no-untyped-def]
    """Whether a word has more than `length` characters."""
    n = 0
    while i < stop:
        bits, size = _kind(text, i, stop, table)
        n = 0 if bits & SPACE else n + 1
        if n > length:
            return True
        i += size
    return False


@inner
def _has_words(text, i, stop, table, least):  # type: ignore[no-untyped-def]
    """Whether the line has `least` words or more."""
    n, inside = 0, False
    while i < stop and n < least:
        bits, size = _kind(text, i, stop, table)
        space = bits & SPACE != 0
        if inside == space:
            n += not space
            inside = not space
        i += size
    return n >= least


@inner
def _line_state(text, start, stop, table, end_marks, min_words, max_length):  # type: ignore[no-untyped-def]
    """What C4 says of one line."""
    if max_length > 0 and _may_have_longer(text, start, stop, max_length):
        if _has_longer(text, start, stop, table, max_length):
            return TOO_LONG_WORD
    begin, end = strip(text, start, stop, table)
    if begin == end:
        return NO_END_MARK if end_marks else (FEW_WORDS if min_words > 0 else KEPT)
    if end_marks:
        last = end
        while last > begin and text[last - 1] == 93:
            back = last - 1
            while back > begin and text[back] != 91:
                back -= 1
            if text[back] != 91 or _citation_at(text, back, last) != last - back:
                break
            last = back
        mark = text[last - 1] if last > begin else np.uint8(0)
        if not (mark == 46 or mark == 63 or mark == 33 or mark == 34 or mark == 39):
            return NO_END_MARK
        if last - begin >= 3 and text[last - 3] == 46 and text[last - 2] == 46 and mark == 46:
            return NO_END_MARK
    if not _has_words(text, begin, end, table, min_words):
        return FEW_WORDS
    return _content_state(text, begin, end)


@inner
def line_states(text, i, stop, table, end_marks, min_words, max_length, states, row):  # type: ignore[no-untyped-def]
    """Writes the state of each line of a document from `row` on. Returns the next row."""
    while i < stop:
        end, following = next_line(text, i, stop, table)
        states[row] = _line_state(text, i, end, table, end_marks, min_words, max_length)
        row += 1
        i = following
    return row


@inner
def n_sentences(text, i, stop, table, starts, flags, n_words, states, row):  # type: ignore[no-untyped-def]
    """Sentences in the lines that stay; the states of the document's lines begin at `row`."""
    word = 0
    total = 0
    while i < stop:
        end, following = next_line(text, i, stop, table)
        n, closed = 0, False
        while word < n_words and starts[word] < end:
            kind = flags[word]
            if kind & IS_TERMINAL:
                if n == 0:
                    n = 1
                closed = True
            elif n == 0 or (closed and not kind & IS_PUNCTUATION):
                n += 1
                closed = False
            word += 1
        if states[row] == KEPT:
            total += n
        row += 1
        i = following
    return total


@numba.njit(cache=True, nogil=True)
def _states(text, offsets, table, end_marks, min_words, max_length, states, bounds):  # type: ignore[no-untyped-def]
    for i in range(len(offsets) - 1):
        bounds[i + 1] = line_states(
            text, offsets[i], offsets[i + 1], table, end_marks, min_words, max_length, states, bounds[i]
        )


def judge_lines(texts: Texts, config: Config) -> Lines:
    """States of all lines."""
    states = np.empty(int(texts.offsets_N1[-1] - texts.offsets_N1[0]), dtype=np.uint8)
    bounds = np.zeros(len(texts) + 1, dtype=np.int64)
    _states(
        texts.data, texts.offsets_N1, characters.table(), config.end_marks, config.min_words_per_line,
        config.max_word_length, states, bounds,
    )  # fmt: skip
    return Lines(states[: bounds[-1]].copy(), bounds)


def kept_text(text: str, states: npt.NDArray[np.uint8]) -> str:
    """The text that C4 leaves: the lines that stay, without marks of citation."""
    lines = [CITATION.sub("", line.strip()) for line, state in zip(text.splitlines(), states) if state == KEPT]
    return "\n".join(lines).strip()
