"""Which blocks of a page are its text: a small network on what `features.py` sees, and how sure it is of the page.

Words have learnt vectors, summed over the elements around a block, over the first words of the block and over those of
the last heading before it. A first layer sees each block alone; a second sees what the first made of the block, its
neighbours at one and two steps, the eleven blocks around it and the whole page. Weights lie beside this file as JSON;
`tools/train_extraction.py` made them and says from what.
Shape letters: B blocks of a page, F features, V words (row 0 stands for a word left out while learning), A, N and T
sizes of the vectors for all names, near names and words of the text, H hidden units, P units passed on to neighbours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.extract.features import FEATURES, Seen
from herdbook.curation.extract.words import Vocabulary, sums_of_names, sums_of_words, vocabulary_of

F32 = npt.NDArray[np.float32]
STEPS = (-2, -1, 1, 2)
AROUND = 5
_ARRAYS = (
    "all_names", "near_names", "text_words", "first", "first_bias", "passed", "passed_bias", "second", "second_bias",
    "output",
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """The network: vocabularies of names and of words of the text; vectors [V, A], [V, N] and [V, T]; layers
    [F + A + N + 2 T, H], [H, P], [H + 6 P, H], [H] with their biases. Mean and scale of the features are part of the
    first layer. `gain` [D] and its bias: what a second reading promises (`doubt.py`)."""

    of_names: Vocabulary
    of_words: Vocabulary
    all_names: F32
    near_names: F32
    text_words: F32
    first: F32
    first_bias: F32
    passed: F32
    passed_bias: F32
    second: F32
    second_bias: F32
    output: F32
    output_bias: float
    gain: npt.NDArray[np.float64]
    gain_bias: float


def weights_from(stored: dict[str, Any]) -> Weights:
    """Weights as the file has them."""
    assert tuple(stored["features"]) == FEATURES, "the weights were made for other features"
    arrays = {name: np.array(stored[name], np.float32) for name in _ARRAYS}
    mean, scale = np.array(stored["mean"], np.float32), np.array(stored["scale"], np.float32)
    first = arrays["first"]
    first[: len(mean)] /= scale[:, None]
    arrays["first_bias"] = arrays["first_bias"] - mean @ first[: len(mean)]
    return Weights(
        of_names=vocabulary_of(stored["names"]), of_words=vocabulary_of(stored["words"]),
        output_bias=float(stored["output_bias"]), gain=np.array(stored.get("gain", ()), dtype=np.float64),
        gain_bias=float(stored.get("gain_bias", 0)), **arrays,
    )  # fmt: skip


@lru_cache(maxsize=1)
def weights() -> Weights:
    """The weights that come with the package."""
    return weights_from(json.loads((files("herdbook.curation.extract") / "block_weights.json").read_text()))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _through(x_B, weights, out):  # type: ignore[no-untyped-def]
    """Adds x [I] through weights [I, O] to out [O]; features are often 0."""
    for i in range(len(x_B)):
        value = x_B[i]
        if value != 0:
            for o in range(len(out)):
                out[o] += value * weights[i, o]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _logits(  # type: ignore[no-untyped-def]
    x_BF, elements, headings, all_EA, near_EN, words_BT, first, first_bias, passed, passed_bias, second, second_bias,
    output, output_bias,
):  # fmt: skip
    """The network's answer for each block [B]."""
    n, n_features = x_BF.shape
    n_all, n_near, n_words = all_EA.shape[1], near_EN.shape[1], words_BT.shape[1]
    n_hidden, n_passed = first.shape[1], passed.shape[1]
    near_at = n_features + n_all
    words_at = near_at + n_near
    h_BH, p_BP = np.empty((n, n_hidden), dtype=np.float32), np.empty((n, n_passed), dtype=np.float32)
    sums = np.zeros((n + 1, n_passed), dtype=np.float64)
    for i in range(n):
        h = h_BH[i]
        h[:] = first_bias
        _through(x_BF[i], first, h)
        _through(all_EA[elements[i]], first[n_features:], h)
        _through(near_EN[elements[i]], first[near_at:], h)
        _through(words_BT[i], first[words_at:], h)
        if headings[i] >= 0:
            _through(words_BT[headings[i]], first[words_at + n_words :], h)
        for k in range(n_hidden):
            h[k] = max(h[k], np.float32(0))
        p = p_BP[i]
        p[:] = passed_bias
        _through(h, passed, p)
        for k in range(n_passed):
            p[k] = max(p[k], np.float32(0))
            sums[i + 1, k] = sums[i, k] + p[k]
    of_page = second_bias.copy()
    mean_at = n_hidden + len(STEPS) * n_passed
    window_at = mean_at + n_passed
    around = np.empty(n_passed, dtype=np.float32)
    for k in range(n_passed):
        around[k] = sums[n, k] / max(n, 1)
    _through(around, second[mean_at:], of_page)
    logits = np.empty(n, dtype=np.float32)
    hidden = np.empty(n_hidden, dtype=np.float32)
    for i in range(n):
        hidden[:] = of_page
        _through(h_BH[i], second, hidden)
        for s in range(len(STEPS)):
            other = i + STEPS[s]
            if 0 <= other < n:
                _through(p_BP[other], second[n_hidden + s * n_passed :], hidden)
        low, high = max(i - AROUND, 0), min(i + AROUND + 1, n)
        for k in range(n_passed):
            around[k] = (sums[high, k] - sums[low, k]) / (2 * AROUND + 1)
        _through(around, second[window_at:], hidden)
        total = np.float32(output_bias)
        for k in range(n_hidden):
            total += max(hidden[k], np.float32(0)) * output[k]
        logits[i] = total
    return logits


def text_probabilities(seen: Seen, network: Weights) -> F32:
    """The probability of each block to be text [B]."""
    found = seen.names
    all_EA, near_EN = sums_of_names(found.numbers_W, found.offsets, seen.parents, network.all_names, network.near_names)
    words_BT = sums_of_words(seen.words.numbers_W, seen.words.offsets, network.text_words)
    logits = _logits(
        seen.columns, seen.elements, seen.headings, all_EA, near_EN, words_BT, network.first, network.first_bias,
        network.passed, network.passed_bias, network.second, network.second_bias, network.output, network.output_bias,
    )  # fmt: skip
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float32)


def chosen(probabilities: F32, threshold: float) -> npt.NDArray[np.bool_]:
    """Which blocks are text [B]: those over the threshold or, if that is less, over 0.6 of the greatest probability."""
    if not len(probabilities):
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(probabilities > min(threshold, 0.6 * float(probabilities.max())))


def uncertainty(sizes: npt.ArrayLike, probabilities: F32, threshold: float) -> float:
    """1 - the F1 that the probabilities promise for the chosen blocks, between 0 and 1; characters count (`sizes`), of
    each block at most 100, so that one long paragraph does not hide a doubtful menu."""
    sizes = np.minimum(np.asarray(sizes, dtype=np.float64), 100)
    kept = chosen(probabilities, threshold)
    right, all_text = float((sizes * probabilities)[kept].sum()), float((sizes * probabilities).sum())
    return 1 - 2 * right / max(float(sizes[kept].sum()) + all_text, 1e-9)
