"""The two classifiers, adult text and toxicity: linear, on hashed n-grams, one table of small weights for both.

`weights.bin` (zlib, int8) and `weights.json` lie beside this file; `tools/train_nsfw.py` made them and says from what.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics import characters
from herdbook.curation.heuristics.words import Texts
from herdbook.curation.nsfw import passages

HEADS = ("nsfw", "toxic")
_PACKAGE = "herdbook.curation.nsfw"


@dataclass(frozen=True)
class Weights:
    """weights int8 [2**BITS, 2]; probability of head h = sigmoid(bias[h] + scale[h] · Σ weights / √features)."""

    table: npt.NDArray[np.int8]
    scale: tuple[float, float]
    bias: tuple[float, float]

    @cached_property
    def pairs(self) -> npt.NDArray[np.int16]:
        """256 times the second weight plus the first, int16 [2**BITS]: what `passages.score_passages` reads."""
        return self.table[:, 1].astype(np.int16) * 256 + self.table[:, 0]


@dataclass(frozen=True)
class Passages:
    """Passages of N texts: those of text i are rows bounds_N1[i] to bounds_N1[i + 1] of the other arrays."""

    start_P: npt.NDArray[np.int64]
    """First byte in the buffer of the texts."""
    probability_P2: npt.NDArray[np.float64]
    """By head, `HEADS`."""
    bounds_N1: npt.NDArray[np.int64]


@lru_cache(maxsize=1)
def weights() -> Weights:
    """The weights that come with the package."""
    about = json.loads((files(_PACKAGE) / "weights.json").read_text())
    assert about["bits"] == passages.BITS and tuple(about["ngrams"]) == (passages.SHORTEST, passages.LONGEST)
    table = np.frombuffer(zlib.decompress((files(_PACKAGE) / "weights.bin").read_bytes()), dtype=np.int8)
    scale, bias = ((float(about[key]["nsfw"]), float(about[key]["toxic"])) for key in ("scale", "bias"))
    return Weights(table.reshape(-1, 2), scale, bias)


def score(texts: Texts, model: Weights) -> Passages:
    """Cuts texts into passages and gives each its probabilities."""
    n_bytes = int(texts.offsets_N1[-1] - texts.offsets_N1[0])
    room = n_bytes // (passages.MIN_BYTES - 4) + len(texts) + 1
    starts, logits = np.empty(room, np.int64), np.empty((room, 2), np.float64)
    bounds = np.zeros(len(texts) + 1, np.int64)
    n = passages.score_passages(
        texts.data, texts.offsets_N1, characters.table(), characters.lower_case(), passages.single_letters(),
        model.pairs, starts, logits, bounds,
    )  # fmt: skip
    assert n >= 0, "a passage is never shorter than MIN_BYTES unless it is a text's last"
    return Passages(starts[:n], _sigmoid(logits[:n] * np.array(model.scale) + np.array(model.bias)), bounds)


def document_scores(found: Passages) -> npt.NDArray[np.float32]:
    """Scores of the texts [N, 2]: the mean probability of the highest quarter of their passages.

    One bad sentence in a long article is one passage of many and does not drop it; a text of which a quarter is bad
    goes, however long the rest."""
    result = np.zeros((len(found.bounds_N1) - 1, 2))
    for head in range(2):
        passages.mean_of_highest(np.ascontiguousarray(found.probability_P2[:, head]), found.bounds_N1, result[:, head])
    return result.astype(np.float32)


def _sigmoid(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float64)
