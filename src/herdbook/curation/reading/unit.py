"""A unit of reading: whole files, or a range of one, with everything that a worker needs to read it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

from herdbook.curation.reading.source import Source


@dataclass(frozen=True)
class File:
    """A file as it was when the units were planned: its name below the source (posix), where it is, its size in bytes,
    and its time of change or version."""

    name: str
    path: str
    size: int
    stamp: str


@dataclass(frozen=True)
class Unit:
    """Files that are read in one go, or a range of one: records that begin from byte (Parquet: row group) `start` to
    before `stop`, None: to the end."""

    key: str
    path: str
    format: str
    start: int
    stop: int | None
    size_bytes: int
    source: Source
    files: tuple[File, ...]

    def to_json(self) -> dict[str, Any]:
        """The unit as plain data."""
        return asdict(self) | {"files": [asdict(file) for file in self.files]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Unit:
        """The reverse of `to_json`."""
        files = tuple(File(**file) for file in data["files"])
        return cls(**{**data, "source": Source(**data["source"]), "files": files})


def unit_of(
    source: Source, format: str, files: Sequence[File], start: int = 0, stop: int | None = None, size: int | None = None
) -> Unit:
    """A unit with its key: a hash of names, sizes, times, range, format and the settings of the source. Where the
    source lies is no part of it, so a folder that is moved with its times keeps its units."""
    settings = {key: value for key, value in asdict(source).items() if key != "path"} | {"name": source.title}
    stamps = [(file.name, file.size, file.stamp) for file in files]
    facts = json.dumps([settings, format, stamps, start, stop], sort_keys=True)
    key = blake2b(facts.encode(), digest_size=16).hexdigest()
    size = sum(file.size for file in files) if size is None else size
    return Unit(key, files[0].path, format, start, stop, size, source, tuple(files))
