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
from zlib import crc32

import numpy as np
import numpy.typing as npt

from herdbook.curation.documents import Document
from herdbook.curation.heuristics.document_words import STOP_WORDS
from herdbook.curation.quality.measures import auc
from herdbook.curation.quality.scored_text import scored_part

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
N_HASHED = 1 << 12
PASSAGE_WORDS = 160
REFERENCE_SOURCES = ("pydoc-topics", "stdlib-docstrings", "packages")
NOISES = ("shuffled_words", "source_lines", "names", "boilerplate", "damaged_characters", "numbers")
_TOKEN = re.compile(r"\w+|[^\w\s]")
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
    bias: float
    mean: F32
    scale: F32
    auc: float | None
    auc_by_noise: dict[str, float]
    n_train: int
    n_test: int

    def scores(self, texts: Sequence[str]) -> F64:
        """Probability of being a well formed text, for each text [N]."""
        result = np.empty(len(texts))
        for start in range(0, len(texts), 512):
            x_BF: F32 = (features(texts[start : start + 512]) - self.mean) / self.scale
            result[start : start + 512] = _sigmoid(x_BF.astype(np.float64) @ self.weights + self.bias)
        return result


def _sigmoid(z: F64) -> F64:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, -30, 30))), dtype=np.float64)


def features(texts: Sequence[str]) -> F32:
    """Features [N, N_HASHED + 8]: log counts of hashed tokens and pairs of tokens at unit length, then eight
    figures.
    """
    x_NF = np.zeros((len(texts), N_HASHED + 8), dtype=np.float32)
    hashes: dict[str, int] = {}
    for row, text in enumerate(texts):
        tokens = _TOKEN.findall(text)
        n = len(tokens)
        if not n:
            continue
        lowered = [token.lower() for token in tokens]
        for token in set(lowered).difference(hashes):
            hashes[token] = crc32(token.encode("utf-8", "replace"))
        single = np.fromiter(map(hashes.__getitem__, lowered), dtype=np.uint32, count=n)
        pairs = single[:-1] * np.uint32(0x9E3779B1) ^ single[1:] * np.uint32(0x85EBCA6B)
        places = np.concatenate([single, pairs ^ (pairs >> np.uint32(15))]) % np.uint32(N_HASHED)
        counts = np.log1p(np.bincount(places, minlength=N_HASHED).astype(np.float32))
        x_NF[row, :N_HASHED] = counts / np.linalg.norm(counts)
        size = max(1, len(text))
        x_NF[row, N_HASHED:] = (
            sum(token in STOP_WORDS or token in ("a", "is", "in", "for", "it", "this") for token in lowered) / n,
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
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    part = spans[start : start + n_words]
    return text[part[0][0] : part[-1][1]] if part else ""


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
        for i in rng.integers(0, max(1, len(characters)), len(characters) // 6):
            characters[i] = chr(int(rng.choice((0xC3, 0xE2, 0xFFFD, 0x80, 0x3F, 0xA9))))
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
    x_NF = np.concatenate([features(positives), features(negatives)])
    y_N = np.concatenate([np.ones(len(positives)), np.zeros(len(negatives))]).astype(np.float32)
    test = np.zeros(len(positives), dtype=bool)
    test[:n_test] = True
    test_N = np.concatenate([test, test])
    train_NF, target_N = x_NF[~test_N], y_N[~test_N]
    mean = train_NF.mean(axis=0)
    scale = np.maximum(train_NF.std(axis=0), np.float32(0.02))
    train_NF = (train_NF - mean) / scale
    weights, bias = _fit(train_NF.astype(np.float64), target_N.astype(np.float64), config)
    model = Classifier(weights, bias, mean, scale, None, {}, int((~test_N).sum()), int(test_N.sum()))
    scored = _sigmoid(((x_NF[test_N] - mean) / scale).astype(np.float64) @ weights + bias)
    good, bad = scored[:n_test], scored[n_test:]
    by_noise = {
        kind: value for kind in NOISES if (value := auc(good, bad[[k == kind for k in kinds[:n_test]]])) is not None
    }
    return Classifier(weights, bias, mean, scale, auc(good, bad), by_noise, model.n_train, model.n_test)


def _fit(x_NF: F64, y_N: F64, config: Config) -> tuple[F64, float]:
    """Logistic regression by Nesterov's accelerated gradient descent, step size over the largest curvature.

    In double precision, so that the rounded scores do not depend on the number of threads that add up the sums.
    """
    n, width = x_NF.shape
    vector = np.ones(width)
    for _ in range(6):  # power iteration for the largest eigenvalue of the covariance
        vector = x_NF.T @ (x_NF @ vector) / n
        vector /= np.linalg.norm(vector)
    curvature = float(np.linalg.norm(x_NF.T @ (x_NF @ vector) / n)) / 4 + config.l2
    step = 2 * config.learning_rate / curvature
    weights, bias = np.zeros(width), 0.0
    ahead, ahead_bias = weights, bias
    for t in range(config.steps):
        error = _sigmoid(x_NF @ ahead + ahead_bias) - y_N
        new = ahead - step * (x_NF.T @ error / n + config.l2 * ahead)
        new_bias = ahead_bias - step * float(error.mean())
        momentum = t / (t + 3)
        ahead = new + momentum * (new - weights)
        ahead_bias = new_bias + momentum * (new_bias - bias)
        weights, bias = new, new_bias
    return weights, bias


def score(documents: Sequence[Document], model: Classifier, config: Config) -> list[float | None]:
    """Scores of the prose among the documents, None for code and statements."""
    which = [i for i, document in enumerate(documents) if document.kind == "prose"]
    values = model.scores([scored_part(documents[i].text, config.scored_words) for i in which])
    scores: list[float | None] = [None] * len(documents)
    for i, value in zip(which, values):
        scores[i] = round(float(value), 4)
    return scores


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a document goes: the reason, and the figure that decided."""

    reason: str
    detail: str


def judge(documents: Sequence[Document], scores: Sequence[float | None], config: Config) -> list[Drop | None]:
    """Drops what scores below the threshold ("low_quality"), short documents excepted."""
    return [
        Drop("low_quality", f"{value:.3f} < {config.min_score:g}")
        if value is not None
        and value < config.min_score
        and len(document.text.split(None, config.min_words)) > config.min_words
        else None
        for document, value in zip(documents, scores)
    ]
