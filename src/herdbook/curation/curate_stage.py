"""Stage `curate`: documents, or whatever text the user names, become a corpus.

Every document that goes has a reason, and the counts add up. The steps are files of this room, the engine runs them:
docs/curation.md. This file holds the stage's configuration and nothing of the work.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from herdbook.config import from_mapping
from herdbook.curation import heldout, mixture, nsfw
from herdbook.curation.dedup import exact, lines, url
from herdbook.curation.dedup.verified import Config as NearDuplicatesConfig
from herdbook.curation.documents import Document, write_documents
from herdbook.curation.engine import contamination, memory, semantic
from herdbook.curation.engine.against import indexes
from herdbook.curation.engine.pipeline import curate as run_pipeline
from herdbook.curation.engine.pipeline import step_names
from herdbook.curation.engine.steps import external_files
from herdbook.curation.engine.units import units_of_documents
from herdbook.curation.engine.worker import leave_out
from herdbook.curation.quality import noise
from herdbook.curation.reading import Config as ReadingConfig
from herdbook.curation.reading import Source, plan
from herdbook.curation.steps import (
    block_list,
    classifiers,
    code,
    heuristics,
    language,
    licence,
    maths,
    normalise,
    opt_out,
    personal_data,
)
from herdbook.errors import ConfigError, InputError
from herdbook.lineage import Artifact
from herdbook.storage import canonical_json, sha256_bytes, sha256_file
from herdbook.workspace import InputSpec, Workspace, several

ENVIRONMENT = memory.ENVIRONMENT
KIND_OUT = "corpus"
VERSION = 6
INPUTS = {
    "documents": InputSpec(("documents",), optional=True, many=True),
    "statements": InputSpec(("questions",), optional=True),
    "against": InputSpec(("corpus",), optional=True, many=True),
    "quality": InputSpec(("quality_model",), optional=True, many=True),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How text becomes a corpus. Thresholds of the steps are tables: `[stages.curate.heuristics]` and so on."""

    sources: tuple[Source, ...] = ()
    """What is read beside input artifacts: tables `[[stages.curate.sources]]` of path, name, kind, license, format."""
    path: tuple[str, ...] = ()
    """Files, folders or URLs to read, as sources with default settings."""
    max_megabytes: float = 0.0
    """Size of the training text (million bytes) without statements; 0 takes everything that is kept, once."""
    shard_megabytes: float = 64.0
    """Size of a file of the corpus."""
    unit_megabytes: float = 32.0
    """Size of a unit of work; files and folders of less than eight or sixteen of these have smaller ones, down to 4."""
    samples_per_reason: int = 3
    """Dropped documents shown for each reason."""
    skip: tuple[str, ...] = ()
    """Names of steps that are left out."""
    prefer: tuple[str, ...] = ()
    """Sources in order of preference: of equal texts, the one from the earlier source stays."""
    recall_sample: int = 3000
    """Documents among which the recall of the near-duplicate step is measured by an exact join; 0 measures nothing."""
    keep_index: bool = False
    """Whether the artifact carries the index that later runs are deduplicated against (input `against`)."""
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    """Reading of files."""
    normalise: normalise.Config = field(default_factory=normalise.Config)
    """Normalisation and damaged text."""
    code: code.Config = field(default_factory=code.Config)
    """Rules for source code."""
    personal_data: personal_data.Config = field(default_factory=personal_data.Config)
    """Personal data: what is masked, what drops a document."""
    opt_out: opt_out.Config = field(default_factory=opt_out.Config)
    """Opt-out lists."""
    block_list: block_list.Config = field(default_factory=block_list.Config)
    """Domains and URLs that are not wanted."""
    licence: licence.Config = field(default_factory=licence.Config)
    """Licences."""
    language: language.Config = field(default_factory=language.Config)
    """Language identification."""
    maths: maths.Config = field(default_factory=maths.Config)
    """Mathematics."""
    heuristics: heuristics.Config = field(default_factory=heuristics.Config)
    """Heuristic rules: Gopher, C4, FineWeb, Llama 3."""
    nsfw: nsfw.Config = field(default_factory=nsfw.Config)
    """Adult and toxic text."""
    classifiers: classifiers.Config = field(default_factory=classifiers.Config)
    """Scores of trained quality models (input `quality`)."""
    exact: exact.Config = field(default_factory=exact.Config)
    """Equal texts."""
    url: url.Config = field(default_factory=url.Config)
    """Equal URLs."""
    frequent_lines: lines.Config = field(default_factory=lines.Config)
    """Lines that many documents have."""
    quality: noise.Config = field(default_factory=noise.Config)
    """The built-in quality classifier."""
    minhash: NearDuplicatesConfig = field(default_factory=NearDuplicatesConfig)
    """Near-duplicates."""
    semantic: semantic.Config = field(default_factory=semantic.Config)
    """Documents that say the same in other words: off unless semantic.use is set."""
    contamination: contamination.Config = field(default_factory=contamination.Config)
    """Benchmarks whose items are kept out."""
    heldout: heldout.Config = field(default_factory=heldout.Config)
    """The held-out split."""
    mixture: mixture.Config = field(default_factory=mixture.Config)
    """Shares of sources and languages."""

    def __post_init__(self) -> None:
        known = [name for name in step_names() if name != "mixture"]
        for name in self.skip:
            if name not in known:
                raise ConfigError(
                    f"there is no step {name!r} to skip.", key="skip", remedy=f"Steps: {', '.join(known)}."
                )
        if self.shard_megabytes <= 0 or self.unit_megabytes <= 0 or self.max_megabytes < 0:
            raise ConfigError("sizes in megabytes must not be negative.", key="max_megabytes", value=self.max_megabytes)


def sources_of(config: Config) -> list[Source]:
    """Sources, those given as plain paths included."""
    return [*config.sources, *(Source(path=path) for path in config.path)]


def fingerprint(config: Config) -> str:
    """What the result depends on beside the configuration: the files that are read, and the user's lists."""
    sources = sources_of(config)
    keys = [unit.key for unit in plan(sources, config.unit_megabytes).units] if sources else []
    files = [file for f in dataclasses.fields(config) for file in external_files(getattr(config, f.name))]
    lists = [sha256_file(file) for file in [*files, *contamination.files_of(config.contamination)]]
    lists += classifiers.contents_of(config.classifiers.models)
    return sha256_bytes(canonical_json([keys, lists])) if keys or lists else ""


def estimate(config: Config) -> float:
    """Seconds on two cores: by the size of local sources; some 32 MB where what is read is an artifact."""
    local = [source for source in sources_of(config) if "://" not in source.path]
    size = sum(unit.size_bytes for unit in plan(local, config.unit_megabytes).units) / 1e6 if local else 32.0
    return 6.0 + 0.2 * size


def begin_process() -> None:
    """Loads nothing that curation never asks for."""
    leave_out()


def run(config: Config, inputs: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Reads documents (and statements), writes the corpus to the workspace, returns its figures with times by step.

    Raises InputError where there is no document or none is left, DiskFullError where the disk is full.
    """
    artifacts = several(inputs, "documents")
    units = [unit for artifact in artifacts for unit in _artifact_units(artifact, "documents.parquet")]
    for artifact in several(inputs, "statements"):
        units += _artifact_units(artifact, "statements.parquet")
    more, skipped = _planned(config)
    units += more
    if not units:
        raise InputError(
            "There is nothing to curate.", key="path",
            remedy="Give files or a folder with --path, sources in the recipe, or an input of kind `documents`.",
        )  # fmt: skip
    against = indexes(artifact.path for artifact in several(inputs, "against"))
    models = several(inputs, "quality")
    if models or config.classifiers.models:
        folders = (*config.classifiers.models, *(str(artifact.path) for artifact in models))
        given = dataclasses.replace(config.classifiers, models=folders, contents=classifiers.contents_of(folders))
        config = dataclasses.replace(config, classifiers=given)
    return run_pipeline(config, units, workspace, against, skipped)


def _planned(config: Config) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(units of the files that the configuration names, what the plan passed over)."""
    sources = sources_of(config)
    if not sources:
        return [], {}
    planned = plan(sources, config.unit_megabytes)
    return [unit.to_json() for unit in planned.units], planned.skipped.to_json()


def _artifact_units(artifact: Artifact, name: str) -> list[dict[str, Any]]:
    return units_of_documents(artifact.file(name), f"{artifact.card.content_hash}/{name}")


def curate(
    documents: str | Path | Iterable[Document] = (),
    out: str | Path = "corpus",
    *,
    statements: str | Path | Iterable[Document] = (),
    against: Sequence[str | Path] = (),
    seed: int = 0,
    mode: str = "quiet",
    **settings: Any,
) -> dict[str, Any]:
    """Curates text into the folder `out`; `settings` are those of stage `curate`.

    `documents` are Document objects or a documents.parquet; files and folders of any kind go into `path` or `sources`.
    Returns the figures of the run. Example: `herdbook.curation.curate(path=["crawl/"], out="corpus", max_megabytes=5)`.
    Raises UserError for what the user can mend.
    """
    config = from_mapping(Config, settings, "curate")
    workspace = Workspace.local(out, seed, mode=mode)
    units: list[dict[str, Any]] = []
    for name, given in (("documents", documents), ("statements", statements)):
        file = Path(given) if isinstance(given, (str, Path)) else workspace.checkpoints / f"{name}.parquet"
        if not isinstance(given, (str, Path)):
            rows = list(given)
            if not rows:
                continue
            write_documents(file, rows)
        units += units_of_documents(file)
    more, skipped = _planned(config)
    units += more
    if not units:
        raise InputError(
            "There is no document to curate.", key="documents", remedy="Give at least one document with text."
        )
    return run_pipeline(config, units, workspace, indexes(map(Path, against)), skipped)
