"""The scores of trained quality models, where the stage was given some: see `curation/quality`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herdbook.curation.heuristics.judgement import Rule
from herdbook.curation.quality import step
from herdbook.curation.quality.quality_model import FASTTEXT, HEAD, SETTINGS, QualityModel
from herdbook.errors import ConfigError
from herdbook.storage import canonical_json, sha256_bytes, sha256_file

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


def contents_of(folders: Sequence[str]) -> tuple[str, ...]:
    """A hash of what is in each folder of a model.

    Raises ArtifactError where a folder holds none, ConfigError where two are of one method and would write one column.
    """
    found, methods = [], list[str]()
    for folder in folders:
        model = QualityModel.load(folder)
        if model.method in methods:
            raise ConfigError(
                f"two models of quality are of the method `{model.method}`.", key="quality", value=folder,
                remedy="Give one of each method.",
            )  # fmt: skip
        methods.append(model.method)
        names = [name for name in (SETTINGS, FASTTEXT, HEAD) if (Path(folder) / name).is_file()]
        found.append(sha256_bytes(canonical_json([[name, sha256_file(Path(folder) / name)] for name in names])))
    return tuple(found)


@functools.lru_cache(maxsize=8)
def _model(folder: str, content: str) -> QualityModel:
    return QualityModel.load(folder)


def measure(table: pa.Table, config: Config) -> pa.Table:
    """A score for each model (`quality_reference`, `quality_judged`); no column where there is no model."""
    import pyarrow as pa

    if not config.models:
        return pa.table({})
    contents = config.contents or contents_of(config.models)
    return step.measure(table, config, [_model(*named) for named in zip(config.models, contents)])


def rules(signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """low_quality_reference and low_quality_judged."""
    return step.rules(signals, config) if config.models else []
