"""Text or noise? A linear classifier on hashed words and a few plain figures.

The idea is that of fastText classifiers for pretraining data (Llama 3's "would Wikipedia reference this text?"), at the
size of this corpus: logistic regression on counts of hashed words and word pairs, beside figures such as the share of
stop words. Positives are passages of the reference sources (the language reference, the standard library's and
packages' descriptions), negatives are noise made of the same passages and of the code in the corpus: words in random
order, source lines taken for text, lists of names, repeated boilerplate, damaged characters, numbers. It recognises
such noise; it is no judge of truth or taste. Its area under the ROC curve is measured on passages of documents that it
was not trained on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from herdbook.curation.documents import Document
from herdbook.curation.heuristics.words import Texts, texts_of
from herdbook.curation.quality.measures import auc
from herdbook.curation.quality.noise_features import (
    COMMON_WORDS,
    N_HASHED,
    Features,
    moments,
    sparse_features,
    times,
    transposed_times,
)

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
PASSAGE_WORDS = 160
ALL_WORDS = 1 << 20
"""More words than any passage has."""
REFERENCE_SOURCES = ("pydoc-topics", "stdlib-docstrings", "packages")
NOISES = ("shuffled_words", "source_lines", "names", "boilerplate", "damaged_characters", "numbers")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_DAMAGE = "\u00c3\u00e2\ufffd\x80?\u00a9"
_NAME = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """How the classifier is trained, and what it drops."""

    min_score: float = 0.15
    """Prose below this probability of being a well formed text goes."""
    min_words: int = 40
    """Shorter documents are scored but stay: a few words are too little to tell."""
    max_passages: int = 1500
    """Positive passages in training and test together; as many negatives are made."""
    steps: int = 80
    """Gradient steps over all passages."""
    learning_rate: float = 0.5
    """Step size of Nesterov's accelerated gradient descent."""
    l2: float = 1e-4
    """Weight decay."""
    scored_words: int = 640
    """Words of a document that are scored, in passages from its beginning, middle and end."""


@dataclass(frozen=True)
class Classifier:
    """A trained linear classifier and its area under the ROC curve on passages that it had not seen."""

    weights: F64
    """Of features as they come: those of standardised ones, over their scale."""
    bias: float
    auc: float | None
    auc_by_noise: dict[str, float]
    n_train: int
    n_test: int

    def scores(self, texts: Any, scored_words: int = ALL_WORDS) -> F64:
        """Probability of being a well formed text, for each text [N] of an Arrow array or a sequence of strings; of
        long ones about `scored_words` words are looked at.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        column = texts if isinstance(texts, (pa.Array, pa.ChunkedArray)) else pa.array(texts, pa.large_string())
        n_characters = np.asarray(pc.fill_null(pc.utf8_length(column), 0).to_numpy(), dtype=np.int64)
        given = texts_of(column)
        result = np.empty(len(given))
        for start in range(0, len(given), 512):
            stop = min(start + 512, len(given))
            part = Texts(given.data, given.offsets_N1[start : stop + 1])
            x = sparse_features(part, n_characters[start:stop], scored_words)
            result[start:stop] = _sigmoid(times(x, self.weights) + self.bias)
        return result


def _sigmoid(z: F64) -> F64:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, -30, 30))), dtype=np.float64)


def features(texts: Sequence[str]) -> F32:
    """Features [N, N_HASHED + 8]: log counts of hashed tokens and pairs of tokens at unit length, then eight
    figures. The slow twin of `noise_features.sparse_features`, which training and scoring use.
    """
    x_NF = np.zeros((len(texts), N_HASHED + 8), dtype=np.float32)
    hashes: dict[str, int] = {}
    for row, text in enumerate(texts):
        tokens = _TOKEN.findall(text)
        n = len(tokens)
        if not n:
            continue
        lowered = [token.lower().replace("\u03c2", "\u03c3") for token in tokens]  # a sigma is one everywhere
        for token in set(lowered).difference(hashes):
            hashes[token] = crc32(token.encode("utf-8", "replace"))
        single = np.fromiter(map(hashes.__getitem__, lowered), dtype=np.uint32, count=n)
        pairs = single[:-1] * np.uint32(0x9E3779B1) ^ single[1:] * np.uint32(0x85EBCA6B)
        places = np.concatenate([single, pairs ^ (pairs >> np.uint32(15))]) % np.uint32(N_HASHED)
        counts = np.log1p(np.bincount(places, minlength=N_HASHED).astype(np.float32))
        x_NF[row, :N_HASHED] = counts / np.linalg.norm(counts)
        size = max(1, len(text))
        x_NF[row, N_HASHED:] = (
            sum(token in COMMON_WORDS for token in lowered) / n,
            sum(map(len, tokens)) / n / 10,
            sum(map(str.isalpha, tokens)) / n,
            sum(map(str.isdigit, tokens)) / n,
            len(set(lowered)) / n,
            sum("_" in token for token in tokens) / n,
            sum(map(str.isalnum, tokens)) / n,
            sum(not c.isascii() for c in text) / size,
        )
    return x_NF


def passage(text: str, start: int = 0, n_words: int = PASSAGE_WORDS) -> str:
    """About `n_words` words of a text from a word on, its line ends kept."""
    before = text.split(None, start)
    rest = text.lstrip() if start == 0 else before[start] if len(before) > start else ""
    after = rest.split(None, n_words)
    return rest[: len(rest) - len(after[n_words])].rstrip() if len(after) > n_words else rest.rstrip()


def noise(kind: str, text: str, code: str, rng: np.random.Generator) -> str:
    """A negative passage of a kind (one of NOISES), made of a passage of prose or a passage of code."""
    tokens = text.split()
    if kind == "shuffled_words":
        return " ".join(tokens[i] for i in rng.permutation(len(tokens)))
    if kind == "source_lines":
        return code
    if kind == "names":
        names = sorted(set(_NAME.findall(code or text))) or tokens or [text]
        return " ".join(names[i] for i in rng.integers(0, len(names), max(1, len(tokens))))
    if kind == "boilerplate":
        lines = [line for line in text.split("\n") if line.strip()] or [text]
        some = [lines[i] for i in rng.integers(0, len(lines), 2)]
        return "\n".join(some[i % 2] for i in range(max(4, len(lines))))
    if kind == "damaged_characters":
        characters = list(text)
        places = rng.integers(0, max(1, len(characters)), len(characters) // 6).tolist()
        for i, mark in zip(places, rng.integers(0, len(_DAMAGE), len(places)).tolist()):
            characters[i] = _DAMAGE[mark]
        return "".join(characters)
    if kind == "numbers":
        return " ".join(f"{value:.4g}" for value in rng.lognormal(3, 3, max(1, len(tokens))))
    raise ValueError(f"no noise is called {kind!r}")


def train(documents: Sequence[Document], config: Config, rng: np.random.Generator) -> Classifier | None:
    """A classifier trained on the reference documents among those given; None where they are fewer than 20."""
    reference = [d for d in documents if d.kind == "prose" and d.source in REFERENCE_SOURCES]
    if len(reference) < 20:
        reference = [d for d in documents if d.kind == "prose"]
    code = [d for d in documents if d.kind == "code"]
    if len(reference) < 20:
        return None
    order = rng.permutation(len(reference))[: config.max_passages]
    positives: list[str] = []
    negatives: list[str] = []
    kinds: list[str] = []
    for place, number in enumerate(order):
        text = reference[number].text
        n_words = text.count(" ") + text.count("\n")
        text = passage(text, int(rng.integers(0, max(1, n_words - PASSAGE_WORDS))))
        source = ""
        if code:
            source = code[rng.integers(len(code))].text
            lines = source.split("\n")
            at = int(rng.integers(0, max(1, len(lines) - 20)))
            source = "\n".join(lines[at : at + 20])
        kind = NOISES[place % len(NOISES)]
        if kind == "source_lines" and not source.strip():
            kind = "names"
        positives.append(text)
        negatives.append(noise(kind, text, source, rng))
        kinds.append(kind)
    n_test = max(5, len(order) // 5)
    # A positive and the negative made of it are on the same side of the split.
    passages = [*positives, *negatives]
    x = sparse_features(texts_of(passages), np.array([len(text) for text in passages], dtype=np.int64), ALL_WORDS)
    y_N = np.concatenate([np.ones(len(positives)), np.zeros(len(negatives))])
    test = np.zeros(len(positives), dtype=bool)
    test[:n_test] = True
    test_N = np.concatenate([test, test])
    weights, bias = _fit(x.rows(~test_N), y_N[~test_N], config)
    scored = _sigmoid(times(x.rows(test_N), weights) + bias)
    good, bad = scored[:n_test], scored[n_test:]
    by_noise = {
        kind: value for kind in NOISES if (value := auc(good, bad[[k == kind for k in kinds[:n_test]]])) is not None
    }
    return Classifier(weights, bias, auc(good, bad), by_noise, int((~test_N).sum()), int(test_N.sum()))


def _fit(x: Features, y_N: F64, config: Config) -> tuple[F64, float]:
    """(weights, bias) of features as they come, by logistic regression on standardised ones: Nesterov's accelerated
    gradient descent, step size over the largest curvature.

    In double precision, and one number after the other. Standardising (x - mean) / scale would fill the zeros, so it is
    worked into both products.
    """
    n = len(x)
    mean, variance = moments(x)
    scale = np.maximum(np.sqrt(variance), 0.02)

    def forward(vector: F64) -> F64:
        scaled = vector / scale
        return times(x, scaled) - float(mean @ scaled)

    def backward(factors: F64) -> F64:
        return (transposed_times(x, factors) - mean * float(factors.sum())) / scale

    vector = np.ones(len(mean))
    for _ in range(6):  # power iteration for the largest eigenvalue of the covariance
        vector = backward(forward(vector)) / n
        vector /= np.linalg.norm(vector)
    curvature = float(np.linalg.norm(backward(forward(vector)) / n)) / 4 + config.l2
    step = 2 * config.learning_rate / curvature
    weights, bias = np.zeros(len(mean)), 0.0
    ahead, ahead_bias = weights, bias
    for t in range(config.steps):
        error = _sigmoid(forward(ahead) + ahead_bias) - y_N
        new = ahead - step * (backward(error) / n + config.l2 * ahead)
        new_bias = ahead_bias - step * float(error.mean())
        momentum = t / (t + 3)
        ahead = new + momentum * (new - weights)
        ahead_bias = new_bias + momentum * (new_bias - bias)
        weights, bias = new, new_bias
    return weights / scale, bias - float(mean @ (weights / scale))


def score(texts: Any, model: Classifier, config: Config) -> F64:
    """Scores of prose (an Arrow array, or a sequence of strings), to four decimals [N]."""
    return np.round(model.scores(texts, config.scored_words), 4)


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a document goes: the reason, and the figure that decided."""

    reason: str
    detail: str


def judge(texts: Any, scores: F64, config: Config) -> list[Drop | None]:
    """Drops what scores below the threshold ("low_quality"), short documents excepted."""
    found: list[Drop | None] = [None] * len(scores)
    for i in np.flatnonzero(scores < config.min_score).tolist():
        text = texts[i] if isinstance(texts[i], str) else texts[i].as_py()
        if len((text or "").split(None, config.min_words)) > config.min_words:
            found[i] = drop_of(scores[i], config)
    return found


def drop_of(score: float, config: Config) -> Drop:
    """What is said of a document that goes for this score."""
    return Drop("low_quality", f"{score:.3f} < {config.min_score:g}")
