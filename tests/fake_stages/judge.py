"""Makes an "evaluation" of several models, and a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from herdbook import storage
from herdbook.workspace import InputSpec, Workspace, several

KIND_OUT = "report"
VERSION = 1
INPUTS = {"models": InputSpec(("model",), many=True)}


@dataclass(frozen=True, kw_only=True)
class Config:
    digits: int = 3
    """How many digits are shown."""

    def __post_init__(self) -> None:
        if self.digits < 0:
            raise ValueError(f"digits = {self.digits}: expected 0 or more")


def run(config: Config, inputs: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    weights = {model.name: round(model.metrics["weight"], config.digits) for model in several(inputs, "models")}
    storage.atomic_write_json(workspace.out / "report.json", weights)
    storage.atomic_write_text(workspace.out / "report.html", f"<p>{weights}</p>")
    return {"weights": weights}
