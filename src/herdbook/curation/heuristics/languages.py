"""Thresholds by language: those that come with the package, fitted on reference text by `fit.py`, or the user's own.

What Gopher and FineWeb published was chosen for English. Where a language has thresholds of its own, its documents are
judged by them; English keeps the published ones, and a language that nobody fitted is not asked for English stop words.
The file is written by tools/fit_languages.py, which says from which texts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from herdbook.config import from_mapping
from herdbook.curation.heuristics import c4, fineweb, gopher_quality, gopher_repetition
from herdbook.storage import read_json

FILE = Path(__file__).with_name("language_thresholds.json")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """How documents of one language are judged; the sets that are not here are the same for all."""

    stop_words: tuple[str, ...] = ()
    """Words of which different ones are counted."""
    gopher_quality: gopher_quality.Config = field(default_factory=gopher_quality.Config)
    """Gopher's quality rules."""
    gopher_repetition: gopher_repetition.Config = field(default_factory=gopher_repetition.Config)
    """Gopher's repetition rules."""
    c4: c4.Config = field(default_factory=c4.Config)
    """C4's rules for documents."""
    fineweb: fineweb.Config = field(default_factory=fineweb.Config)
    """FineWeb's own rules."""


@functools.lru_cache(maxsize=1)
def shipped() -> Mapping[str, Thresholds]:
    """The thresholds that come with the package, by language code of lid.176."""
    rows: dict[str, Any] = read_json(FILE)["languages"]
    return {code: from_mapping(Thresholds, row, f"languages.{code}") for code, row in rows.items()}


def members(languages: Any, known: Mapping[str, Thresholds]) -> dict[str, Any]:
    """Language -> the documents in it, bool [N], for the languages of `known` that occur; "" are all others."""
    codes = np.asarray(languages, dtype=object)
    found = {}
    rest = np.ones(len(codes), dtype=bool)
    for code in sorted({str(c) for c in codes if c} & known.keys()):
        mine = codes == code
        found[code] = mine
        rest &= ~mine
    return {"": rest, **found}
