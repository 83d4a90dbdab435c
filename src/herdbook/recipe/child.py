"""Starting the process of a stage, listening to it, watching its memory, and knowing how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

import herdbook
from herdbook import errors
from herdbook.progress import Event, Sink

GIB = 1 << 30
TERM_SECONDS = 2.0
"""How long a stage may take to stop when it is asked to. Nothing depends on it: kill -9 is harmless at any moment."""
END_SECONDS = 10.0
"""How long a stage may take to end after its last event."""


@dataclass(frozen=True)
class Ended:
    """A stage that finished: what it returned and its peak of resident memory, in bytes.

    The peak is the higher of two: what the system recorded of the process, and what was seen of it and its children
    together (once a second).
    """

    metrics: dict[str, Any]
    peak_memory_bytes: int


MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.trim_threshold=4294967296:glibc.malloc.mmap_threshold=4294967296"
"""Settings of glibc's malloc: huge pages, and freed arrays are kept for the next ones.

Otherwise every activation of a training step is mapped anew, page by page: on a CPU over a quarter of the
time of a small model's step (docs/log.md). Other C libraries do not read them.
"""


def environment(threads: int, own: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a stage: threads, memory allocation, fixed hash seed, no telemetry, this package importable.

    `own`: what the stage asks for. GLIBC_TUNABLES and what else the user has set of these stand.
    """
    package_parent = str(Path(herdbook.__file__).resolve().parent.parent)
    env = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        env[name] = str(threads)
    env["PYTHONPATH"] = os.pathsep.join([package_parent, *filter(None, [env.get("PYTHONPATH")])])
    for name, value in {"GLIBC_TUNABLES": MALLOC, **(own or {})}.items():
        env.setdefault(name, value)
    env.update(PYTHONHASHSEED="0", PYTHONUNBUFFERED="1", DO_NOT_TRACK="1", HF_HUB_DISABLE_TELEMETRY="1")
    return env


def run_child(
    job: dict[str, Any], job_file: Path, log: Path, lock: int, sink: Sink, heartbeat: Callable[[float], None]
) -> Ended:
    """Runs the job in a child process and waits for it.

    `heartbeat(seconds)` is called about every two seconds with the time since the start. Raises the child's own error,
    OutOfMemory when it was killed or passed the limit, StageFailed when it crashed, Interrupted on Ctrl-C.
    """
    reader, writer = os.pipe()
    # -P: a user's folder may hold a file json.py; it must not be taken for the library's.
    command = [sys.executable, "-P", "-m", "herdbook.stage_runner", str(job_file), str(writer), str(lock)]
    watch: _Watch | None = None
    try:
        try:
            with open(log, "ab") as output:
                output.write(f"\n=== {time.strftime('%Y-%m-%d %H:%M:%S')} stage {job['name']}\n".encode())
                output.flush()
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=environment(job["threads"], job["environment"]),
                    pass_fds=(writer, lock),
                    process_group=0,
                )
                watch = _Watch(process, job, sink, heartbeat)
        finally:
            os.close(writer)
        watch.listen(reader)
    except KeyboardInterrupt:
        if watch is not None:
            watch.stop(signal.SIGTERM, TERM_SECONDS)
        raise errors.Interrupted(f"Stopped during stage `{job['name']}`.") from None
    finally:
        os.close(reader)
        if watch is not None:
            watch.stop(None, 0.0 if watch.over_limit else END_SECONDS)
    return watch.outcome(log)


def mapped_bytes(pid: int) -> int:
    """What a process has in memory of files that it has mapped (code, weights, vectors), in bytes: the system takes it
    away when memory is wanted, so no limit counts it. Known on Linux; 0 elsewhere and for a process that has ended."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssFile:"):
                return int(line.split()[1]) * 1024
    return 0


class _Watch:
    def __init__(
        self, process: subprocess.Popen[bytes], job: dict[str, Any], sink: Sink, heartbeat: Callable[[float], None]
    ) -> None:
        self.process, self.job, self.sink, self.heartbeat = process, job, sink, heartbeat
        self.limit_gib: float | None = job["memory_limit_gib"]
        self.last: Event | None = None
        self.over_limit = False
        self.peak = 0

    def listen(self, reader: int) -> None:
        """Passes events on until the child's end of the pipe is closed or the child has ended."""
        start = beat = looked = time.monotonic()
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(reader, selectors.EVENT_READ)
            while True:
                ready = selector.select(timeout=0.25)
                now = time.monotonic()
                if now - beat >= 2.0:
                    beat = now
                    self.heartbeat(now - start)
                if now - looked >= (1.0 if self.limit_gib is None else 0.2):
                    looked = now
                    resident, own = self._memory()
                    self.peak = max(self.peak, resident)
                    if self.limit_gib is not None and own > self.limit_gib * GIB:
                        self.over_limit = True
                        return
                if ready:
                    data = os.read(reader, 1 << 16)
                    if not data:
                        return
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        self._event(json.loads(line))
                elif self.process.poll() is not None:
                    return

    def _event(self, event: Event) -> None:
        if event["event"] in ("done", "error"):
            self.last = event
        else:
            self.sink(event)

    def _memory(self) -> tuple[int, int]:
        """(resident memory, what of it is their own) of the stage and its children at this moment, in bytes."""
        resident = own = 0
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(self.process.pid)
            for process in [parent, *parent.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    now = process.memory_info().rss
                    resident += now
                    own += now - mapped_bytes(process.pid)
        return resident, own

    def outcome(self, log: Path) -> Ended:
        name, status = self.job["name"], self.process.returncode
        if self.over_limit:
            raise errors.OutOfMemory(
                f"Stage `{name}` needs more memory than run.memory_limit_gib = {self.limit_gib:g}.",
                remedy="Raise the limit, or take a smaller batch or model.",
                key="run.memory_limit_gib",
            )
        if self.last is not None and self.last["event"] == "error":
            error = errors.from_json(self.last["error"])
            if isinstance(error, errors.StageFailed):
                error.log = str(log)
                error.remedy = f"The traceback is in {log}."
            raise error
        if self.last is not None:
            return Ended(self.last["metrics"], max(self.peak, int(self.last["peak_memory_bytes"])))
        if status == -signal.SIGKILL:
            raise errors.OutOfMemory(
                f"Stage `{name}` was killed by the system (signal 9): most likely memory ran out.",
                remedy="Close other programs, or take a smaller batch or model; then give the same command again.",
            )
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        failed = errors.StageFailed(
            f"Stage `{name}` ended without a result ({how}).", remedy=f"Its output is in {log}."
        )
        failed.log = str(log)
        raise failed

    def stop(self, first: signal.Signals | None, patience: float) -> None:
        """Ends the child's process group: a signal or none, some seconds of patience, then SIGKILL for what is left."""
        if self.process.returncode is None:
            if first is not None:
                self._signal(first)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)
