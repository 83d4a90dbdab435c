"""FineWeb's own rules (Penedo et al. 2024, section 3.5) on signals, with the published thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from herdbook.curation.heuristics.judgement import Rule, share


@dataclass(frozen=True, kw_only=True)
class Config:
    """Thresholds; the defaults are the published ones."""

    min_terminal_lines: float = 0.12
    """Smallest share of lines that end with the mark of a sentence."""
    max_short_lines: float = 0.67
    """Largest share of short lines."""
    max_duplicate_line_characters: float = 0.01
    """Largest share of characters in lines that occurred before."""
    max_newlines_per_word: float = 0.3
    """Most line feeds for each word."""


def rules(signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """The rules in the order in which they are judged."""
    lines = signals["n_filled_lines"]
    size = signals["n_characters"] - signals["n_newlines"]
    return [
        ("fineweb_empty", lines == 0),
        ("fineweb_few_terminal_lines", share(signals["n_terminal_lines"], lines) < config.min_terminal_lines),
        ("fineweb_short_lines", share(signals["n_short_lines"], lines) > config.max_short_lines),
        (
            "fineweb_duplicate_lines",
            share(signals["duplicate_filled_line_characters"], size) > config.max_duplicate_line_characters,
        ),
        ("fineweb_lists", share(signals["n_newlines"], signals["n_words"]) > config.max_newlines_per_word),
    ]
