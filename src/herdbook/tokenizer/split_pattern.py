"""Where text is cut before BPE: Llama 3's split pattern, and a cutter that does not fail on long runs of spaces.

Pieces never cross a cut, so a merge never joins, for instance, a word and the full stop behind it.
Source of the pattern: Meta's `tokenizer.py` of the llama3 repository.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import regex  # type: ignore[import-untyped, unused-ignore]

LLAMA3_SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"  # English contractions, in any case
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"  # a word, with one character (usually a space) before it
    r"|\p{N}{1,3}"  # up to three digits
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"  # punctuation, with a space before and newlines after it
    r"|\s*[\r\n]+"  # blank space that ends in newlines
    r"|\s+(?!\S)"  # blank space, but for the last character of it
    r"|\s+"
)


@lru_cache(maxsize=8)
def compile_split(pattern: str) -> Any:
    """The compiled pattern of the `regex` library (Unicode classes such as \\p{L} are beyond the standard `re`)."""
    return regex.compile(pattern)


def split(text: str, pattern: str = LLAMA3_SPLIT_PATTERN) -> list[str]:
    """Cut `text` into the pieces that BPE treats one by one; joined together they are the text again."""
    return [match.group() for match in compile_split(pattern).finditer(text)]
