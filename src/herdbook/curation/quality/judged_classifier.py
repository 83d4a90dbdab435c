"""Classifiers trained on a model's judgements (Llama Team 2024, section 3.1.1): fastText, and embedding + linear head.

Both are trained on the same texts, calibrated on others, measured on a third part; the better one on the calibration
part scores. What they are measured against there are the model's labels again; how good those are, `agreement` says,
and where known labels are given, the classifiers are measured on those too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.quality import fasttext_classifier, hashed_ngrams, linear_head
from herdbook.curation.quality.calibration import isotonic
from herdbook.curation.quality.evaluation import held_out_figures
from herdbook.curation.quality.linear_head import Embed
from herdbook.curation.quality.measures import auc, best_cut, f1
from herdbook.curation.quality.quality_model import HASHED, QualityModel
from herdbook.curation.quality.scored_text import part_of
from herdbook.errors import InputError

Bool = npt.NDArray[np.bool_]
MIN_EACH = 30
SCORERS = ("best", "fasttext", "linear")


def train(
    texts: Sequence[str],
    good: Bool,
    scorer: str,
    fasttext: fasttext_classifier.Config,
    linear: linear_head.Config,
    seed: int = 0,
    embed: Embed = hashed_ngrams.embed,
    embedder: str = HASHED,
) -> tuple[QualityModel, dict[str, Any]]:
    """The classifier that scores, and figures of each that was trained, on labelled texts that were held out.

    `scorer`: one of SCORERS. Raises InputError where a class has fewer than MIN_EACH texts.
    """
    for name, n in (("kept", int(good.sum())), ("dropped", int((~good).sum()))):
        if n < MIN_EACH:
            raise InputError(
                f"{n} labelled texts are {name}, too few to train on; {MIN_EACH} are needed.", key="labels", value=n,
                remedy="Label more documents, or a sample with more variety.",
            )  # fmt: skip
    parts = np.array([part_of(text) for text in texts])
    inside = {name: np.flatnonzero(parts == name) for name in ("train", "calibration", "test")}
    some = {name: [texts[i] for i in rows.tolist()] for name, rows in inside.items()}
    models: dict[str, QualityModel] = {}
    if scorer in ("best", "fasttext"):
        trained = fasttext_classifier.train(some["train"], good[inside["train"]], fasttext, seed)
        models["fasttext"] = QualityModel("judged", trained, isotonic(np.zeros(0), good[:0]), 0.5)
    if scorer in ("best", "linear"):
        head = linear_head.fit(embed(some["train"]), good[inside["train"]], linear)
        models["linear"] = QualityModel("judged", head, isotonic(np.zeros(0), good[:0]), 0.5, embedder, embed)
    known = good[inside["calibration"]]
    figures: dict[str, Any] = {}
    ranking: dict[str, float] = {}
    for name, model in models.items():
        raw = model.raw_scores(some["calibration"])
        ranking[name] = auc(raw[known], raw[~known]) or 0.0
        calibration = isotonic(raw, known)
        cut = best_cut(calibration(raw), known, f1) if len(known) else 0.5
        models[name] = replace(model, calibration=calibration, cut=cut)
        figures[name] = held_out_figures(models[name].scores(some["test"]), good[inside["test"]], cut)
    best = max(ranking, key=lambda name: ranking[name])
    counts = {name: len(rows) for name, rows in inside.items()}
    return models[best], {"scorer": best, "classifiers": figures, "texts": counts, "cut": models[best].cut}
