"""Which blocks of a page are its text: a small network on what `blocks.features` sees, and how sure it is of the page.

Weights lie beside this file as JSON; `tools/train_extraction.py` made them and says from what. One hidden layer of tanh
units: a page of 200 blocks takes 0.1 ms.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from herdbook.curation.extract.blocks import FEATURES, Block

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """The network: mean and scale of the features [F], hidden layer [F, H] and [H], output [H] and a number."""

    mean: F32
    scale: F32
    hidden: F32
    hidden_bias: F32
    output: F32
    output_bias: float


@lru_cache(maxsize=1)
def weights() -> Weights:
    """The weights that come with the package."""
    stored = json.loads((files("herdbook.curation.extract") / "block_weights.json").read_text())
    assert tuple(stored["features"]) == FEATURES, "block_weights.json was made for other features"
    arrays = [np.array(stored[n], np.float32) for n in ("mean", "scale", "hidden", "hidden_bias", "output")]
    return Weights(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], float(stored["output_bias"]))


def text_probabilities(features_BF: F32, network: Weights) -> F32:
    """The probability of each block to be text [B]."""
    if not len(features_BF):
        return np.zeros(0, dtype=np.float32)
    hidden = np.tanh((features_BF - network.mean) / network.scale @ network.hidden + network.hidden_bias)
    logits = hidden @ network.output + network.output_bias
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float32)


def uncertainty(blocks: list[Block], probabilities: F32, threshold: float) -> float:
    """Expected characters on the wrong side, as a share of the characters that are kept (of each block at most 100, so
    that one long paragraph does not hide a doubtful menu). 1 and more where nothing is kept."""
    sizes = np.minimum(np.fromiter((len(block.text) for block in blocks), np.float64, count=len(blocks)), 100)
    kept = sizes[probabilities > threshold].sum()
    wrong = (sizes * np.minimum(probabilities, 1 - probabilities)).sum()
    return float(1 + wrong) if kept == 0 else float(wrong / kept)
