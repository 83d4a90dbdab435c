"""The quality rules of Gopher (Rae et al. 2021, table A1) for prose.

Words are what stands between white space. For scripts written without spaces (Chinese, Japanese, Thai, Lao, Khmer,
Burmese) rules that count words are left out; the stop-word rule holds for English only. Three thresholds are not
Gopher's, because docstrings are short and full of names: `min_words`, `max_mean_word_length`, `min_alphabetic_words`;
`gopher()` gives the published set.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from herdbook.curation.documents import Document
from herdbook.curation.verdict import Drop, Verdicts, above, below

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
WITHOUT_SPACES = frozenset(("zh", "ja", "th", "lo", "km", "my", "yue", "wuu"))
_BULLET = re.compile(r"^[ \t]*[-*•‣◦▪●]", re.MULTILINE)
_ELLIPSIS = re.compile(r"(?:\.\.\.|…)[ \t]*$", re.MULTILINE)
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Thresholds for prose; the published value stands in each text."""

    min_words: int = 12
    """Fewest words of a document (published: 50; the docstring of a class is often shorter)."""
    max_words: int = 100_000
    """Most words of a document (published: 100,000)."""
    min_mean_word_length: float = 3.0
    """Shortest mean length of words in characters (published: 3)."""
    max_mean_word_length: float = 12.0
    """Longest mean length of words in characters (published: 10; dotted names are long)."""
    max_symbol_ratio: float = 0.1
    """Most hash signs, and most ellipses, for each word (published: 0.1)."""
    max_bullet_lines: float = 0.9
    """Largest share of lines that begin with a bullet (published: 0.9)."""
    max_ellipsis_lines: float = 0.3
    """Largest share of lines that end with an ellipsis (published: 0.3)."""
    min_alphabetic_words: float = 0.6
    """Smallest share of words with a letter (published: 0.8; examples in documentation have many signs)."""
    min_stop_words: int = 2
    """Fewest different stop words of English among the, be, to, of, and, that, have, with (published: 2); where there
    are fewer than 50 words, which the published rules drop, one is enough."""


def gopher() -> Config:
    """The thresholds as published."""
    return Config(min_words=50, max_mean_word_length=10.0, min_alphabetic_words=0.8)


def judge_text(text: str, config: Config, language: str | None = "en") -> Drop | None:
    """The first rule that the text breaks, or None."""
    lines = [line for line in text.split("\n") if line.strip()]
    n_lines = max(1, len(lines))
    bullets = len(_BULLET.findall(text)) / n_lines
    ellipses = len(_ELLIPSIS.findall(text)) / n_lines
    drop = above(bullets, config.max_bullet_lines, "bullet_lines") or above(
        ellipses, config.max_ellipsis_lines, "ellipsis_lines"
    )
    if drop or language in WITHOUT_SPACES:
        return drop
    words = text.split()
    n = len(words)
    if n < config.min_words:
        return Drop("too_few_words", f"{n} < {config.min_words}", (0, len(text)))
    if n > config.max_words:
        return Drop("too_many_words", f"{n} > {config.max_words}")
    mean = sum(map(len, words)) / n
    hashes = text.count("#") / n
    dots = (text.count("...") + text.count("…")) / n
    drop = (
        below(mean, config.min_mean_word_length, "short_words")
        or above(mean, config.max_mean_word_length, "long_words")
        or above(hashes, config.max_symbol_ratio, "hash_signs", _first(text, "#"))
        or above(dots, config.max_symbol_ratio, "ellipses", _first(text, "...") or _first(text, "…"))
        or below(sum(map(bool, map(_LETTER.search, words))) / n, config.min_alphabetic_words, "few_alphabetic_words")
    )
    if drop is None and language in ("en", None):
        present = len(STOP_WORDS.intersection(text.lower().split()))
        least = config.min_stop_words if n >= 50 else min(1, config.min_stop_words)
        drop = below(present, least, "few_stop_words")
    return drop


def _first(text: str, what: str) -> tuple[int, int] | None:
    at = text.find(what)
    return (at, at + len(what)) if at >= 0 else None


def judge(documents: Sequence[Document], config: Config) -> Verdicts:
    """Verdicts on prose; code and statements are not judged."""
    return [judge_text(d.text, config, d.language) if d.kind == "prose" else None for d in documents]
