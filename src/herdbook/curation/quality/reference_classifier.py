"""fastText on "would Wikipedia reference this text?" (Touvron et al. 2023, 2.1; Llama Team 2024, 3.1.1).

Positives are texts of the user's choice: pages that Wikipedia references, or articles of Wikipedia itself. Negatives
are documents of the corpus as they come; good ones among them are taken for bad ones, so scores are low on the whole
and their order is what counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.quality import fasttext_classifier
from herdbook.curation.quality.calibration import isotonic
from herdbook.curation.quality.evaluation import held_out_figures
from herdbook.curation.quality.measures import best_cut, f1
from herdbook.curation.quality.quality_model import QualityModel
from herdbook.curation.quality.scored_text import part_of
from herdbook.errors import InputError

MIN_EACH = 50
"""Positives, and negatives, that are needed at least."""


def train(
    positives: Sequence[str], negatives: Sequence[str], config: fasttext_classifier.Config, seed: int = 0
) -> tuple[QualityModel, dict[str, Any]]:
    """The classifier, calibrated, and its figures on texts that were held out.

    A text on both sides is a positive. Raises InputError where there are fewer than MIN_EACH of a kind.
    """
    known = set(positives)
    texts = [*positives, *(text for text in negatives if text not in known)]
    good = np.zeros(len(texts), dtype=bool)
    good[: len(positives)] = True
    for name, n in (("positives", int(good.sum())), ("documents", int((~good).sum()))):
        if n < MIN_EACH:
            raise InputError(f"{n} {name} are too few to train on; {MIN_EACH} are needed.", key=name, value=n)
    parts = np.array([part_of(text) for text in texts])
    inside = np.flatnonzero(parts == "train")
    scorer = fasttext_classifier.train([texts[i] for i in inside], good[inside], config, seed)
    return finish("reference", scorer, texts, good, parts)


def finish(
    method: str, scorer: fasttext_classifier.FastText, texts: Sequence[str], good: npt.NDArray[np.bool_],
    parts: npt.NDArray[np.str_],
) -> tuple[QualityModel, dict[str, Any]]:  # fmt: skip
    """Calibrates a trained scorer on its part of the texts and measures it on the test part."""
    rows = {name: np.flatnonzero(parts == name) for name in ("calibration", "test")}
    raw = {name: scorer.scores([texts[i] for i in which.tolist()]) for name, which in rows.items()}
    fitted = good[rows["calibration"]]
    calibration = isotonic(raw["calibration"], fitted)
    calibrated = calibration(raw["calibration"])
    cut = best_cut(calibrated, fitted, f1) if len(fitted) else 0.5
    figures = held_out_figures(calibration(raw["test"]), good[rows["test"]], cut)
    counts = {name: int((parts == name).sum()) for name in ("train", "calibration", "test")}
    return QualityModel(method, scorer, calibration, cut), {**figures, "texts": counts, "cut": cut}
