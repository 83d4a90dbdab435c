"""Running a plan: each stage in a process of its own, published atomically with its card, resumed when interrupted.

Layout of a run folder::

    stages/NAME-<identity12>/   published artifacts
    work/NAME/                  an unfinished stage: out/, checkpoints/, work.json (what it belongs to), job.json
    cache/                      what another run may use again (units that curation has measured); may be deleted
    logs/NAME.log               output and tracebacks of the stage
    recipe.json                 stage name -> artifact folder, and the final stage
    lock                        held while a run or `herd clean` is at work
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import herdbook
from herdbook import config, lineage, storage
from herdbook.errors import ConfigError, HerdbookError, Interrupted, UserError
from herdbook.lineage import Artifact, Card
from herdbook.progress import Sink
from herdbook.recipe.child import GIB, Ended, run_child
from herdbook.recipe.lock import locked
from herdbook.recipe.parse import Recipe
from herdbook.recipe.plan import COMPLETE, INTERRUPTED, Plan, plan, threads_of
from herdbook.recipe.registry import STAGES
from herdbook.recipe.show import run_sink
from herdbook.workspace import METRICS

REPORT_FILES = ("report.html", "report.json")


@dataclass(frozen=True)
class RunResult:
    """What a run made and found."""

    folder: Path
    artifacts: dict[str, Artifact]
    """Stage name -> artifact, for all stages of the recipe that are there."""
    final: Artifact | None
    """The artifact of the recipe's final stage, when it is there."""
    report: Path | None
    """The report's HTML file, when the recipe makes one and it is there."""
    ran: tuple[str, ...]
    skipped: tuple[str, ...]
    seconds: float


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    only: Sequence[str] = (),
    from_stage: str | None = None,
    force: bool = False,
    seed: int | None = None,
    mode: str = "auto",
    stages: Mapping[str, str] = STAGES,
    sink: Sink | None = None,
) -> RunResult:
    """Runs a recipe: what is complete is skipped, what was interrupted is resumed, what is missing is made.

    `recipe` is a file, the name of a shipped recipe, or a mapping; `out` the run folder (default `runs/<recipe>`);
    `overrides` e.g. {"sft.lr": 1e-3, "run.threads": 2}. `only` limits the run to the named stages, `from_stage` to a
    stage and what descends from it; `force` makes them again even where complete. `mode` is "auto", "quiet" or "json";
    a `sink` of one's own receives the events instead. `stages` maps kinds to modules.

    Raises the errors of `herdbook.errors`; Ctrl-C becomes `Interrupted`.
    """
    begun = time.monotonic()
    what = plan(
        recipe, out=out, overrides=overrides, only=only, from_stage=from_stage, force=force, seed=seed, stages=stages
    )
    _check_device(what.recipe.run.device)
    show = sink or run_sink(mode)
    ran: list[str] = []
    skipped: list[str] = []
    with locked(what.folder) as lock:
        _write_run_file(what)
        for name in what.selected:
            state = what.status(name)
            head = {"event": "stage", "name": name, "kind": what.stages[name].kind, "index": _index(what, name)}
            head["of"] = len(what.stages)
            if state == COMPLETE and not what.forced:
                what.check_artifact(name)
                storage.remove_tree(what.work_folder(name))  # left when a run died between publishing and tidying up
                show({**head, "state": "skipped"})
                skipped.append(name)
                continue
            try:
                _run_stage(what, name, lock, head, show)
            except KeyboardInterrupt:
                show({**head, "state": "stopped"})
                raise Interrupted(f"Stopped during stage `{name}`.", remedy=_how_to_resume(what)) from None
            except HerdbookError as error:
                show({**head, "state": "stopped"})
                if isinstance(error, Interrupted):
                    error.remedy = _how_to_resume(what)
                raise
            ran.append(name)
        report = _copy_report(what)
    artifacts = {name: artifact for name in what.stages if (artifact := what.artifact(name))}
    final = artifacts.get(what.final) if what.final else None
    seconds = time.monotonic() - begun
    show({
        "event": "end", "folder": str(what.folder), "final": what.final if final else None,
        "report": str(report) if report else None, "ran": ran, "skipped": skipped, "seconds": seconds,
    })  # fmt: skip
    return RunResult(what.folder, artifacts, final, report, tuple(ran), tuple(skipped), seconds)


def _check_device(device: str) -> None:
    """Says that there is no such GPU before the first stage has run for nothing."""
    if device == "cpu":
        return
    import torch

    count = torch.cuda.device_count()
    number = int(device.partition(":")[2] or 0)
    if number >= count:
        raise ConfigError(
            f"run.device = {device!r}: PyTorch sees {count or 'no'} CUDA device{'s' if count > 1 else ''} here.",
            remedy="Take --run.device=cpu, or install PyTorch's CUDA build.",
            key="run.device",
            value=device,
        )


def _index(what: Plan, name: str) -> int:
    return list(what.stages).index(name) + 1


def _how_to_resume(what: Plan) -> str:
    return f"Nothing finished is lost: the same command{' without --force' if what.forced else ''} goes on from here."


def _write_run_file(what: Plan) -> None:
    sources = [source for stage in what.stages.values() for group in stage.inputs.values() for source in group]
    external = {str(source.path.resolve()) for source in sources if isinstance(source, Artifact)}
    storage.atomic_write_json(
        what.folder / lineage.RUN_FILE,
        {
            "recipe": what.recipe.name,
            "final": what.final,
            "stages": {name: f"stages/{stage.folder_name}" for name, stage in what.stages.items()},
            "external": sorted(external),
        },
    )


def _run_stage(what: Plan, name: str, lock: int, head: Mapping[str, Any], show: Sink) -> None:
    stage, work = what.stages[name], what.work_folder(name)
    final = what.artifact_folder(name)
    log = what.folder / "logs" / f"{name}.log"
    if what.forced:
        storage.remove_tree(work)
        storage.remove_tree(final)
    key = what.work_key(name)
    with storage.disk_errors():
        record = _prepare_work(work, key, what.status(name) == INTERRUPTED)
        log.parent.mkdir(parents=True, exist_ok=True)
        job_file = work / "job.json"
        job = _job(what, name, work, int(record["resumes"]))
        storage.atomic_write_json(job_file, job)
    before = float(record["wall_seconds"])
    show({
        **head, "state": "started", "resumed": record["resumes"] > 0,
        "estimate_seconds": stage.estimate_seconds, "log": str(log),
    })  # fmt: skip
    start = time.monotonic()

    def heartbeat(seconds: float) -> None:
        with contextlib.suppress(OSError):
            _write_record(work, {**record, "wall_seconds": before + seconds})

    try:
        with storage.disk_errors():
            ended = run_child(job, job_file, log, lock, show, heartbeat)
            card = _card(what, name, ended, before + time.monotonic() - start, int(record["resumes"]))
            card = lineage.seal_artifact(work / "out", card)
            storage.publish(work / "out", final)
            storage.remove_tree(work)
    except BaseException:
        with contextlib.suppress(OSError):
            heartbeat(time.monotonic() - start)
            _drop_half_written(work)
        raise
    show({
        **head, "state": "done", "seconds": card.wall_seconds, "peak_memory_gib": card.peak_memory_gib,
        "metrics": card.metrics, "artifact": str(final),
    })  # fmt: skip


def _prepare_work(work: Path, key: Mapping[str, Any], resumes: bool) -> dict[str, Any]:
    """The work folder as a stage may start in it, and its record. What belongs to other settings is thrown away."""
    record: dict[str, Any] = {"key": dict(key), "wall_seconds": 0.0, "resumes": 0}
    if resumes:
        record = storage.read_json(work / "work.json")
        record["resumes"] += 1
        _drop_half_written(work)
    else:
        storage.remove_tree(work)
    (work / "out").mkdir(parents=True, exist_ok=True)
    (work / "checkpoints").mkdir(parents=True, exist_ok=True)
    _write_record(work, record)
    return record


def _write_record(work: Path, record: Mapping[str, Any]) -> None:
    """Replaces work.json in one step, without waiting for the disk."""
    temporary = work / ".work.json.tmp"
    temporary.write_text(json.dumps(record), encoding="utf-8")
    os.replace(temporary, work / "work.json")


def _drop_half_written(work: Path) -> None:
    """Removes unfinished output. Of a stage with checkpoints these and the metric log are kept, otherwise nothing."""
    if not any((work / "checkpoints").glob("*")):
        storage.remove_tree(work)
        return
    for path in (work / "out").glob("*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != METRICS:
            path.unlink()
    for path in work.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def _job(what: Plan, name: str, work: Path, resumes: int) -> dict[str, Any]:
    stage, settings = what.stages[name], what.recipe.run
    inputs: dict[str, Any] = {}
    for key, group in what.parents_of(name).items():
        paths = [str(artifact.path.resolve()) for artifact in group if artifact is not None]
        if len(paths) != len(group):
            raise UserError(f"An input of stage `{name}` is gone.", remedy="Give the same command again.")
        inputs[key] = paths if key in stage.many else paths[0]
    return {
        "name": name,
        "module": stage.module,
        "config": config.to_mapping(stage.config),
        "inputs": inputs,
        "seed": stage.seed,
        "device": settings.device,
        "threads": threads_of(what.recipe),
        "environment": dict(getattr(importlib.import_module(stage.module), "ENVIRONMENT", {})),
        "memory_limit_gib": settings.memory_limit_gib,
        "cache": str((what.folder / "cache").resolve()),
        "engine": settings.engine,
        "ray_address": settings.ray_address,
        "rank": 0,
        "world_size": 1,
        "out": str((work / "out").resolve()),
        "checkpoints": str((work / "checkpoints").resolve()),
        "resumes": resumes,
        "parent": os.getpid(),
        "sys_path": list(sys.path),
    }


def _card(what: Plan, name: str, ended: Ended, wall_seconds: float, resumes: int) -> Card:
    stage = what.stages[name]
    parents = [artifact for group in what.parents_of(name).values() for artifact in group if artifact is not None]
    return Card(
        kind=stage.kind_out,
        name=name,
        identity=stage.identity,
        stage=stage.kind,
        parents=stage.parents,
        parent_contents={a.identity: a.card.content_hash for a in parents},
        parent_names={a.identity: a.name for a in parents},
        config=config.to_mapping(stage.config),
        without_effect=config.fields_without_effect(type(stage.config)),
        seed=stage.seed,
        version=stage.version,
        fingerprint=stage.fingerprint,
        metrics=ended.metrics,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        wall_seconds=round(wall_seconds, 3),
        peak_memory_gib=round(ended.peak_memory_bytes / GIB, 3),
        resumes=resumes,
        device=what.recipe.run.device,
        threads=threads_of(what.recipe),
        world_size=1,
        machine=lineage.machine(),
        package_version=herdbook.__version__,
        git_commit=git_commit(),
    )


@functools.cache
def git_commit() -> str | None:
    """The commit of the checkout that this package runs from, with "-dirty" where files differ; None when installed."""
    package = Path(herdbook.__file__).resolve().parent
    root = package.parent.parent
    if not (root / ".git").exists() or package.parent.name != "src":
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return answer.stdout.strip() or None
    return None


def _copy_report(what: Plan) -> Path | None:
    """Copies the last report to the run folder, where it is easy to find."""
    reports = [name for name, stage in what.stages.items() if stage.kind_out == "report"]
    artifact = what.artifact(reports[-1]) if reports else None
    if artifact is None:
        return None
    for name in REPORT_FILES:
        source = artifact.path / name
        if source.is_file():
            storage.atomic_write_bytes(what.folder / name, source.read_bytes())
    html = what.folder / REPORT_FILES[0]
    return html if html.is_file() else None
