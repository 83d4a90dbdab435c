"""Helpers for tests of runs: a small recipe of fake stages, and `herd` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from fake_stages.herd import FAKES

TESTS = Path(__file__).resolve().parent.parent

RECIPE = """\
[recipe]
final = "tuned"

[run]
threads = 1

[stages.source]
count = 4

[stages.base]
kind = "trainer"
inputs = { documents = "source" }
steps = 12

[stages.tuned]
kind = "trainer"
inputs = { documents = "source", policy = "base" }
lr = 0.5

[stages.judge]
inputs = { models = ["base", "tuned"] }
"""


def write_recipe(folder: Path, text: str = RECIPE, name: str = "small") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def run(recipe: Any, out: Path, **settings: Any) -> Any:
    import herdbook

    settings.setdefault("mode", "quiet")
    return herdbook.run(recipe, out=out, stages=FAKES, **settings)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "fake_stages.herd", *map(str, arguments)]


def environment() -> dict[str, str]:
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent / "src"), env.get("PYTHONPATH", "")])
    return env


def herd(*arguments: str | Path, cwd: Path | None = None, **settings: Any) -> subprocess.CompletedProcess[str]:
    """`herd ARGUMENTS` with the fake stages, in a process of its own, without a terminal."""
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300, **settings
    )


def start(*arguments: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
    """The same in the background."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command(*arguments), cwd=cwd, env=environment(), stdout=pipe, stderr=pipe, text=True)
