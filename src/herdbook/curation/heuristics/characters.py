"""What each code point is, as one table of bits that every kernel looks up. Made once per process, in some 0.2 s.

Bits come from Unicode properties (as the `regex` package knows them). Code points from 0x20000 on count as letters of
scripts written without spaces (CJK extensions).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

SIZE = 0x20000
SPACE = 1
"""White space, as `str.split` has it."""
LETTER = 2
LOWER = 4
UPPER = 8
"""Letters of scripts without case count as both."""
DIGIT = 16
"""0 to 9."""
AFFIX = 32
"""Punctuation that is a word of its own at the beginning or the end of a run of characters."""
CURRENCY = 64
ICON = 128
"""Other symbols: arrows, dingbats, emoji."""
QUOTE = 256
SYMBOL = 512
"""Punctuation, symbols and control characters: a word of nothing else has no content."""
PUNCTUATION = 1024
TERMINAL = 2048
"""Ends a sentence in some script."""
UNSPACED = 4096
"""Letters of scripts written without spaces between words: Han, kana, Thai, Lao, Khmer, Burmese."""
LINE_END = 8192
"""Where `str.splitlines` cuts."""
PREFIX = 16384
"""Is a word of its own at the beginning only."""
HYPHEN = 32768

_NOT_AFFIX = "./\\@%-‐‑•†‡"
_PATTERNS = (
    (LETTER, r"\p{L}+"),
    (LOWER, r"[\p{Ll}\p{Lo}\p{Lm}]+"),
    (UPPER, r"[\p{Lu}\p{Lt}\p{Lo}]+"),
    (DIGIT, r"[0-9]+"),
    (CURRENCY, r"\p{Sc}+"),
    (ICON, r"\p{So}+"),
    (QUOTE, r"['\"`´‘’‚‛“”„‟«»「」『』]+"),
    (SYMBOL, r"[\p{P}\p{S}\p{Cc}]+"),
    (PUNCTUATION, r"\p{P}+"),
    (TERMINAL, r"[\p{Sentence_Terminal}.｡]+"),
    (UNSPACED, r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"),
    (LINE_END, r"[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]+"),
    (PREFIX, r"[§%=]+"),
    (HYPHEN, r"[-–—~]+"),
)
"""Bits and the characters that have them."""


@lru_cache(maxsize=1)
def table() -> npt.NDArray[np.uint16]:
    """Bits of each code point under SIZE, uint16 [SIZE]."""
    import regex

    every = "".join(map(chr, (*range(0xD800), *range(0xE000, SIZE))))
    bits = np.zeros(SIZE, dtype=np.uint16)

    def place(at: int) -> int:
        return at if at < 0xD800 else at + 0x800

    for bit, pattern in _PATTERNS:
        for found in regex.finditer(pattern, every):
            bits[place(found.start()) : place(found.end() - 1) + 1] |= np.uint16(bit)
    for character in filter(str.isspace, every):
        bits[ord(character)] |= np.uint16(SPACE)
    affix = (bits & PUNCTUATION).astype(bool)
    affix[[ord(c) for c in _NOT_AFFIX]] = False
    affix[[ord(c) for c in "<>`´"]] = True
    bits[affix] |= np.uint16(AFFIX)
    bits.flags.writeable = False
    return bits


@lru_cache(maxsize=1)
def lower_case() -> npt.NDArray[np.int32]:
    """Lower case of each code point under 0x2000 (Latin, Greek, Cyrillic, …), int32; itself where it has none."""
    folded = np.arange(0x2000, dtype=np.int32)
    for code in range(0x2000):
        lowered = chr(code).lower()
        if len(lowered) == 1 and ord(lowered) < 0x2000:
            folded[code] = ord(lowered)
    folded.flags.writeable = False
    return folded
