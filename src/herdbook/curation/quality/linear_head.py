"""Embedding + linear head: logistic regression on whatever turns texts into vectors.

N texts  E width of an embedding
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from herdbook.errors import ArtifactError, ConfigError, HerdbookError
from herdbook.storage import disk_errors

F64 = npt.NDArray[np.float64]
Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts to float32 [N, E]; equal texts give equal rows, whatever stands beside them."""
_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class Config:
    """How the head is fitted."""

    l2: float = 1.0
    """Weight of the squared weights beside the summed loss of all texts, features at unit variance."""
    max_steps: int = 30
    """Newton steps at most; it ends when nothing moves any more."""

    def __post_init__(self) -> None:
        if self.l2 <= 0:
            raise ConfigError("l2 must be positive.", key="l2", value=self.l2)


@dataclass(frozen=True)
class LinearHead:
    """Weights on standardised embeddings."""

    weights: F64
    bias: float
    mean: F64
    scale: F64

    def scores(self, texts: Sequence[str], embed: Embed) -> F64:
        """Probability of being good, not calibrated [N]."""
        result = np.empty(len(texts))
        for start in range(0, len(texts), _BATCH):
            x_NE = np.asarray(embed(texts[start : start + _BATCH]), dtype=np.float64)
            if x_NE.shape[1:] != self.weights.shape:
                raise HerdbookError(f"The embeddings have width {x_NE.shape[1]}, the classifier {len(self.weights)}.")
            result[start : start + _BATCH] = sigmoid((x_NE - self.mean) / self.scale @ self.weights + self.bias)
        return result

    def save(self, path: Path) -> None:
        """Writes a safetensors file."""
        from safetensors.numpy import save_file

        tensors = {"weights": self.weights, "bias": np.array([self.bias]), "mean": self.mean, "scale": self.scale}
        with disk_errors():
            save_file(tensors, str(path))

    @classmethod
    def load(cls, path: Path) -> LinearHead:
        """Reads a safetensors file. Raises ArtifactError where it is none."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            found = load_file(str(path))
            return cls(found["weights"], float(found["bias"][0]), found["mean"], found["scale"])
        except (SafetensorError, OSError, KeyError, IndexError) as error:
            raise ArtifactError(f"{path} is no linear head: {error}.", key=str(path)) from None


def sigmoid(z: F64) -> F64:
    """1 / (1 + exp(-z)) without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, -40, 40))), dtype=np.float64)


def fit(x_NE: npt.NDArray[np.floating], good: npt.NDArray[np.bool_], config: Config) -> LinearHead:
    """Penalised logistic regression by Newton's method with halved steps; both classes weigh the same.

    Deterministic: double precision, no draw of chance.
    """
    mean, scale = x_NE.mean(axis=0, dtype=np.float64), np.maximum(x_NE.std(axis=0, dtype=np.float64), 1e-6)
    z_NE = np.concatenate([(x_NE - mean) / scale, np.ones((len(x_NE), 1))], axis=1)
    y_N = good.astype(np.float64)
    share = float(y_N.mean())
    weight_N = np.where(good, 0.5 / max(share, 1e-9), 0.5 / max(1 - share, 1e-9))
    penalty_E = np.full(z_NE.shape[1], config.l2)
    penalty_E[-1] = 1e-6  # the bias is free; a little keeps the matrix regular
    beta = np.zeros(z_NE.shape[1])

    def loss(b: F64) -> float:
        score_N = z_NE @ b
        return float((weight_N * (np.logaddexp(0.0, score_N) - y_N * score_N)).sum() + 0.5 * (penalty_E * b * b).sum())

    now = loss(beta)
    for _ in range(config.max_steps):
        p_N = sigmoid(z_NE @ beta)
        gradient = z_NE.T @ (weight_N * (p_N - y_N)) + penalty_E * beta
        curvature_N = weight_N * np.maximum(p_N * (1 - p_N), 1e-9)
        step = np.linalg.solve((z_NE.T * curvature_N) @ z_NE + np.diag(penalty_E), gradient)
        size = 1.0
        while (after := loss(beta - size * step)) > now and size > 1e-4:
            size /= 2
        if now - after < 1e-9 * max(1.0, now):
            break
        beta, now = beta - size * step, after
    return LinearHead(beta[:-1], float(beta[-1]), mean, scale)
