"""The heuristic rules (`curation/heuristics`) as a step: signals of every document, rules for prose alone.

Documents with much mathematics are not asked what `maths.EXEMPT` names, where that step was measured. C4's removal of
lines can mend the texts; the other rules then judge what it leaves.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.heuristics import c4_lines, signals
from herdbook.curation.heuristics.distribution import WordDistribution
from herdbook.curation.heuristics.judgement import Rule
from herdbook.curation.heuristics.languages import Thresholds, members, shipped
from herdbook.curation.heuristics.llama3 import count_covered_lines
from herdbook.curation.heuristics.rules import Config as RulesConfig
from herdbook.curation.heuristics.rules import rules_of_arrays
from herdbook.curation.heuristics.signal_table import Config as SignalsConfig
from herdbook.curation.heuristics.word_list import word_list
from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.steps import maths
from herdbook.curation.steps.rows import is_one_of, with_texts

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = "heuristics_"

MEASURED_BY = ("signals", "remove_lines", "dirty_words", "sets", "llama3", "shipped_languages", "languages")
"""Settings that `mend` and `measure` read; the others are thresholds."""


@dataclass(frozen=True, kw_only=True)
class Config(RulesConfig):
    """Which sets judge, and their thresholds."""

    remove_lines: bool = False
    """Whether lines that C4 would not keep are cut from prose before everything else."""
    shipped_languages: bool = True
    """Whether languages other than English are judged by the thresholds that come with the package (about 60)."""
    languages: dict[str, Thresholds] = field(default_factory=dict)
    """Thresholds of your own by language code; `herd curate fit` writes them from reference text."""
    maths: maths.Config = field(default_factory=maths.Config)
    """From which share of formulas on rules of prose do not hold."""


def thresholds_of(config: Config) -> dict[str, Thresholds]:
    """The thresholds of single languages: the user's, and those that come with the package."""
    return {**(shipped() if config.shipped_languages else {}), **config.languages}


def _languages(table: pa.Table) -> list[str | None]:
    return [code if code != "und" else None for code in table["language"].to_pylist()]


def mend(table: pa.Table, config: Config | None = None) -> tuple[pa.Table, dict[str, int]]:
    """The table without the lines of prose that C4 does not keep, if `remove_lines`; `lines_removed` counts them."""
    import pyarrow as pa

    config = config or Config()
    rows = is_one_of(table["kind"], ["prose"])
    if not config.remove_lines or not rows.any():
        return table, {"lines_removed": 0}
    prose = table.filter(pa.array(rows))
    lines = c4_lines.judge_lines(texts_of(prose["text"]), config.signals.c4_lines)
    # What drops the whole document stays in it, for the rule to see.
    whole = (lines.state_L == c4_lines.LOREM_IPSUM) | (lines.state_L == c4_lines.CURLY_BRACKET)
    states = np.where(whole, c4_lines.KEPT, lines.state_L)
    bounds = itertools.pairwise(lines.bounds_N1.tolist())
    kept = [c4_lines.kept_text(text or "", states[a:b]) for text, (a, b) in zip(prose["text"].to_pylist(), bounds)]
    done = with_texts(table, rows, [text + "\n" if text else "" for text in kept])
    return done, {"lines_removed": int((states != c4_lines.KEPT).sum())}


def measure(table: pa.Table, config: Config | None = None, *, corpus: WordDistribution | None = None) -> pa.Table:
    """Every column of `heuristics.signals` with the prefix `heuristics_`, lists too, and, where the set `llama3`
    judges, `heuristics_n_covered_lines`.
    """
    import pyarrow as pa

    config = config or Config()
    dirty = word_list(config.dirty_words) if config.dirty_words else None
    stops = {code: own.stop_words for code, own in thresholds_of(config).items()}
    found = signals(table["text"], _languages(table), config.signals, corpus=corpus, dirty=dirty, stop_words=stops)
    if "llama3" in config.sets:
        found = found.append_column("n_covered_lines", pa.array(count_covered_lines(found, config.llama3)))
    return found.rename_columns([PREFIX + name for name in found.column_names])


def rules(signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """The rules of the chosen sets in order, on prose. Needs the column `kind`, and uses `language` and
    `maths_share` if they are there."""
    arrays = {name.removeprefix(PREFIX): signals[name] for name in signals if name.startswith(PREFIX)}
    found = _by_language(arrays, signals.get("language", [None] * len(signals["kind"])), config)
    if "maths_share" in signals:
        found = maths.without_exempt(found, signals, config.maths)
    prose = np.asarray(signals["kind"]) == "prose"
    return [(reason, np.asarray(mask, dtype=bool) & prose) for reason, mask in found]


def _by_language(arrays: Mapping[str, Any], languages: Any, config: Config) -> list[Rule]:
    """The rules with each document judged by the thresholds of its language."""
    known = thresholds_of(config)
    found: dict[str, Any] = {}
    for code, mine in members(languages, known).items():
        if code and not mine.any():
            continue
        own = config if not code else with_thresholds(config, known[code])
        for reason, mask in rules_of_arrays(arrays, own):
            broken = np.asarray(mask, dtype=bool) & mine
            found[reason] = found[reason] | broken if reason in found else broken
    return list(found.items())


def with_thresholds(config: Config, own: Thresholds) -> Config:
    """The configuration with the thresholds of one language."""
    return dataclasses.replace(
        config,
        gopher_quality=own.gopher_quality,
        gopher_repetition=own.gopher_repetition,
        c4=own.c4,
        fineweb=own.fineweb,
    )


__all__ = ["Config", "SignalsConfig", "measure", "mend", "rules"]
