"""Makes a "model" in many small steps with checkpoints; can fail in several ways."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from herdbook import storage
from herdbook.workspace import InputSpec, Workspace, one

KIND_OUT = "model"
VERSION = 1
INPUTS = {"documents": InputSpec(("documents",)), "policy": InputSpec(("model",), optional=True)}

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Config:
    steps: int = 20
    """Number of steps."""
    lr: float = 0.1
    """Step size."""
    save_every: int = field(default=3, metadata={"identity": False})
    """Steps between checkpoints; 0: none."""
    step_seconds: float = field(default=0.0, metadata={"identity": False})
    """Time that a step takes."""
    fail: str = field(default="", metadata={"identity": False})
    """What goes wrong: "", "bug", "memory", "kill", "exit", "disk" or "metrics"."""
    mib: int = field(default=0, metadata={"identity": False})
    """For fail = "disk" and "hold": how many MiB."""


def run(config: Config, inputs: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    numbers = storage.read_json(one(inputs, "documents").file("numbers.json"))
    checkpoint = workspace.checkpoints / "state.json"
    state = {"step": 0, "weight": 0.0}
    if checkpoint.exists():
        state = storage.read_json(checkpoint)
        workspace.truncate_log(state["step"])
        workspace.note_resume(f"at step {state['step']}")
    with workspace.progress(config.steps, "steps") as bar:
        bar.start_at(state["step"])
        for step in range(state["step"] + 1, config.steps + 1):
            noise = float(workspace.rng("step", step).random())
            state = {"step": step, "weight": state["weight"] + config.lr * (numbers[step % len(numbers)] + noise)}
            workspace.log(step=step, loss=state["weight"])
            if config.save_every and step % config.save_every == 0:
                storage.atomic_write_json(checkpoint, state)
            if step == config.steps // 2:
                _fail(config, workspace)
            if config.step_seconds:
                time.sleep(config.step_seconds)
            bar.update(1, loss=state["weight"])
    storage.atomic_write_json(workspace.out / "params.json", {"weight": state["weight"]})
    return {"weight": state["weight"], "threads": int(os.environ["OMP_NUM_THREADS"])}


def _fail(config: Config, workspace: Workspace) -> None:
    if config.fail == "bug":
        raise KeyError("a mistake of ours")
    if config.fail == "memory":
        raise MemoryError
    if config.fail == "hold":
        held = b"x" * (config.mib * MIB)
        time.sleep(30)
        del held
    if config.fail == "kill":
        os.kill(os.getpid(), 9)
    if config.fail == "exit":
        os._exit(7)
    if config.fail == "disk":
        with open(workspace.out / "big.bin", "wb") as file:
            for _ in range(config.mib):
                file.write(b"x" * MIB)
