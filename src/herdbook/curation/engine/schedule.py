"""Who works on which unit, and when: rows of a Daft plan, run by Daft's engine here or by Ray on a cluster.

A task is a JSON text, its result another; what a task does is decided by the name of a function in `TASKS`. Daft and
Ray carry these texts about and know nothing else. A worker that meets an error of this package sends it back as its
result, so that the user reads one message and no stack of somebody's scheduler.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from herdbook.curation.engine.worker import begin
from herdbook.errors import ConfigError, StageFailed, from_json, to_json, translate

TASKS = {"measure": "herdbook.curation.engine.measure:measure_unit"}
"""Name of a task -> where its function stands. A worker calls nothing else."""
_QUIET = {
    "DO_NOT_TRACK": "1",
    "DAFT_ANALYTICS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_raylet_start_wait_time_s": "180",  # a busy machine starts it slowly
}


@dataclass(frozen=True)
class Cluster:
    """Where units are worked on."""

    engine: str = "native"
    """"native": this machine, in this process or in a few beside it; "ray": a Ray cluster."""
    ray_address: str | None = None
    """Address of the cluster ("auto", "host:port", "ray://host:port"); None starts Ray on this machine."""
    workers: int = 1
    """Units that are worked on at once on this machine."""
    processes: bool = True
    """Whether several workers are processes of their own; else they are threads of this one, which start at once but
    wait for each other wherever Python itself works."""


def perform(task: str, job: str) -> str:
    """Runs one task and returns its result, or its error, as JSON."""
    try:
        module, _, name = TASKS[task].partition(":")
        function: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
        return json.dumps({"result": function(json.loads(job))})
    except Exception as error:
        known = translate(error)
        if known is None:
            import traceback

            traceback.print_exc()
            text = " ".join(str(error).split())[:300]
            known = StageFailed(f"A unit could not be worked on: {type(error).__name__}: {text}")
        return json.dumps({"error": to_json(known)})


def results(task: str, jobs: Sequence[Any], cluster: Cluster) -> Iterator[Any]:
    """Results of the jobs as they come; the order is the scheduler's. The first error ends it and is raised."""
    if not jobs:
        return
    texts = [json.dumps(job) for job in jobs]
    rows = map(json.loads, _run(task, texts, cluster))
    for row in rows:
        if "error" in row:
            raise from_json(row["error"])
        yield row["result"]


def _run(task: str, jobs: Sequence[str], cluster: Cluster) -> Iterator[str]:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import daft

    if cluster.engine == "ray":
        _connect(cluster)
        frame = daft.from_pydict({"job": list(jobs)}).into_partitions(len(jobs))
        work = _in_processes(daft, task, None, None)
    else:
        _take_runner("native", daft.set_runner_native)
        frame = daft.from_pydict({"job": list(jobs)})
        workers = max(1, min(cluster.workers, len(jobs)))
        if workers > 1 and cluster.processes:
            work = _in_processes(daft, task, workers, os.getpid())
        else:
            work = _in_threads(daft, task, workers)
    with daft.execution_config_ctx(maintain_order=False):  # else a worker waits until an earlier job of another is done
        for row in frame.select(work(frame["job"]).alias("result")).iter_rows():
            yield row["result"]


def _in_processes(daft: Any, task: str, workers: int | None, parent: int | None) -> Any:
    """The one expression of the plan: a job becomes its result, in a process of Daft's or Ray's."""

    @daft.cls(max_concurrency=workers, use_process=workers is not None)
    class Worker:
        def __init__(self, task: str, parent: int | None) -> None:
            self.task = task
            if parent is not None:
                begin()

        @daft.method.batch(return_dtype=daft.DataType.string(), batch_size=1)
        def __call__(self, jobs: Any) -> Any:
            return [perform(self.task, job) for job in jobs.to_pylist()]

    return Worker(task, parent)


def _in_threads(daft: Any, task: str, workers: int) -> Any:
    """The same in Daft's threads, of which there are as many as cores: up to `workers` of them work at once."""

    @daft.func.batch(return_dtype=daft.DataType.string(), batch_size=1, use_process=False)
    def work(jobs: Any) -> Any:
        found = []
        for job in jobs.to_pylist():
            with _at_once(workers):
                found.append(perform(task, job))
        return found

    return work


@functools.cache
def _at_once(workers: int) -> threading.BoundedSemaphore:
    """Lets so many threads of this process pass at once."""
    return threading.BoundedSemaphore(workers)


def _take_runner(name: str, take: Callable[[], Any]) -> None:
    """Daft lets a process choose its runner once; a second choice of the same one is no error here."""
    from daft.exceptions import DaftCoreException
    from daft.runners import get_or_create_runner

    try:
        take()
    except DaftCoreException as error:
        if get_or_create_runner().name != name:
            raise ConfigError(
                "this process works with another scheduler of units already.", key="run.engine", value=name,
                remedy="Start a new process, or use herdbook.run, which gives each stage its own.",
            ) from error  # fmt: skip


def _answers(address: str, seconds: float = 10.0) -> None:
    """Raises ConfigError where nothing listens at "host:port" or "ray://host:port": Ray itself asks for minutes."""
    import socket
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
        if host and port:
            socket.create_connection((host, port), timeout=seconds).close()
    except (OSError, ValueError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: BaseException) -> ConfigError:
    text = " ".join(str(error).split())[:200]
    return ConfigError(
        f"There is no Ray cluster at {address}: {text}", key="run.ray_address", value=address,
        remedy="Start one (`ray start --head`), or leave --ray-address out to start Ray on this machine.",
    )  # fmt: skip


def _connect(cluster: Cluster) -> None:
    try:
        import daft
        import ray
    except ImportError as error:
        raise ConfigError(
            "engine = 'ray' needs Ray.", key="run.engine", value="ray", remedy="pip install 'herdbook[cluster]'."
        ) from error
    if not ray.is_initialized():
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": False}
        if cluster.ray_address is None:
            settings |= {
                "num_cpus": max(1, cluster.workers),
                "include_dashboard": False,
            }
        else:
            settings["address"] = cluster.ray_address
            _answers(cluster.ray_address)
        try:
            ray.init(**settings)
        except (ConnectionError, ValueError) as error:
            raise _no_cluster(str(cluster.ray_address), error) from error
    _take_runner("ray", lambda: daft.set_runner_ray(noop_if_initialized=True))
