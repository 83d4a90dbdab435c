"""The steps that look at one document at a time: their order, and what of each runs when a unit is measured.

A step's module has, as far as it needs them, `Config`, `mend`, `measure`, `rules` and `span`; see docs/curation.md. A
field of its configuration that is not named in `MEASURED_BY` is a threshold: it is used by `rules` alone, and
changing it measures nothing again. A module without `MEASURED_BY` is measured again whatever changes.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from herdbook.config import from_mapping, to_mapping
from herdbook.errors import InputError
from herdbook.storage import canonical_json, sha256_bytes, sha256_file

MODULES = {
    "normalise": "herdbook.curation.steps.normalise",
    "code": "herdbook.curation.steps.code",
    "personal_data": "herdbook.curation.steps.personal_data",
    "opt_out": "herdbook.curation.steps.opt_out",
    "block_list": "herdbook.curation.steps.block_list",
    "licence": "herdbook.curation.steps.licence",
    "language": "herdbook.curation.steps.language",
    "maths": "herdbook.curation.steps.maths",
    "heuristics": "herdbook.curation.steps.heuristics",
    "nsfw": "herdbook.curation.nsfw",
    "classifiers": "herdbook.curation.steps.classifiers",
    "exact": "herdbook.curation.dedup.exact",
    "url": "herdbook.curation.dedup.url",
    "frequent_lines": "herdbook.curation.dedup.lines",
}
"""In the order in which they mend, measure and judge."""
LISTS = ("files", "word_lists", "domains")
"""Settings that name files of the user's."""
VERSION = 5
"""Raised when a step measures something else than before, or stores it otherwise: measured units of older versions are
not used."""


@dataclass(frozen=True)
class Step:
    """A step by its name in recipes, with its module."""

    name: str
    module: ModuleType

    @property
    def config_class(self) -> type[Any] | None:
        """The step's configuration, if it has one."""
        return getattr(self.module, "Config", None)


def step(name: str) -> Step:
    """The step of a name."""
    return Step(name, importlib.import_module(MODULES[name]))


@dataclass(frozen=True)
class Settings:
    """What is needed to measure a unit: how to read, and the steps' configurations by name. Steps not named are off."""

    reading: Any = None
    steps: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data, to cross to a worker."""
        return {
            "reading": None if self.reading is None else to_mapping(self.reading),
            "steps": {name: None if config is None else to_mapping(config) for name, config in self.steps.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """The reverse of `to_json`."""
        reading = None
        if data["reading"] is not None:
            from herdbook.curation.reading import Config as ReadingConfig

            reading = from_mapping(ReadingConfig, data["reading"], "reading")
        steps: dict[str, Any] = {}
        for name, values in data["steps"].items():
            config_class = step(name).config_class
            steps[name] = None if config_class is None else from_mapping(config_class, values or {}, name)
        return cls(reading, steps)

    def key(self) -> str:
        """A hash of everything that changes what is measured; thresholds do not."""
        relevant = {}
        for name, config in self.steps.items():
            values = {} if config is None else to_mapping(config)
            named = getattr(step(name).module, "MEASURED_BY", None)
            values = values if named is None else {key: values[key] for key in named}
            relevant[name] = {**values, "": [sha256_file(file) for file in external_files(config)]}
        reading = None if self.reading is None else to_mapping(self.reading)
        return sha256_bytes(canonical_json([VERSION, reading, relevant]))


def external_files(config: Any) -> list[Path]:
    """Files of the user's that a step reads beside the texts: word lists, block lists. InputError for one that is not
    there."""
    found = [Path(name).expanduser() for key in LISTS for name in getattr(config, key, ())]
    for path in found:
        if not path.is_file():
            raise InputError(f"There is no file {path}.", key=str(path), remedy="Give a file that exists.")
    return found


def measuring_steps(settings: Settings) -> Iterator[tuple[Step, Any]]:
    """The steps that are on, in order, with their configurations."""
    for name in MODULES:
        if name in settings.steps:
            yield step(name), settings.steps[name]


def settings_of(configs: Any, reading: Any, skip: tuple[str, ...]) -> Settings:
    """Settings from a dataclass with a field for each step."""
    named = {f.name for f in dataclasses.fields(configs)}
    steps = {name: getattr(configs, name) if name in named else None for name in MODULES if name not in skip}
    return Settings(reading, steps)
