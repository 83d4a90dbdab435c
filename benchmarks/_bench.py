"""What every benchmark shares: environment, command line, measuring in rounds, table, file of results.

A benchmark is `benchmarks/NAME.py`: it runs under any interpreter (and goes on in .venv-bench), prints a table and
ends with lines `RATIO <peer and variant> <what> = <number>`, the advantage over that peer: more is better, the required
line last.
Standard library only up to `start`, which may replace the process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".venv-bench" / "bin" / "python"


@dataclass(frozen=True)
class Options:
    """The command line of every benchmark."""

    quick: bool
    """A smaller measure of the same thing, in under 50 seconds; its file goes to a temporary folder."""
    data: Path
    """Folder of real data."""
    only: tuple[str, ...] = ()
    """Parts that run; all where none is named."""


def start(description: str, parts: tuple[str, ...] = ()) -> Options:
    """Goes on in .venv-bench if this is another Python, then reads the command line; exit 2 without the peers.

    A benchmark of several `parts` takes `--only PART,...`.
    """
    if Path(sys.prefix).resolve() != PEERS.parent.parent.resolve():
        if not PEERS.exists():
            print("herdbook: the peers of the benchmarks are not installed: make bench-deps", file=sys.stderr)
            sys.exit(2)
        os.execv(PEERS, [str(PEERS), *sys.argv])
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a smaller measure of the same thing, under 50 seconds")
    default = Path(os.environ.get("HERDBOOK_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default, help="folder of real data")
    if parts:
        parser.add_argument("--only", default=",".join(parts), help=f"parts that run: {', '.join(parts)}")
    values = parser.parse_args()
    only = tuple(filter(None, values.only.split(","))) if parts else ()
    if unknown := set(only) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    return Options(quick=values.quick, data=values.data, only=only)


def in_turns(contestants: dict[str, Callable[[], Any]], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Calls per second of each contestant, one figure a round.

    Round by round, every contestant works for about `seconds`, so that a machine that slows down slows all of them.
    Each is called once before, untimed. The order is turned by one each round.
    """
    names = list(contestants)
    for name in names:
        contestants[name]()
    rates: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            calls, began = 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < seconds:
                contestants[name]()
                calls += 1
            rates[name].append(calls / spent)
    return rates


def median_and_spread(values: Iterable[float]) -> tuple[float, float]:
    """Median, and (largest - smallest) / median."""
    ordered = sorted(values)
    middle = statistics.median(ordered)
    return middle, (ordered[-1] - ordered[0]) / middle


def table(header: list[str], rows: list[list[Any]]) -> str:
    """Text columns; numbers to three significant digits after the thousands."""

    def text(cell: Any) -> str:
        if not isinstance(cell, float):
            return str(cell)
        return f"{cell:.3g}" if cell < 100 else f"{cell:,.0f}"

    cells = [header, *([text(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    aligned = [[c.rjust(w) for c, w in zip(row, widths)] for row in cells]
    lines = ["  ".join([row[0].ljust(widths[0]), *right[1:]]) for row, right in zip(cells, aligned)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def hardware() -> dict[str, Any]:
    """Processor, cores that this process may use, GPU, and the versions that matter."""
    model = platform.processor() or platform.machine()
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), flags=re.MULTILINE)
        model = found.group(1).strip() if found else model
    except OSError:
        pass
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": model, "cores": cores, "gpu": gpu, "python": platform.python_version(), "torch": torch.__version__}


def save(name: str, options: Options, results: dict[str, Any]) -> Path:
    """Writes results, hardware and date to benchmarks/results/NAME_HARDWARE_DATE.json (elsewhere with --quick)."""
    machine = hardware()
    short = re.sub(r"[^a-z0-9]+", "-", (machine["gpu"] or machine["cpu"]).lower()).strip("-")
    folder = Path(tempfile.mkdtemp(prefix="herdbook-bench-")) if options.quick else ROOT / "benchmarks" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    date = time.strftime("%Y-%m-%d")
    path = folder / f"{name}_{short}-{machine['cores']}-cores_{date}.json"
    path.write_text(json.dumps({"benchmark": name, "date": date, "hardware": machine, **results}, indent=1) + "\n")
    return path


def ratio(peer: str, what: str, value: float) -> None:
    """One line of the contract; the required one is printed last."""
    print(f"RATIO {peer} {what} = {value:.3f}")
