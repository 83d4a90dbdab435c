"""A trained classifier of quality as a folder: `model.json`, and `fasttext.bin` or `head.safetensors`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation import embeddings
from herdbook.curation.quality import hashed_ngrams
from herdbook.curation.quality.calibration import Calibration
from herdbook.curation.quality.fasttext_classifier import FastText
from herdbook.curation.quality.linear_head import Embed, LinearHead
from herdbook.errors import ArtifactError
from herdbook.storage import atomic_write_json, read_json

F64 = npt.NDArray[np.float64]
SETTINGS, FASTTEXT, HEAD = "model.json", "fasttext.bin", "head.safetensors"
METHODS = ("reference", "judged")
HASHED = "hashed_ngrams"
EMBEDDERS = (HASHED, *embeddings.EMBEDDERS)
"""What the linear head can read: counts of hashed n-grams, which need no model, or an embedder of `embeddings`."""


def embed_by(name: str) -> Embed:
    """The function of an embedder of EMBEDDERS. Raises ConfigError with the remedy where it is not installed."""
    return hashed_ngrams.embed if name == HASHED else embeddings.embedder(name).embed


@dataclass(frozen=True)
class QualityModel:
    """Scores texts with calibrated probabilities of being good."""

    method: str
    """`reference` or `judged`: what good means; names the column of scores."""
    scorer: FastText | LinearHead
    calibration: Calibration
    cut: float
    """Probability whose F1 was best on texts for calibration: where the two classes part, not what to drop."""
    embedder: str = HASHED
    embed: Embed = hashed_ngrams.embed

    @property
    def column(self) -> str:
        """Name of the signal."""
        return f"quality_{self.method}"

    def raw_scores(self, texts: Sequence[str]) -> F64:
        """The scorer's own figures, before calibration [N]."""
        if isinstance(self.scorer, FastText):
            return self.scorer.scores(texts)
        return self.scorer.scores(texts, self.embed)

    def scores(self, texts: Sequence[str]) -> F64:
        """Calibrated probabilities [N]."""
        return self.calibration(self.raw_scores(texts))

    def save(self, folder: Path) -> None:
        """Writes the model into a folder."""
        name = FASTTEXT if isinstance(self.scorer, FastText) else HEAD
        self.scorer.save(folder / name)
        atomic_write_json(
            folder / SETTINGS,
            {
                "method": self.method, "scorer": name, "embedder": self.embedder, "cut": self.cut,
                "calibration": {"x": list(self.calibration.x), "y": list(self.calibration.y)},
            },
        )  # fmt: skip

    @classmethod
    def load(cls, folder: Path | str, embed: Embed | None = None) -> QualityModel:
        """Reads a folder. `embed` is needed where the model was trained on an embedder that is none of herdbook's.

        Raises ArtifactError where the folder holds no such model, ConfigError where its embedder is not installed.
        """
        folder = Path(folder)
        settings: Any = read_json(folder / SETTINGS)
        try:
            method, name, embedder = settings["method"], settings["scorer"], settings["embedder"]
            x, y = settings["calibration"]["x"], settings["calibration"]["y"]
            cut = float(settings["cut"])
            calibration = Calibration(tuple(map(float, x)), tuple(map(float, y)))
        except (KeyError, TypeError, ValueError):
            raise ArtifactError(f"{folder / SETTINGS} describes no model of quality.", key=str(folder)) from None
        if method not in METHODS or name not in (FASTTEXT, HEAD) or not x or len(x) != len(y):
            raise ArtifactError(f"{folder / SETTINGS} describes no model of quality.", key=str(folder))
        if name == FASTTEXT:
            return cls(method, FastText.load(folder / FASTTEXT), calibration, cut)
        if embed is None and embedder not in EMBEDDERS:
            raise ArtifactError(f"{folder} was trained on the embedder {embedder}, which was not given.", key="embed")
        return cls(method, LinearHead.load(folder / HEAD), calibration, cut, embedder, embed or embed_by(embedder))
