"""Gopher's repetition rules (Rae et al. 2021, table A1) on signals, with the published thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from herdbook.curation.heuristics.judgement import Rule, share


@dataclass(frozen=True, kw_only=True)
class Config:
    """Largest shares; characters as shares of the whole text. The defaults are the published ones."""

    max_duplicate_paragraphs: float = 0.3
    """Paragraphs that occurred before."""
    max_duplicate_paragraph_characters: float = 0.2
    """Characters in paragraphs that occurred before."""
    max_duplicate_lines: float = 0.3
    """Lines that occurred before."""
    max_duplicate_line_characters: float = 0.2
    """Characters in lines that occurred before."""
    max_top_ngrams: tuple[float, float, float] = (0.20, 0.18, 0.16)
    """Characters in the most frequent 2-, 3- and 4-gram."""
    max_duplicate_ngrams: tuple[float, float, float, float, float, float] = (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
    """Characters in repeated 5- to 10-grams."""
    min_words_for_ngrams: int = 0
    """Documents of fewer words are not asked for n-grams (published: 0, for another rule drops short documents)."""


def rules(signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """The rules in the order in which they are judged."""
    size = signals["n_characters"]

    def over(part: str, whole: Any, limit: float) -> Any:
        return share(signals[part], whole) > limit

    paragraphs, lines = signals["n_paragraphs"], signals["n_text_lines"]
    found = [
        ("repetition_empty", size == 0),
        (
            "repetition_duplicate_paragraphs",
            over("n_duplicate_paragraphs", paragraphs, config.max_duplicate_paragraphs),
        ),
        (
            "repetition_duplicate_paragraph_characters",
            over("duplicate_paragraph_characters", size, config.max_duplicate_paragraph_characters),
        ),
        ("repetition_duplicate_lines", over("n_duplicate_lines", lines, config.max_duplicate_lines)),
        (
            "repetition_duplicate_line_characters",
            over("duplicate_line_characters", size, config.max_duplicate_line_characters),
        ),
    ]
    long = signals["n_words"] >= config.min_words_for_ngrams
    for n, limit in enumerate(config.max_top_ngrams, 2):
        found.append((f"repetition_top_{n}_gram", long & over(f"top_{n}_gram_characters", size, limit)))
    for n, limit in enumerate(config.max_duplicate_ngrams, 5):
        found.append((f"repetition_duplicate_{n}_grams", long & over(f"duplicate_{n}_gram_characters", size, limit)))
    return found
