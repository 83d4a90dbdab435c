"""The scores of trained quality models, where the stage was given some: see `curation/quality`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from herdbook.curation.heuristics.judgement import Rule
from herdbook.curation.quality import step
from herdbook.curation.quality.quality_model import QualityModel

if TYPE_CHECKING:
    import pyarrow as pa

MEASURED_BY = ("contents", "min_words")


@dataclass(frozen=True, kw_only=True)
class Config(step.Config):
    """Thresholds of the models' scores."""

    models: tuple[str, ...] = ()
    """Folders of quality models; the stage adds those of its input `quality`."""
    contents: tuple[str, ...] = ()
    """Hashes of what is in them; the stage fills this in."""


@functools.lru_cache(maxsize=8)
def _model(folder: str) -> QualityModel:
    return QualityModel.load(folder)


def measure(table: pa.Table, config: Config) -> pa.Table:
    """A score for each model (`quality_reference`, `quality_judged`); no column where there is no model."""
    import pyarrow as pa

    if not config.models:
        return pa.table({})
    return step.measure(table, config, [_model(folder) for folder in config.models])


def rules(signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """low_quality_reference and low_quality_judged."""
    return step.rules(signals, config) if config.models else []
