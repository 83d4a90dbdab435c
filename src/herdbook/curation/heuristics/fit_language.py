"""All thresholds of a language from reference text of it, to be written into a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from herdbook.curation.heuristics import c4, fineweb, fit, gopher_quality, gopher_repetition
from herdbook.curation.heuristics.languages import Thresholds
from herdbook.curation.heuristics.signal_table import Config, as_arrays, signals

RELATED = ("min_mean_word_length", "max_mean_word_length", "min_alphabetic_words")
"""Thresholds of Gopher's quality rules that follow the language both ways."""


def loosened(fitted: Any, published: Any) -> Any:
    """Of each threshold the milder one."""
    values = {}
    for field in dataclasses.fields(published):
        new, old = getattr(fitted, field.name), getattr(published, field.name)
        if isinstance(old, tuple):
            values[field.name] = tuple(map(max, new, old))
        else:
            values[field.name] = max(new, old) if field.name.startswith("max_") else min(new, old)
    return dataclasses.replace(published, **values)


def fit_language(texts: Sequence[str], code: str, english: gopher_quality.Config | None = None) -> Thresholds:
    """Thresholds of the language `code` from at least 100 reference texts.

    `english`: Gopher's quality rules as fitted on the same texts in English; lengths of words and the share of words
    with letters are then as far from the reference as the published values are from it. Without it they are what all
    but one in a hundred reference texts keep to, and a fifth beyond. Everything else is at least as mild as published.
    Raises InputError for fewer texts.
    """
    words = fit.stop_words(texts, code)
    arrays = as_arrays(signals(texts, code, Config(stop_words=words)))
    published, fitted = gopher_quality.Config(), fit.fit_gopher_quality(arrays)
    related = {}
    for name in RELATED:
        beyond = 1.2 if name.startswith("max_") else 0.8
        factor = beyond if english is None else getattr(published, name) / getattr(english, name)
        related[name] = getattr(fitted, name) * factor
    fewest = int(np.quantile(arrays["n_sentences"], 0.01))
    return Thresholds(
        stop_words=words,
        gopher_quality=dataclasses.replace(loosened(fitted, published), **related),
        gopher_repetition=loosened(fit.fit_gopher_repetition(arrays), gopher_repetition.Config()),
        c4=c4.Config(min_sentences=min(c4.Config().min_sentences, fewest)),
        fineweb=loosened(fit.fit_fineweb(arrays), fineweb.Config()),
    )


def rounded(value: Any) -> Any:
    """Numbers with three digits, in nested lists and tables."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return round(value, 3) if isinstance(value, float) else value


def as_toml(code: str, table: dict[str, Any], stage: str = "curate") -> str:
    """The thresholds as tables of a recipe."""
    import json

    lines = [f"[stages.{stage}.heuristics.languages.{code}]"]
    lines += [f"{key} = {json.dumps(v, ensure_ascii=False)}" for key, v in table.items() if not isinstance(v, dict)]
    for name, values in table.items():
        if isinstance(values, dict):
            lines += ["", f"[stages.{stage}.heuristics.languages.{code}.{name}]"]
            lines += [f"{key} = {json.dumps(v, ensure_ascii=False)}" for key, v in values.items()]
    return "\n".join(lines) + "\n"
