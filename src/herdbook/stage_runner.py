"""The process of one stage: `python -m herdbook.stage_runner JOB.json EVENTS_FD`, started by the runner of recipes.

Reads its job, imports the one module that it needs, runs it, and reports events (progress, lines, the end, an error) as
JSON lines on a pipe. Standard output and error go to the stage's log. It dies when its parent dies.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Asks the kernel (Linux) to kill this process when its parent ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before the kernel knew
        os._exit(1)


def peak_memory_bytes() -> int:
    """The highest resident memory of this program, in bytes.

    VmHWM rather than ru_maxrss: the latter starts with the size of the process that started this one.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


class Events:
    """Sends events to the runner, one JSON line each; spoken lines also go to the log."""

    def __init__(self, handle: int) -> None:
        os.set_inheritable(handle, False)
        self._file = os.fdopen(handle, "w", encoding="utf-8")
        self._lock = threading.Lock()

    def __call__(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(event, ensure_ascii=False, default=str) + "\n")
            self._file.flush()
        if event.get("text"):
            print(f"[{event['event']}] {event['text']}")


def run_job(job: dict[str, Any], events: Events) -> dict[str, Any]:
    """Runs the stage of a job and returns its metrics as plain JSON values."""
    from herdbook import config
    from herdbook.lineage import load_artifact
    from herdbook.workspace import Workspace

    stage = importlib.import_module(job["module"])
    getattr(stage, "begin_process", lambda: None)()
    settings = config.from_mapping(stage.Config, job["config"], f"stages.{job['name']}")
    inputs: dict[str, Any] = {
        key: [load_artifact(p) for p in value] if isinstance(value, list) else load_artifact(value)
        for key, value in job["inputs"].items()
    }
    workspace = Workspace(
        out=Path(job["out"]),
        checkpoints=Path(job["checkpoints"]),
        seed=job["seed"],
        device=job["device"],
        rank=job["rank"],
        world_size=job["world_size"],
        threads=job["threads"],
        memory_limit_gib=job["memory_limit_gib"],
        cache=Path(job["cache"]),
        engine=job["engine"],
        ray_address=job["ray_address"],
        name=job["name"],
        sink=events,
        resumes=job["resumes"],
    )
    metrics = stage.run(settings, inputs, workspace)
    if not isinstance(metrics, dict):
        raise TypeError(f"run() of {job['module']} returned {type(metrics).__name__} instead of a dict of metrics")
    plain: dict[str, Any] = json.loads(json.dumps(metrics))
    return plain


def main(arguments: list[str]) -> int:
    """Runs the job of a file; exit status 0, or that of the error (which is also reported as an event)."""
    job_file, handle, lock = arguments[0], int(arguments[1]), int(arguments[2])
    os.set_inheritable(lock, False)  # held, so that the run folder stays locked as long as this process lives
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner decides: it stops the whole group
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    die_with(job["parent"])
    sys.path[:] = job["sys_path"]
    events = Events(handle)
    from herdbook import errors

    try:
        metrics = run_job(job, events)
        sys.stdout.flush()
        events({"event": "done", "metrics": metrics, "peak_memory_bytes": peak_memory_bytes()})
        return 0
    except BaseException as error:
        traceback.print_exc()
        known = errors.translate(error)
        if known is None:
            text = " ".join(str(error).split())
            shown = f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
            known = errors.StageFailed(f"Stage `{job['name']}` failed: {shown}")
        events({"event": "error", "error": errors.to_json(known), "peak_memory_bytes": peak_memory_bytes()})
        return known.exit_code


if __name__ == "__main__":
    status = 1
    try:
        status = main(sys.argv[1:])
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                pass  # the log's disk is full; the event has been sent
        os._exit(status)  # no waiting for threads of libraries: everything that counts is written
