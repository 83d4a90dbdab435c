"""Thresholds for a language from reference text of that language (an encyclopaedia, say), not from English constants.

The idea is FineWeb2's (Penedo et al. 2025): what nearly all good text of a language does cannot be a sign of bad text.
A limit becomes the quantile beyond which `share` of the reference documents lie. Limits that do not depend on the
language (symbols, bullets, repeated lines) are loosened by that, never tightened; lengths of words, n-gram shares,
letters and line lengths follow the reference both ways. Stop words are the most frequent words of the reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from herdbook.curation.heuristics import fineweb, gopher_quality, gopher_repetition
from herdbook.curation.heuristics.judgement import share
from herdbook.curation.heuristics.words import HAS_LETTER, split_words, texts_of
from herdbook.errors import InputError


def stop_words(texts: Any, language: str, n: int = 8) -> tuple[str, ...]:
    """The n most frequent words (of letters, as written) of reference texts."""
    given = texts_of(texts)
    words = split_words(given, language)
    letters = np.flatnonzero(words.flags_T & HAS_LETTER)
    hashes, first, counts = np.unique(words.hash_T[letters], return_index=True, return_counts=True)
    best = np.lexsort((hashes, -counts))[: 4 * n]
    found: Counter[str] = Counter()
    for i in best.tolist():
        at = letters[first[i]]
        found[given.data[words.start_T[at] : words.end_T[at]].tobytes().decode("utf-8", "replace")] = int(counts[i])
    lower = [word for word, _ in found.most_common() if word == word.lower()]
    return tuple(lower[:n])


def _limits(values: Any, share_outside: float) -> tuple[float, float]:
    return float(np.quantile(values, share_outside)), float(np.quantile(values, 1 - share_outside))


def fit_gopher_quality(
    signals: Mapping[str, Any], share_outside: float = 0.01, published: gopher_quality.Config | None = None
) -> gopher_quality.Config:
    """Gopher's quality thresholds from the signals of reference documents. The least number of words stays."""
    base = published or gopher_quality.Config()
    _enough(signals)
    n = signals["n_words"]
    shortest, longest = _limits(share(signals["content_characters"], signals["n_content_words"]), share_outside / 2)
    alphabetic, _ = _limits(share(signals["n_alphabetic_words"], n), share_outside)
    stops, _ = _limits(signals["n_stop_words"], share_outside)
    symbols = max(_limits(share(signals[name], n), share_outside)[1] for name in ("n_hash_signs", "n_ellipses"))
    lines = signals["n_lines"]
    return gopher_quality.Config(
        min_words=base.min_words,
        max_words=base.max_words,
        min_mean_word_length=shortest,
        max_mean_word_length=longest,
        max_symbol_ratio=max(base.max_symbol_ratio, symbols),
        max_bullet_lines=max(base.max_bullet_lines, _limits(share(signals["n_bullet_lines"], lines), share_outside)[1]),
        max_ellipsis_lines=max(
            base.max_ellipsis_lines, _limits(share(signals["n_ellipsis_lines"], lines), share_outside)[1]
        ),
        min_alphabetic_words=alphabetic,
        min_stop_words=min(base.min_stop_words, int(stops)),
    )


def fit_gopher_repetition(
    signals: Mapping[str, Any], share_outside: float = 0.01, published: gopher_repetition.Config | None = None
) -> gopher_repetition.Config:
    """Gopher's repetition thresholds from the signals of reference documents."""
    base = published or gopher_repetition.Config()
    _enough(signals)
    size = signals["n_characters"]

    def largest(part: str, whole: Any) -> float:
        return _limits(share(signals[part], whole), share_outside)[1]

    paragraphs = largest("n_duplicate_paragraphs", signals["n_paragraphs"])
    paragraph_characters = largest("duplicate_paragraph_characters", size)
    line_characters = largest("duplicate_line_characters", size)
    top = [largest(f"top_{n}_gram_characters", size) for n in (2, 3, 4)]
    duplicate = [largest(f"duplicate_{n}_gram_characters", size) for n in (5, 6, 7, 8, 9, 10)]
    return gopher_repetition.Config(
        max_duplicate_paragraphs=max(base.max_duplicate_paragraphs, paragraphs),
        max_duplicate_paragraph_characters=max(base.max_duplicate_paragraph_characters, paragraph_characters),
        max_duplicate_lines=max(base.max_duplicate_lines, largest("n_duplicate_lines", signals["n_text_lines"])),
        max_duplicate_line_characters=max(base.max_duplicate_line_characters, line_characters),
        max_top_ngrams=(top[0], top[1], top[2]),
        max_duplicate_ngrams=(duplicate[0], duplicate[1], duplicate[2], duplicate[3], duplicate[4], duplicate[5]),
    )


def fit_fineweb(
    signals: Mapping[str, Any], share_outside: float = 0.01, published: fineweb.Config | None = None
) -> fineweb.Config:
    """FineWeb's thresholds from the signals of reference documents."""
    base = published or fineweb.Config()
    _enough(signals)
    lines, size = signals["n_filled_lines"], signals["n_characters"] - signals["n_newlines"]
    duplicate = _limits(share(signals["duplicate_filled_line_characters"], size), share_outside)[1]
    return fineweb.Config(
        min_terminal_lines=_limits(share(signals["n_terminal_lines"], lines), share_outside)[0],
        max_short_lines=_limits(share(signals["n_short_lines"], lines), share_outside)[1],
        max_duplicate_line_characters=max(base.max_duplicate_line_characters, duplicate),
        max_newlines_per_word=_limits(share(signals["n_newlines"], signals["n_words"]), share_outside)[1],
    )


def _enough(signals: Mapping[str, Sequence[Any]], least: int = 100) -> None:
    n = len(signals["n_words"])
    if n < least:
        raise InputError(
            f"thresholds cannot be fitted on {n} documents.",
            key="reference", value=n, remedy=f"Give at least {least} reference documents of the language.",
        )  # fmt: skip
