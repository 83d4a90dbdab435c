"""The files of a store and of an index, and what must agree before one is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from herdbook.curation.dedup.flat import FlatFile
from herdbook.curation.dedup.verified import Config
from herdbook.errors import ArtifactError, ConfigError

FORMAT = "herdbook near-duplicates"
VERSION = 1
"""Raised when shingles, signatures or files change."""
SAME = ("words", "bands", "rows", "seed")
"""Settings that shingles and signatures are made with. The threshold is not among them."""


def layout(config: Config, **more: Any) -> dict[str, Any]:
    """What the description of a folder says."""
    return {"format": FORMAT, "version": VERSION, **{name: getattr(config, name) for name in SAME}, **more}


def check_layout(found: Any, config: Config, folder: Path) -> None:
    """Another format or version is an ArtifactError, another setting a ConfigError."""
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ArtifactError(f"{folder} holds no shingles and signatures of documents.", key=str(folder))
    if found.get("version") != VERSION:
        raise ArtifactError(
            f"{folder} was written in version {found.get('version')} of the format; this is version {VERSION}.",
            key=str(folder), value=found.get("version"), remedy="Write it again with this version of herdbook.",
        )  # fmt: skip
    for name in SAME:
        if found.get(name) != getattr(config, name):
            raise ConfigError(
                f"{folder} was written with {name} = {found.get(name)}, and {getattr(config, name)} is asked for.",
                key=name, value=getattr(config, name), remedy=f"Set {name} = {found.get(name)}, or begin a new folder.",
            )  # fmt: skip


def open_files(folder: Path, config: Config) -> tuple[FlatFile, FlatFile, FlatFile]:
    """(values, offsets, signatures) of a folder."""
    return (
        FlatFile(folder / "values.u64", np.uint64),
        FlatFile(folder / "offsets.i64", np.int64),
        FlatFile(folder / "signatures.u32", np.uint32, config.bands * config.rows),
    )
