"""Quality as a step of the engine: measured with trained models, judged by thresholds, by language where one is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.quality.quality_model import METHODS, QualityModel
from herdbook.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

N_WORDS = "quality_n_words"


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the scores of trained models drop."""

    min_reference: float = 0.0
    """Prose below this probability of being such as Wikipedia references goes; 0 drops nothing."""
    min_judged: float = 0.0
    """Prose below this probability of being kept by the model whose judgements were learnt goes; 0 drops nothing."""
    min_reference_by_language: dict[str, float] = field(default_factory=dict)
    """Thresholds of single languages: {ko = 0.1}."""
    min_judged_by_language: dict[str, float] = field(default_factory=dict)
    """The same for the model's judgements."""
    min_words: int = 40
    """Shorter documents are scored but stay: a few words are too little to tell."""

    def __post_init__(self) -> None:
        for method in METHODS:
            for value in (getattr(self, f"min_{method}"), *getattr(self, f"min_{method}_by_language").values()):
                if not 0 <= value <= 1:
                    raise ConfigError("a threshold must lie between 0 and 1.", key=f"min_{method}", value=value)


def measure(table: pa.Table, config: Config, models: Sequence[QualityModel]) -> pa.Table:
    """New columns for documents (columns `text`, `kind`): a float32 score for each model, null where a document is no
    prose, and `quality_n_words` (int64), counted up to `min_words` + 1.

    Names are quality_reference and quality_judged. Equal rows give equal rows, however they are put into batches.
    """
    import pyarrow as pa

    kinds = table.column("kind").to_pylist()
    texts = table.column("text").to_pylist()
    prose = [i for i, kind in enumerate(kinds) if kind == "prose"]
    columns: dict[str, Any] = {}
    for model in models:
        values = np.full(len(texts), np.nan, dtype=np.float32)
        values[prose] = model.scores([texts[i] for i in prose]).astype(np.float32)
        columns[model.column] = pa.array(values, from_pandas=True)
    columns[N_WORDS] = pa.array(
        [len(t.split(None, config.min_words + 1)[: config.min_words + 1]) for t in texts], pa.int64()
    )
    return pa.table(columns)


def rules(signals: Mapping[str, npt.NDArray[Any]], config: Config) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """Rules on signals (numpy arrays by column; `language` and a score that is not there are allowed to be missing).

    Reasons are low_quality_reference and low_quality_judged. A document without a score stays.
    """
    found = []
    for method in METHODS:
        scores = signals.get(f"quality_{method}")
        if scores is None:
            continue
        limits = np.full(len(scores), getattr(config, f"min_{method}"))
        languages = signals.get("language")
        for language, value in getattr(config, f"min_{method}_by_language").items():
            if languages is not None:
                limits[languages == language] = value
        with np.errstate(invalid="ignore"):
            broken = (scores.astype(np.float64) < limits) & (signals[N_WORDS] > config.min_words)
        found.append((f"low_quality_{method}", np.asarray(broken, dtype=bool)))
    return found
