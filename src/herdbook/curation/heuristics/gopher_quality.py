"""Gopher's quality rules (Rae et al. 2021, table A1) on signals, with the published thresholds.

Words that are punctuation or symbols throughout count as words in ratios, and not in the number and mean length of
words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from herdbook.curation.heuristics.judgement import Rule, share


@dataclass(frozen=True, kw_only=True)
class Config:
    """Thresholds; the defaults are the published ones, for English."""

    min_words: int = 50
    """Fewest words."""
    max_words: int = 100_000
    """Most words."""
    min_mean_word_length: float = 3.0
    """Shortest mean length of words in characters."""
    max_mean_word_length: float = 10.0
    """Longest mean length of words in characters."""
    max_symbol_ratio: float = 0.1
    """Most hash signs, and most ellipses, for each word."""
    max_bullet_lines: float = 0.9
    """Largest share of lines that begin with a bullet."""
    max_ellipsis_lines: float = 0.3
    """Largest share of lines that end with an ellipsis."""
    min_alphabetic_words: float = 0.8
    """Smallest share of words with a letter."""
    min_stop_words: int = 2
    """Fewest different stop words."""


def rules(signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """The rules in the order in which they are judged."""
    n, content = signals["n_words"], signals["n_content_words"]
    mean = share(signals["content_characters"], content)
    lines = signals["n_lines"]
    return [
        ("gopher_too_few_words", content < config.min_words),
        ("gopher_too_many_words", content > config.max_words),
        ("gopher_short_words", mean < config.min_mean_word_length),
        ("gopher_long_words", mean > config.max_mean_word_length),
        ("gopher_hash_signs", share(signals["n_hash_signs"], n) > config.max_symbol_ratio),
        ("gopher_ellipses", share(signals["n_ellipses"], n) > config.max_symbol_ratio),
        ("gopher_bullet_lines", share(signals["n_bullet_lines"], lines) > config.max_bullet_lines),
        ("gopher_ellipsis_lines", share(signals["n_ellipsis_lines"], lines) > config.max_ellipsis_lines),
        ("gopher_few_alphabetic_words", share(signals["n_alphabetic_words"], n) < config.min_alphabetic_words),
        ("gopher_few_stop_words", signals["n_stop_words"] < config.min_stop_words),
    ]
