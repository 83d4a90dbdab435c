"""The further heuristics that the Llama 3 paper names (section 3.1.1) on signals: duplicated n-gram coverage of lines,
dirty words, divergence of the words from the corpus.

Their thresholds are not published; the values here are this project's, and off where they need something of the user's.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.judgement import Rule, share


@dataclass(frozen=True, kw_only=True)
class Config:
    """Thresholds."""

    max_line_coverage: float = 0.8
    """Largest share of a line's characters that n-grams of five words cover which occur twice in the document."""
    max_covered_lines: float = 0.5
    """Largest share of filled lines over that coverage; 1: the rule is off."""
    max_dirty_words: float = 0.02
    """Most entries of the word list for each word (nothing is counted where no list is given)."""
    max_kl_divergence: float = 0.0
    """Largest divergence of the words from the corpus in nats (0: the rule is off; `fit` finds it from a reference)."""


def covered_lines(table: Any, config: Config) -> list[npt.NDArray[np.bool_]]:
    """For each document, which of its lines (between line feeds) repeat themselves. `table` is one of signals."""
    column = table["line_coverage"].combine_chunks()
    over = column.values.to_numpy(zero_copy_only=False) > config.max_line_coverage
    bounds = column.offsets.to_numpy()
    return [over[a:b] for a, b in itertools.pairwise(bounds.tolist())]


def without_lines(text: str, dropped: npt.NDArray[np.bool_]) -> str:
    """The text without the lines that `covered_lines` marks."""
    return "\n".join(line for line, out in zip(text.split("\n"), [*dropped.tolist(), False]) if not out)


def rules(signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """The rules in the order in which they are judged. `n_covered_lines` comes from `count_covered_lines`."""
    found: list[Rule] = [
        ("llama3_dirty_words", share(signals["n_dirty_words"], signals["n_words"]) > config.max_dirty_words)
    ]
    if "n_covered_lines" in signals:
        covered = share(signals["n_covered_lines"], signals["n_filled_lines"])
        found.append(("llama3_repeated_lines", covered > config.max_covered_lines))
    if config.max_kl_divergence > 0 and "kl_divergence" in signals:
        found.append(("llama3_kl_divergence", signals["kl_divergence"] > config.max_kl_divergence))
    return found


def count_covered_lines(table: Any, config: Config) -> npt.NDArray[np.int64]:
    """How many lines of each document are over the coverage, int64 [N]."""
    return np.array([int(marks.sum()) for marks in covered_lines(table, config)], dtype=np.int64)
