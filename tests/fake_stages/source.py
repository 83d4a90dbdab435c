"""Makes "documents": some numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from herdbook import storage
from herdbook.errors import InputError
from herdbook.workspace import InputSpec, Workspace

KIND_OUT = "documents"
VERSION = 1
INPUTS: dict[str, InputSpec] = {}


@dataclass(frozen=True, kw_only=True)
class Config:
    count: int = 5
    """How many numbers."""
    path: tuple[str, ...] = ()
    """Files whose bytes are part of the input."""
    workers: int = field(default=1, metadata={"identity": False})
    """Has no effect on the result."""
    noise: bool = field(default=False, metadata={"identity": False})
    """Breaks the rule: another content each time."""


def fingerprint(config: Config) -> str:
    digest = hashlib.sha256()
    for name in config.path:
        if not Path(name).exists():
            raise InputError(f"There is no file {name}.", key="path")
        digest.update(Path(name).read_bytes())
    return digest.hexdigest()


def estimate(config: Config) -> float:
    return 0.5


def run(config: Config, inputs: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    rng = workspace.rng("source")
    numbers = rng.integers(0, 1000, config.count).tolist()
    if config.noise:
        import time

        numbers.append(time.time_ns())
    storage.atomic_write_json(workspace.out / "numbers.json", numbers)
    workspace.say(f"{len(numbers)} numbers")
    return {"count": len(numbers)}
