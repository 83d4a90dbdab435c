"""Which figure each rule judges, and where its threshold lies: what the report draws histograms of.

The rules themselves are in the steps. Here stands, for each rule that compares one figure with one threshold, how the
figure is computed from the ledger's columns; a test finds that both give the same verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from herdbook.curation.curate_stage import Config
from herdbook.curation.heuristics.judgement import share
from herdbook.curation.steps import heuristics

F64 = npt.NDArray[np.float64]
N_BINS = 40


class Judged(NamedTuple):
    """A rule's figure: `part` over `whole` (or `part` alone), columns of the ledger without the prefix of the step."""

    step: str
    reason: str
    title: str
    part: str
    whole: str | None
    threshold: float
    above: bool
    """Whether figures above the threshold break the rule; else those below it."""
    top: float
    """Right end of the histogram."""
    logarithmic: bool = False
    language: str = ""
    """Language whose documents have this threshold; empty: those of all that have none of their own."""

    @property
    def columns(self) -> list[str]:
        """Columns of the ledger that the figure is made of."""
        names = [self.part, self.whole] if self.whole else [self.part]
        return [part for name in names for part in _column(self.step, name).split("-")]

    def values(self, signals: Mapping[str, Any]) -> F64:
        """The figure of each document; NaN where it was not measured."""
        part = _number(signals, _column(self.step, self.part))
        if self.whole is None:
            return part
        whole = _number(signals, _column(self.step, self.whole))
        return np.where(np.isnan(part) | np.isnan(whole), np.nan, share(part, whole))  # type: ignore[arg-type]

    def beyond(self, values: F64) -> npt.NDArray[np.bool_]:
        """Which figures break the rule."""
        return values > self.threshold if self.above else values < self.threshold

    def edges(self) -> F64:
        """Edges of the histogram's bars; whatever lies outside counts into the first or the last."""
        if self.logarithmic:
            return np.concatenate([[0.5], np.logspace(0, np.log10(self.top), N_BINS)])
        step = self.top / N_BINS
        if self.threshold > 0:  # the threshold is an edge, so that no bar lies on both sides of it
            step = self.threshold / max(1, round(self.threshold / step))
        inner = step * np.arange(int(np.ceil(self.top / step - 1e-6)))
        return np.append(inner, self.top)


def _column(step: str, name: str) -> str:
    if name == "quality":
        return name
    return "-".join(f"{step}_{part}" for part in name.split("-"))


def _number(signals: Mapping[str, Any], name: str) -> F64:
    first, *others = (np.asarray(signals[part], dtype=np.float64) for part in name.split("-"))
    for other in others:
        first = first - other
    return first


def _top(threshold: float) -> float:
    return 1.0 if threshold >= 0.25 or threshold <= 0 else 4 * threshold


def own_languages(config: Config) -> Mapping[str, Any]:
    """Languages with thresholds of their own, for the heuristic rules."""
    return {} if "heuristics" in config.skip else heuristics.thresholds_of(config.heuristics)


def judged(config: Config, languages: Sequence[str] = ()) -> list[Judged]:
    """The rules with one figure and one threshold that a configuration turns on, in the order in which they judge;
    those of `languages` that have thresholds of their own follow the general ones.
    """
    found = []
    off = set(config.skip)
    if "language" not in off:
        found.append(Judged(
            "language", "no_language", "Score of the most probable language", "score", None,
            config.language.min_score, False, 1.0,
        ))  # fmt: skip
        if config.language.min_line_share > 0:
            found.append(Judged(
                "language", "mixed_languages", "Share of lines in the main language", "main_share", None,
                config.language.min_line_share, False, 1.0,
            ))  # fmt: skip
    if "heuristics" not in off:
        known = own_languages(config)
        found += _heuristics(config.heuristics, "")
        for code in languages:
            if code in known:
                found += _heuristics(heuristics.with_thresholds(config.heuristics, known[code]), code)
    if "nsfw" not in off:
        found.append(Judged(
            "nsfw", "nsfw_text", "Score for adult text", "score", None, config.nsfw.max_score, True, 1.0
        ))  # fmt: skip
        found.append(Judged(
            "nsfw", "toxic_text", "Score for toxic text", "toxic_score", None, config.nsfw.max_toxic_score, True, 1.0
        ))  # fmt: skip
    if "quality" not in off:
        found.append(Judged(
            "quality", "low_quality", "Probability of well formed text", "quality", None, config.quality.min_score,
            False, 1.0,
        ))  # fmt: skip
    return found


def _heuristics(settings: heuristics.Config, language: str) -> list[Judged]:
    found: list[Judged] = []

    def add(
        reason: str, title: str, part: str, whole: str | None, limit: float, above: bool = True, top: float = 0,
        logarithmic: bool = False,
    ) -> None:  # fmt: skip
        right = top or _top(limit)
        found.append(Judged("heuristics", reason, title, part, whole, limit, above, right, logarithmic, language))

    if "gopher_repetition" in settings.sets:
        r = settings.gopher_repetition
        size = "n_characters"
        add("repetition_duplicate_paragraphs", "Repeated paragraphs", "n_duplicate_paragraphs", "n_paragraphs",
            r.max_duplicate_paragraphs)  # fmt: skip
        add("repetition_duplicate_paragraph_characters", "Characters in repeated paragraphs",
            "duplicate_paragraph_characters", size, r.max_duplicate_paragraph_characters)  # fmt: skip
        add("repetition_duplicate_lines", "Repeated lines", "n_duplicate_lines", "n_text_lines", r.max_duplicate_lines)
        add("repetition_duplicate_line_characters", "Characters in repeated lines", "duplicate_line_characters", size,
            r.max_duplicate_line_characters)  # fmt: skip
        for n, limit in enumerate(r.max_top_ngrams, 2):
            add(f"repetition_top_{n}_gram", f"Characters in the top {n}-gram", f"top_{n}_gram_characters", size, limit)
        for n, limit in enumerate(r.max_duplicate_ngrams, 5):
            add(f"repetition_duplicate_{n}_grams", f"Characters in repeated {n}-grams",
                f"duplicate_{n}_gram_characters", size, limit)  # fmt: skip
    if "gopher_quality" in settings.sets:
        g = settings.gopher_quality
        add("gopher_too_few_words", "Words: fewest", "n_content_words", None, g.min_words, False, 1e6, True)
        add("gopher_too_many_words", "Words: most", "n_content_words", None, g.max_words, True, 1e6, True)
        mean = ("content_characters", "n_content_words")
        add("gopher_short_words", "Mean length of words: least", *mean, g.min_mean_word_length, False, 20)
        add("gopher_long_words", "Mean length of words: most", *mean, g.max_mean_word_length, True, 20)
        add("gopher_hash_signs", "Hash signs for each word", "n_hash_signs", "n_words", g.max_symbol_ratio)
        add("gopher_ellipses", "Ellipses for each word", "n_ellipses", "n_words", g.max_symbol_ratio)
        add("gopher_bullet_lines", "Lines with a bullet", "n_bullet_lines", "n_lines", g.max_bullet_lines)
        add("gopher_ellipsis_lines", "Lines ending in an ellipsis", "n_ellipsis_lines", "n_lines",
            g.max_ellipsis_lines)  # fmt: skip
        add("gopher_few_alphabetic_words", "Words with a letter", "n_alphabetic_words", "n_words",
            g.min_alphabetic_words, False, 1)  # fmt: skip
        add("gopher_few_stop_words", "Different stop words", "n_stop_words", None, g.min_stop_words, False, 10)
    if "c4" in settings.sets:
        add("c4_few_sentences", "Sentences", "n_sentences", None, settings.c4.min_sentences, False, 1e5, True)
    if "fineweb" in settings.sets:
        f = settings.fineweb
        add("fineweb_few_terminal_lines", "Lines that end a sentence", "n_terminal_lines", "n_filled_lines",
            f.min_terminal_lines, False, 1)  # fmt: skip
        add("fineweb_short_lines", "Short lines", "n_short_lines", "n_filled_lines", f.max_short_lines)
        add("fineweb_duplicate_lines", "Characters in lines seen before", "duplicate_filled_line_characters",
            "n_characters-n_newlines", f.max_duplicate_line_characters)  # fmt: skip
        add("fineweb_lists", "Line feeds for each word", "n_newlines", "n_words", f.max_newlines_per_word)
    if "llama3" in settings.sets:
        x = settings.llama3
        add("llama3_dirty_words", "Listed words", "n_dirty_words", "n_words", x.max_dirty_words)
        add("llama3_repeated_lines", "Lines that repeat themselves", "n_covered_lines", "n_filled_lines",
            x.max_covered_lines)  # fmt: skip
        if x.max_kl_divergence > 0:
            add("llama3_kl_divergence", "Divergence from the corpus", "kl_divergence", None, x.max_kl_divergence)
    return found
