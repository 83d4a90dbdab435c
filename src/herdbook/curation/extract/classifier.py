"""Which blocks of a page are its text: a small network on what `features.py` sees, and how sure it is of the page.

Words of elements have learnt vectors, summed over the elements around a block. A first layer sees each block alone; a
second sees what the first made of the block, its neighbours at one and two steps, the eleven blocks around it and the
whole page. Weights lie beside this file as JSON; `tools/train_extraction.py` made them and says from what.
Shape letters: B blocks of a page, F features, V words (row 0 stands for a word left out while learning), A and N sizes
of the vectors for all words and for near ones, H hidden units, P units passed on to neighbours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.extract.blocks import Block
from herdbook.curation.extract.features import FEATURES, Seen

F32 = npt.NDArray[np.float32]
STEPS = (-2, -1, 1, 2)
AROUND = 5
_ARRAYS = (
    "mean", "scale", "all_words", "near_words", "first", "first_bias", "passed", "passed_bias", "second",
    "second_bias", "output",
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """The network: number of each word, the words; mean and scale of the features [F]; vectors of words [V, A] and
    [V, N]; layers [F + A + N, H], [H, P], [H + 6 P, H], [H] with their biases."""

    words: dict[str, int]
    vocabulary: frozenset[str]
    mean: F32
    scale: F32
    all_words: F32
    near_words: F32
    first: F32
    first_bias: F32
    passed: F32
    passed_bias: F32
    second: F32
    second_bias: F32
    output: F32
    output_bias: float


def weights_from(stored: dict[str, Any]) -> Weights:
    """Weights as the file has them."""
    assert tuple(stored["features"]) == FEATURES, "block_weights.json was made for other features"
    words = {word: number for number, word in enumerate(stored["words"], 1)}
    arrays = {name: np.array(stored[name], np.float32) for name in _ARRAYS}
    return Weights(words=words, vocabulary=frozenset(words), output_bias=float(stored["output_bias"]), **arrays)


@lru_cache(maxsize=1)
def weights() -> Weights:
    """The weights that come with the package."""
    return weights_from(json.loads((files("herdbook.curation.extract") / "block_weights.json").read_text()))


def _sums(sets: list[frozenset[str]], numbers: dict[str, int], vectors: F32) -> F32:
    """For each set the sum of the vectors of its known words [B, A]; a set that stands there twice is summed once."""
    known: dict[int, int] = {}
    flat: list[int] = []
    starts: list[int] = []
    nothing = len(vectors)
    which = np.empty(len(sets), dtype=np.int64)
    for i, words in enumerate(sets):
        place = known.get(id(words))
        if place is None:
            place = known[id(words)] = len(starts)
            starts.append(len(flat))
            flat.append(nothing)
            flat += [number for number in map(numbers.get, words) if number is not None]
        which[i] = place
    with_nothing = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), dtype=np.float32)])
    return np.asarray(np.add.reduceat(with_nothing[flat], starts, axis=0)[which], dtype=np.float32)


def text_probabilities(seen: Seen, network: Weights) -> F32:
    """The probability of each block to be text [B]."""
    n = len(seen.columns)
    if n == 0:
        return np.zeros(0, dtype=np.float32)
    x = (seen.columns - network.mean) / network.scale
    all_words = _sums(seen.all_words, network.words, network.all_words)
    near = _sums(seen.near_words, network.words, network.near_words)
    h_BH = np.tanh(np.concatenate([x, all_words, near], axis=1) @ network.first + network.first_bias)
    p_BP = np.tanh(h_BH @ network.passed + network.passed_bias)
    columns = [h_BH]
    for step in STEPS:
        moved = np.zeros_like(p_BP)
        if step < 0:
            moved[-step:] = p_BP[:step]
        else:
            moved[:-step] = p_BP[step:]
        columns.append(moved)
    columns.append(np.broadcast_to(p_BP.mean(axis=0), p_BP.shape))
    sums = np.concatenate([np.zeros((1, p_BP.shape[1])), np.cumsum(p_BP, axis=0, dtype=np.float64)])
    places = np.arange(n)
    window = sums[np.minimum(places + AROUND + 1, n)] - sums[np.maximum(places - AROUND, 0)]
    columns.append((window / (2 * AROUND + 1)).astype(np.float32))
    h_BH = np.tanh(np.concatenate(columns, axis=1) @ network.second + network.second_bias)
    logits = h_BH @ network.output + network.output_bias
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float32)


def chosen(probabilities: F32, threshold: float) -> npt.NDArray[np.bool_]:
    """Which blocks are text [B]: those over the threshold or, if that is less, over 0.6 of the greatest probability."""
    if not len(probabilities):
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(probabilities > min(threshold, 0.6 * float(probabilities.max())))


def uncertainty(blocks: list[Block], probabilities: F32, threshold: float) -> float:
    """1 - the F1 that the probabilities promise for the chosen blocks, between 0 and 1; characters count, of each block
    at most 100, so that one long paragraph does not hide a doubtful menu."""
    sizes = np.minimum(np.fromiter((len(block.text) for block in blocks), np.float64, count=len(blocks)), 100)
    kept = chosen(probabilities, threshold)
    right, all_text = float((sizes * probabilities)[kept].sum()), float((sizes * probabilities).sum())
    return 1 - 2 * right / max(float(sizes[kept].sum()) + all_text, 1e-9)
