"""A supervised fastText classifier of two classes (Joulin et al. 2016); one thread, so that training can be repeated.

fastText's own binding is called, because the Python wrappers that two packages install under one name differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.quality.scored_text import plain_line
from herdbook.errors import ArtifactError, ConfigError, HerdbookError
from herdbook.storage import disk_errors

F64 = npt.NDArray[np.float64]
GOOD, BAD = "__label__good", "__label__bad"


@dataclass(frozen=True, kw_only=True)
class Config:
    """fastText's settings. The file has about 4 bytes x dim x (buckets + words)."""

    dim: int = 32
    """Width of the word vectors."""
    epochs: int = 0
    """Passes over the training texts; 0: 20,000 divided by their number, at least 3 and at most 25. More passes learn
    single documents by heart: those that served as negatives then score lower than their like."""
    learning_rate: float = 0.3
    """Step size at the beginning; it falls to 0."""
    word_ngrams: int = 2
    """Longest sequence of words that is a feature."""
    buckets: int = 100_000
    """Rows of the table into which sequences of words are hashed."""
    min_count: int = 2
    """Rarer words are left out."""

    def __post_init__(self) -> None:
        for name in ("dim", "epochs", "word_ngrams", "buckets", "min_count"):
            if getattr(self, name) < (name != "epochs"):
                raise ConfigError(f"{name} must be at least 1.", key=name, value=getattr(self, name))


class FastText:
    """A trained classifier: `scores` gives the probability of being good."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def scores(self, texts: Sequence[str]) -> F64:
        """fastText's probability of the good class, not calibrated [N]."""
        result = np.zeros(len(texts))
        for row, text in enumerate(texts):
            for probability, label in self._model.predict(plain_line(text) + "\n", 2, 0.0, "replace"):
                if label == GOOD:
                    result[row] = min(1.0, float(probability))
        return result

    def save(self, path: Path) -> None:
        """Writes fastText's binary file."""
        with disk_errors():
            self._model.saveModel(str(path))

    @classmethod
    def load(cls, path: Path) -> FastText:
        """Reads fastText's binary file. Raises ArtifactError where it is none."""
        model = _binding().fasttext()
        try:
            model.loadModel(str(path))
            labels = set(model.getLabels("replace")[0])
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ArtifactError(f"{path} is no fastText classifier: {error}.", key=str(path)) from None
        if labels != {GOOD, BAD}:
            raise ArtifactError(f"{path} has the labels {sorted(labels)}, expected {GOOD} and {BAD}.", key=str(path))
        return cls(model)


def train(texts: Sequence[str], good: npt.NDArray[np.bool_], config: Config, seed: int = 0) -> FastText:
    """Trains on texts and their labels, in an order that the seed decides. The same input gives the same model."""
    binding = _binding()
    if not hasattr(binding, "train"):
        raise HerdbookError(
            "The installed fastText can only predict (package fasttext-predict lies over fasttext-community).",
            remedy="Run `pip install --force-reinstall --no-deps fasttext-community` and try again.",
        )
    epochs = config.epochs or min(25, max(3, round(20_000 / max(1, len(texts)))))
    order = np.random.Generator(np.random.PCG64([seed, 3])).permutation(len(texts))
    with TemporaryDirectory(prefix="herdbook-") as folder, disk_errors():
        path = Path(folder) / "train.txt"
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(f"{GOOD if good[i] else BAD} {plain_line(texts[i])}\n" for i in order)
        settings = binding.args()
        settings.input, settings.model, settings.loss = (
            str(path),
            binding.model_name.supervised,
            binding.loss_name.softmax,
        )
        settings.dim, settings.epoch, settings.lr = config.dim, epochs, config.learning_rate
        settings.wordNgrams, settings.bucket, settings.minCount = config.word_ngrams, config.buckets, config.min_count
        settings.minn = settings.maxn = settings.verbose = 0
        settings.thread, settings.seed = 1, seed % (1 << 31)
        model = binding.fasttext()
        try:
            binding.train(model, settings)
        except ValueError as error:
            raise HerdbookError(f"fastText cannot be trained on these texts: {error}.") from None
    return FastText(model)


def _binding() -> Any:
    try:
        import fasttext_pybind
    except ImportError as error:
        raise HerdbookError(
            f"fastText cannot be loaded: {error}.", remedy="Run `pip install fasttext-community` and try again."
        ) from error
    return fasttext_pybind
