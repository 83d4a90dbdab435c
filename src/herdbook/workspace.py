"""What a stage is given to work with: seed, device, folders, metric log, progress.

A stage module has `KIND_OUT`, `VERSION`, `INPUTS`, `Config` and `run(config, inputs, workspace) -> metrics`: see
`Stage`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from herdbook import storage
from herdbook.errors import ArtifactError
from herdbook.lineage import Artifact
from herdbook.progress import Progress, Sink, make_sink

if TYPE_CHECKING:
    import numpy as np

METRICS = "metrics.jsonl"

Inputs = Mapping[str, "Artifact | list[Artifact]"]


@dataclass(frozen=True)
class InputSpec:
    """One input of a stage: the kinds of artifact that it takes, whether it may be absent, whether it is a list."""

    kinds: tuple[str, ...]
    optional: bool = False
    many: bool = False


@runtime_checkable
class Stage(Protocol):
    """What a stage module must have. Optional: `fingerprint(config) -> str`, `estimate(config) -> seconds`,
    `begin_process()`, called once in the process that runs this stage and nothing else, and `ENVIRONMENT: dict[str,
    str]`, variables that this process is started with (the user's own stand)."""

    KIND_OUT: str
    VERSION: int
    INPUTS: dict[str, InputSpec]
    Config: type[Any]

    def run(self, config: Any, inputs: Any, workspace: Workspace) -> dict[str, Any]: ...


def one(inputs: Inputs, name: str) -> Artifact:
    """The single artifact given for an input."""
    value = inputs.get(name)
    if not isinstance(value, Artifact):
        raise ArtifactError(f"Input `{name}` is missing.", key=name)
    return value


def several(inputs: Inputs, name: str) -> list[Artifact]:
    """The artifacts given for an input, as a list (empty where it is absent)."""
    value = inputs.get(name)
    return [] if value is None else [value] if isinstance(value, Artifact) else list(value)


@dataclass
class Workspace:
    """The surroundings of one run of a stage."""

    out: Path
    """Folder that is published when `run` returns. Empty at the start, except for the metric log after a resume."""
    checkpoints: Path
    """Folder that survives kill -9 and is removed after publication. Anything in it at the start is from before."""
    seed: int = 0
    device: str = "cpu"
    rank: int = 0
    world_size: int = 1
    threads: int = 1
    memory_limit_gib: float | None = None
    cache: Path = Path("cache")
    """Folder of what may be used again by another run, under keys that say all that it depends on; it may be gone."""
    engine: str = "native"
    """Who schedules the units of curation: "native" or "ray"."""
    ray_address: str | None = None
    name: str = "stage"
    sink: Sink = field(default_factory=make_sink)
    resumes: int = 0

    @classmethod
    def local(cls, out: Path | str, seed: int = 0, device: str = "cpu", *, mode: str = "quiet") -> Workspace:
        """A workspace without a runner, for tests and notebooks: `out` and, beside it, `OUT.checkpoints`.

        Output goes to `out` itself; nothing is published. `mode` is "quiet", "auto" or "json". The cache is
        `OUT.cache`.
        """
        out = Path(out)
        checkpoints = out.with_name(out.name + ".checkpoints")
        out.mkdir(parents=True, exist_ok=True)
        checkpoints.mkdir(parents=True, exist_ok=True)
        threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
        cache = out.with_name(out.name + ".cache")
        return cls(
            out=out,
            checkpoints=checkpoints,
            seed=seed,
            device=device,
            threads=threads,
            cache=cache,
            sink=make_sink(mode),
        )

    def rng(self, *names: str | int) -> np.random.Generator:
        """A NumPy generator that depends on the seed and the names only; other names give an independent stream."""
        import numpy as np

        return np.random.Generator(np.random.PCG64(self.seed_for(*names)))

    def seed_for(self, *names: str | int) -> int:
        """A 63-bit seed that depends on the seed and the names only, for generators other than NumPy's."""
        digest = storage.sha256_bytes(storage.canonical_json([self.seed, *names]))
        return int(digest[:16], 16) >> 1

    def log(self, **figures: Any) -> None:
        """Appends a line of figures (usually with `step=`) to `out/metrics.jsonl`. Only rank 0 writes."""
        if self.rank == 0:
            with storage.disk_errors(), open(self.out / METRICS, "ab") as file:
                file.write(json.dumps(figures).encode() + b"\n")

    def truncate_log(self, step: int) -> None:
        """Keeps the metric log up to and including `step`; what came after the checkpoint will be written again.

        A line that was cut by a kill is dropped. Lines without a step are kept where they stand before the first that
        goes.
        """
        path = self.out / METRICS
        if self.rank != 0 or not path.exists():
            return
        kept: list[bytes] = []
        for line in path.read_bytes().splitlines(keepends=True):
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if line.endswith(b"\n") and row.get("step", step) <= step:
                    kept.append(line)
                    continue
            break
        storage.atomic_write_bytes(path, b"".join(kept))

    def progress(self, total: float | None, unit: str = "", label: str = "") -> Progress:
        """A progress counter that reports to this workspace's sink."""
        return Progress(total, unit, label or self.name, self.sink)

    def say(self, text: str) -> None:
        """Shows a line to the user and keeps it in the log."""
        self.sink({"event": "say", "stage": self.name, "text": text})

    def note_resume(self, detail: str = "") -> None:
        """To be called when a stage takes up its checkpoint; `detail` says where ("step 300 of 1000")."""
        self.sink({"event": "resume", "stage": self.name, "text": detail})
