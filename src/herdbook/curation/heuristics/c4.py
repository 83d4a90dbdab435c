"""C4's rules for documents (Raffel et al. 2020, section 2.2) on signals. Its rules for lines are in `c4_lines.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from herdbook.curation.heuristics.judgement import Rule


@dataclass(frozen=True, kw_only=True)
class Config:
    """Thresholds; the defaults are the published ones."""

    min_sentences: int = 5
    """Fewest sentences in the lines that stay."""
    lorem_ipsum: bool = True
    """Whether placeholder text drops a document."""
    curly_brackets: bool = True
    """Whether a curly bracket drops a document."""
    max_dirty_words: int = -1
    """Most entries of the word list (published: 0; -1: the rule is off, for no list comes with the package)."""


def rules(signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """The rules in the order in which they are judged."""
    found: list[Rule] = []
    if config.lorem_ipsum:
        found.append(("c4_lorem_ipsum", signals["n_lorem_ipsum_lines"] > 0))
    if config.curly_brackets:
        found.append(("c4_curly_bracket", signals["n_curly_bracket_lines"] > 0))
    if config.max_dirty_words >= 0:
        found.append(("c4_dirty_words", signals["n_dirty_words"] > config.max_dirty_words))
    found.append(("c4_few_sentences", signals["n_sentences"] < config.min_sentences))
    return found
