"""What a run shows: for people a line a stage and one moving line, for machines JSON lines."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from herdbook.progress import Event, Sink, TerminalSink, duration, json_sink, quiet_sink
from herdbook.recipe.plan import COMPLETE, Plan, threads_of


def plan_lines(plan: Plan) -> list[str]:
    """The plan as a table: stage, what would be done, estimated time, inputs."""
    recipe = plan.recipe
    head = f"Recipe {recipe.name} -> {plan.folder}"
    how = f"seed {recipe.head.seed}, device {recipe.run.device}, {threads_of(recipe)} threads"
    rows = [("stage", "kind", "state", "estimate", "inputs")]
    total, unknown = 0.0, 0
    for name, stage in plan.stages.items():
        state = plan.status(name)
        runs = name in plan.selected and (plan.forced or state != COMPLETE)
        if name not in plan.selected:
            state = "left out" if state != COMPLETE else state
        elif plan.forced and state == COMPLETE:
            state = "to run again"
        seconds = stage.estimate_seconds
        if runs:
            total += seconds or 0.0
            unknown += seconds is None
        inputs = ", ".join(
            f"{key}={'+'.join(p if isinstance(p, str) else str(p.path) for p in group)}"
            for key, group in stage.inputs.items()
        )
        rows.append((name, stage.kind, state, duration(seconds) if seconds is not None and runs else "", inputs))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    table = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths)), row[4]]).rstrip() for row in rows]
    note = f" (and {unknown} without an estimate)" if unknown else ""
    return [f"{head}   {how}", *table, f"Estimated time on two cores: {duration(total)}{note}."]


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan for machines."""
    return {
        "event": "plan",
        "recipe": plan.recipe.name,
        "folder": str(plan.folder),
        "final": plan.final,
        "stages": [
            {
                "name": name,
                "kind": stage.kind,
                "makes": stage.kind_out,
                "identity": stage.identity,
                "artifact": str(plan.artifact_folder(name)),
                "state": plan.status(name),
                "selected": name in plan.selected,
                "estimate_seconds": stage.estimate_seconds,
                "inputs": {k: [p if isinstance(p, str) else str(p.path) for p in g] for k, g in stage.inputs.items()},
            }
            for name, stage in plan.stages.items()
        ],
    }


class Console:
    """Turns the events of a run into lines on a terminal or in a log."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.moving = TerminalSink(stream or sys.stderr)
        self.name = ""

    def __call__(self, event: Event) -> None:
        kind = event["event"]
        if kind == "stage":
            self._stage(event)
        elif kind == "say":
            self.moving.line(f"        {event['text']}")
        elif kind == "resume":
            self.moving.line(f"        resumes {event['text']}".rstrip())
        else:
            same = event.get("label") == self.name  # the line begins with it already
            self.moving({**event, "label": ""} if same else event)

    def _stage(self, event: Event) -> None:
        at = f"[{event['index']:2d}/{event['of']}] {event['name']:<12}"
        self.moving.prefix = at + " "
        self.name = event["name"]
        state = event["state"]
        if state == "skipped":
            self.moving.line(f"{at} complete")
        elif state == "done":
            self.moving.line(f"{at} done in {duration(event['seconds'])}, peak {event['peak_memory_gib']:.2f} GiB")
            self.moving.prefix = ""
        elif state == "started":
            estimate = event.get("estimate_seconds")
            about = f", about {duration(estimate)}" if estimate else ""
            self.moving.line(f"{at} {'resumes' if event['resumed'] else 'starts'}{about}")
        else:
            self.moving.clear()


def run_sink(mode: str, stream: TextIO | None = None) -> Sink:
    """The sink of a whole run for "auto", "quiet" or "json"."""
    if mode == "quiet":
        return quiet_sink
    if mode == "json":
        return json_sink(stream)
    if mode == "auto":
        return Console(stream)
    raise ValueError(f"mode {mode!r}: expected 'auto', 'quiet' or 'json'")
