"""Words of a page as numbers and vectors: those in the names of elements, and those that blocks begin with.

The words of an element are its tag as `<tag`, the words in its class, id, role and itemprop (`mainNav` is two), and
`!hidden`. Those of a block are its first words in Latin script. A vocabulary gives each a number; the vectors of a set
of words are summed. `names_of` and `first_words_of` say in plain Python what the kernels find.
Shape letters: B blocks, E elements, V words of the vocabulary and one, W words found, A and N sizes of vectors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.extract.blocks import I64, PRIME, SEED, U64, Blocks, Elements, hash_of, looked_up, table_of

F32 = npt.NDArray[np.float32]
FIRST_WORDS = 8
"""So many words of a block are looked at."""
_READ = ("class", "id", "role", "itemprop")
_READ_HASHES = np.array([hash_of(name) for name in _READ], dtype=np.uint64)
_STYLE, _HIDDEN, _ARIA, _NOT_SHOWN = (hash_of(name) for name in ("style", "hidden", "aria-hidden", "!hidden"))
_NONE = np.frombuffer(b"display:none", dtype=np.uint8)
_NONE_SPACED = np.frombuffer(b"display: none", dtype=np.uint8)
_ATTRIBUTE = re.compile(r'([^\s="]+)="([^"]*)"')
_NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_TEXT_WORD = re.compile(r"[A-Za-z]+")


class Vocabulary(NamedTuple):
    """Numbers of known words by their hash: 1, 2, … in the order given; 0 is none of them."""

    keys: U64
    numbers: I64
    size: int


def vocabulary_of(words: list[str]) -> Vocabulary:
    """The vocabulary of these words."""
    return Vocabulary(*table_of({word: number for number, word in enumerate(words, 1)}), len(words) + 1)


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers of the different known words of things 0, 1, …: those of thing i are
    numbers_W[offsets[i]:offsets[i + 1]]."""

    numbers_W: I64
    offsets: I64

    def __getitem__(self, i: int) -> I64:
        return self.numbers_W[self.offsets[i] : self.offsets[i + 1]]


def names_of(tag: str, attributes: str) -> set[str]:
    """The words of an element, from its tag and the source of its attributes."""
    words = {f"<{tag}"}
    for name, value in _ATTRIBUTE.findall(attributes):
        if name in _READ:
            words.update(word.lower() for word in _NAME_WORD.findall(value) if len(word) > 2)
        not_shown = name == "style" and ("display:none" in value or "display: none" in value)
        if not_shown or name == "hidden" or (name == "aria-hidden" and value == "true"):
            words.add("!hidden")
    return words


def first_words_of(text: str) -> set[str]:
    """The first words of a block, in lower case."""
    return {word.lower() for word in _TEXT_WORD.findall(text)[:FIRST_WORDS]}


@numba.njit(cache=True, nogil=True)
def _stands(pattern, text, i, stop):  # type: ignore[no-untyped-def]
    """Whether the pattern stands in text[i:stop]."""
    while i + len(pattern) <= stop:
        k = 0
        while k < len(pattern) and text[i + k] == pattern[k]:
            k += 1
        if k == len(pattern):
            return True
        i += 1
    return False


@numba.njit(cache=True, nogil=True)
def _add(value, keys, numbers, stamps, mark, out, n):  # type: ignore[no-untyped-def]
    """A known word to the words of thing `mark - 1`, unless it is there; returns the number of words."""
    number = looked_up(value, keys, numbers)
    if number > 0 and stamps[number] != mark:
        stamps[number] = mark
        out[n] = number
        return n + 1
    return n


@numba.njit(cache=True, nogil=True)
def _name_words(text, i, stop, keys, numbers, stamps, mark, out, n):  # type: ignore[no-untyped-def]
    """The words of a value: runs of lower case, after at most one capital; runs of capitals."""
    while i < stop:
        b = text[i]
        begin = i
        if 65 <= b <= 90:
            i += 1
            if i < stop and 97 <= text[i] <= 122:
                while i < stop and 97 <= text[i] <= 122:
                    i += 1
            else:
                while i < stop and 65 <= text[i] <= 90:
                    i += 1
        elif 97 <= b <= 122:
            while i < stop and 97 <= text[i] <= 122:
                i += 1
        else:
            i += 1
            continue
        if i - begin > 2:
            value = SEED
            for k in range(begin, i):
                value = (value ^ np.uint64(text[k] | 32)) * PRIME
            n = _add(value, keys, numbers, stamps, mark, out, n)
    return n


@numba.njit(cache=True, nogil=True)
def _names(text, hashes, starts, ends, tag_hashes, keys, numbers, size, out, offsets):  # type: ignore[no-untyped-def]
    """Words of all elements into `out` and `offsets`; a hash of each element's tag and class into `hashes`."""
    stamps = np.zeros(size, dtype=np.int64)
    n = 0
    for element in range(len(starts)):
        mark = element + 1
        offsets[element] = n
        kind = tag_hashes[element]
        n = _add(tag_hashes[element], keys, numbers, stamps, mark, out, n)
        i, stop = starts[element], ends[element]
        while i < stop:
            if text[i] <= 32 or text[i] == 61 or text[i] == 34:
                i += 1
                continue
            name = SEED
            while i < stop and text[i] > 32 and text[i] != 61 and text[i] != 34:
                name = (name ^ np.uint64(text[i])) * PRIME
                i += 1
            if i + 1 >= stop or text[i] != 61 or text[i + 1] != 34:
                continue
            i += 2
            begin = i
            while i < stop and text[i] != 34:
                i += 1
            if name == _READ_HASHES[0]:
                for k in range(begin, i):
                    kind = (kind ^ np.uint64(text[k])) * PRIME
            hidden = False
            if name == _HIDDEN:
                hidden = True
            elif name == _ARIA:
                hidden = i - begin == 4 and text[begin] == 116 and text[begin + 1] == 114 and text[begin + 3] == 101
            elif name == _STYLE:
                hidden = _stands(_NONE, text, begin, i) or _stands(_NONE_SPACED, text, begin, i)
            else:
                for k in range(len(_READ_HASHES)):
                    if name == _READ_HASHES[k]:
                        n = _name_words(text, begin, i, keys, numbers, stamps, mark, out, n)
            if hidden:
                n = _add(_NOT_SHOWN, keys, numbers, stamps, mark, out, n)
            i += 1
        hashes[element] = kind
    offsets[len(starts)] = n
    return n


@numba.njit(cache=True, nogil=True)
def _first_words(text, starts, ends, keys, numbers, size, out, offsets):  # type: ignore[no-untyped-def]
    """First words of all blocks into `out` and `offsets`."""
    stamps = np.zeros(size, dtype=np.int64)
    n = 0
    for block in range(len(starts)):
        offsets[block] = n
        i, stop = starts[block], ends[block]
        words = 0
        while i < stop and words < FIRST_WORDS:
            if not 97 <= (text[i] | 32) <= 122:
                i += 1
                continue
            value = SEED
            while i < stop and 97 <= (text[i] | 32) <= 122:
                value = (value ^ np.uint64(text[i] | 32)) * PRIME
                i += 1
            words += 1
            n = _add(value, keys, numbers, stamps, block + 1, out, n)
    offsets[len(starts)] = n
    return n


def names(elements: Elements, vocabulary: Vocabulary) -> tuple[Found, U64]:
    """(known words of all elements, a hash of the tag and class of each [E])."""
    room = int((elements.attribute_ends - elements.attributes).sum()) // 3 + 2 * len(elements)
    out, offsets = np.empty(room, dtype=np.int64), np.empty(len(elements) + 1, dtype=np.int64)
    kinds = np.empty(len(elements), dtype=np.uint64)
    n = _names(
        elements.markup, kinds, elements.attributes, elements.attribute_ends, elements.hashes, *vocabulary, out, offsets
    )
    return Found(out[:n], offsets), kinds


def first_words(blocks: Blocks, vocabulary: Vocabulary) -> Found:
    """Known first words of all blocks."""
    out, offsets = np.empty(FIRST_WORDS * len(blocks), dtype=np.int64), np.empty(len(blocks) + 1, dtype=np.int64)
    n = _first_words(blocks.utf8, blocks.starts, blocks.ends, *vocabulary, out, offsets)
    return Found(out[:n], offsets)


@numba.njit(cache=True, nogil=True)
def sums_of_names(numbers, offsets, parents, all_vectors, near_vectors):  # type: ignore[no-untyped-def]
    """(sum of the vectors of the different words of each element and all around it [E, A], of it and its parent
    [E, N])."""
    n, width, near_width = len(parents), all_vectors.shape[1], near_vectors.shape[1]
    all_EA, near_EN = np.zeros((n, width), dtype=np.float32), np.zeros((n, near_width), dtype=np.float32)
    on_path = np.zeros(len(all_vectors), dtype=np.int64)
    path = np.empty(n, dtype=np.int64)
    stamps = np.zeros(len(all_vectors), dtype=np.int64)
    depth = 0
    for element in range(n):
        parent = parents[element]
        while depth and path[depth - 1] != parent:
            depth -= 1
            for w in range(offsets[path[depth]], offsets[path[depth] + 1]):
                on_path[numbers[w]] -= 1
        path[depth] = element
        depth += 1
        if element:
            for a in range(width):
                all_EA[element, a] = all_EA[parent, a]
        for w in range(offsets[element], offsets[element + 1]):
            number = numbers[w]
            if on_path[number] == 0:
                for a in range(width):
                    all_EA[element, a] += all_vectors[number, a]
            on_path[number] += 1
            stamps[number] = element + 1
            for a in range(near_width):
                near_EN[element, a] += near_vectors[number, a]
        if element:
            for w in range(offsets[parent], offsets[parent + 1]):
                if stamps[numbers[w]] != element + 1:
                    for a in range(near_width):
                        near_EN[element, a] += near_vectors[numbers[w], a]
    return all_EA, near_EN


@numba.njit(cache=True, nogil=True)
def sums_of_words(numbers, offsets, vectors):  # type: ignore[no-untyped-def]
    """The sum of the vectors of the words of each thing [B, N]."""
    sums = np.zeros((len(offsets) - 1, vectors.shape[1]), dtype=np.float32)
    for thing in range(len(offsets) - 1):
        for w in range(offsets[thing], offsets[thing + 1]):
            for a in range(vectors.shape[1]):
                sums[thing, a] += vectors[numbers[w], a]
    return sums
