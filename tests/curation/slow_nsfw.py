"""The slow, obvious twin of `passages.py`: the same passages, features and logits in plain Python, for the tests."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from herdbook.curation.heuristics import characters
from herdbook.curation.heuristics.characters import DIGIT, LETTER, LINE_END, SPACE, SYMBOL, TERMINAL
from herdbook.curation.nsfw import passages
from herdbook.curation.nsfw.classifier import Weights

_MASK = (1 << 64) - 1
_PRIME, _MIX, _SEED, _WORD = 0x100000001B3, 0x9E3779B97F4A7C15, 0xCBF29CE484222325, 0xA5A5A5A5A5A5A5A5


def _bits(character: str) -> int:
    table = characters.table()
    return int(table[ord(character)]) if ord(character) < len(table) else LETTER | characters.UNSPACED


def cut(text: str) -> list[str]:
    """The passages of a text."""
    found, start, size, closed = [], 0, 0, False
    for i, character in enumerate(text):
        width = len(character.encode())
        if size + width > passages.MAX_BYTES:
            found.append(text[start:i])
            start, size, closed = i, 0, False
        size += width
        bits = _bits(character)
        line = bool(bits & LINE_END)
        blank = bool(bits & SPACE) and (closed or size >= passages.LONG_BYTES)
        full_width_stop = bool(bits & TERMINAL) and not character.isascii()
        closed = bool(bits & TERMINAL)
        if size >= passages.MIN_BYTES and (line or blank or full_width_stop):
            found.append(text[start : i + 1])
            start, size, closed = i + 1, 0, False
    return [*found, text[start:]] if start < len(text) else found


def normalised(passage: str) -> list[int]:
    """Its characters as the features see them, a blank at either end."""
    raw = [" "]
    for character in passage:
        bits = _bits(character)
        if not bits & (LETTER | DIGIT) and (character.isascii() or bits & (SPACE | SYMBOL)):
            if raw[-1] != " ":
                raw.append(" ")
            continue
        if ord(character) < len(characters.lower_case()):
            character = chr(characters.lower_case()[ord(character)])
        if raw[-2:] != [character, character]:
            raw.append(character)
    if raw[-1] != " ":
        raw.append(" ")
    apart: list[int] = []
    for character in raw:
        if "가" <= character <= "힣":
            apart += map(ord, unicodedata.normalize("NFD", character))
        elif "\u3131" <= character <= "\u318e":
            apart.append(ord(unicodedata.normalize("NFKC", character)))
        else:
            apart.append(ord(character))
    return apart


def _bucket(value: int) -> int:
    return ((value ^ (value >> 29)) * _MIX & _MASK) >> (64 - passages.BITS)


def _hash(codes: list[int], seed: int) -> int:
    for code in codes:
        seed = (seed ^ code) * _PRIME & _MASK
    return seed


def features(codes: list[int]) -> Iterator[int]:
    """The bucket of each n-gram, word and pair of words."""
    for n in range(passages.SHORTEST, passages.LONGEST + 1):
        for i in range(len(codes) - n + 1):
            yield _bucket(_hash(codes[i : i + n], _SEED))
    words: list[list[int]] = [[]]
    for code in codes:
        if code == 32:
            words.append([])
        else:
            words[-1].append(code)
    hashes = [_hash(word, _WORD) for word in words if word]
    yield from map(_bucket, hashes)
    for first, second in pairwise(hashes):
        yield _bucket(((first ^ (first >> 29)) * _MIX + second) & _MASK)


def logits(text: str, model: Weights) -> list[tuple[float, float]]:
    """For each passage Σ weight / √features of both classifiers."""
    found = []
    for passage in cut(text):
        buckets = list(features(normalised(passage)))
        sums = [sum(int(model.table[bucket, head]) for bucket in buckets) for head in range(2)]
        root = math.sqrt(max(len(buckets), 1))
        found.append((sums[0] / root, sums[1] / root))
    return found
