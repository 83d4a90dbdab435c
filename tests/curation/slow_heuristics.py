"""The figures of `repetition.py`, `lines.py`, `document_words.py` and `c4_lines.py` in plain loops over strings: the
twin that tests compare the kernels with.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import regex

from herdbook.curation.heuristics.c4_lines import CITATION
from herdbook.curation.heuristics.document_words import STOP_WORDS

_TERMINAL = regex.compile(r"[\p{Sentence_Terminal}.｡]")
_LETTER = regex.compile(r"[\p{L}\U00020000-\U0010ffff]")
_SYMBOLS = regex.compile(r"[\p{P}\p{S}\p{Cc}]+")


def _duplicates(parts: list[str]) -> tuple[int, int]:
    """(parts that occurred before, their characters)."""
    seen: set[str] = set()
    n = characters = 0
    for part in parts:
        if part in seen:
            n += 1
            characters += len(part)
        seen.add(part)
    return n, characters


def line_figures(text: str) -> dict[str, int]:
    """What `lines.line_figures` returns, of one text."""
    lines = text.splitlines()
    text_lines = re.split("\n+", text)
    paragraphs = re.split(r"\n{2,}", text.strip())
    filled = [line for line in text.split("\n") if line.strip()]
    duplicate_lines = _duplicates(text_lines)
    duplicate_paragraphs = _duplicates(paragraphs)
    return {
        "n_characters": len(text),
        "n_hash_signs": text.count("#"),
        "n_ellipses": text.count("...") + text.count("…"),
        "n_lines": len(lines),
        "n_bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in lines),
        "n_ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines),
        "n_newlines": text.count("\n"),
        "n_text_lines": len(text_lines),
        "n_duplicate_lines": duplicate_lines[0],
        "duplicate_line_characters": duplicate_lines[1],
        "n_paragraphs": len(paragraphs),
        "n_duplicate_paragraphs": duplicate_paragraphs[0],
        "duplicate_paragraph_characters": duplicate_paragraphs[1],
        "n_filled_lines": len(filled),
        "n_terminal_lines": sum(_TERMINAL.match(line[-1]) is not None for line in filled),
        "n_short_lines": sum(len(line) <= 30 for line in filled),
        "duplicate_filled_line_characters": _duplicates(filled)[1],
    }


def word_figures(words: list[str]) -> dict[str, int]:
    """What `document_words.word_figures` returns, of one text's words."""
    content = [word for word in words if not _SYMBOLS.fullmatch(word)]
    return {
        "n_words": len(words),
        "n_content_words": len(content),
        "content_characters": sum(map(len, content)),
        "n_alphabetic_words": sum(_LETTER.search(word) is not None for word in words),
        "n_stop_words": len(set(STOP_WORDS) & set(words)),
    }


def repetition(words: list[str]) -> dict[str, int]:
    """What `repetition.repetition` returns, of one text's words, under the names of the columns of signals."""
    figures: dict[str, int] = {"n_distinct_words": len(set(words))}
    for n in (2, 3, 4):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        top = Counter(grams).most_common(1)
        figures[f"top_{n}_gram_characters"] = len(" ".join(top[0][0])) * top[0][1] if top else 0
    for n in (5, 6, 7, 8, 9, 10):
        seen: set[tuple[str, ...]] = set()
        i = characters = 0
        while i <= len(words) - n:
            gram = tuple(words[i : i + n])
            if gram in seen:
                characters += len("".join(gram))
                i += n
            else:
                seen.add(gram)
                i += 1
        figures[f"duplicate_{n}_gram_characters"] = characters
    return figures


def line_states(text: str) -> list[str]:
    """The names of the states that C4 gives the lines of a text."""
    states = []
    policies = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
    for line in text.splitlines():
        line = line.strip()
        words = line.split()
        cleaned = CITATION.sub("", line)
        lowered = line.lower()
        if any(len(word) > 1000 for word in words):
            states.append("too_long_word")
        elif not cleaned.endswith((".", "?", "!", '"', "'")) or cleaned.endswith("..."):
            states.append("no_end_mark")
        elif len(words) < 3:
            states.append("few_words")
        elif "lorem ipsum" in lowered:
            states.append("lorem_ipsum")
        elif "javascript" in lowered:
            states.append("javascript")
        elif "{" in line:
            states.append("curly_bracket")
        elif any(policy in lowered for policy in policies):
            states.append("policy")
        else:
            states.append("kept")
    return states


def figures(text: str, words: list[str]) -> dict[str, Any]:
    """All of the above but the states of lines."""
    return {**line_figures(text), **word_figures(words), **repetition(words)}
