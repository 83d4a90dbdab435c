"""What a run left behind, read for its report: the ancestors of an artifact, their cards and their metric logs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from herdbook.lineage import Artifact, Pedigree, parent_identities, pedigree
from herdbook.workspace import METRICS

Curves = dict[str, tuple[list[float], list[float]]]
"""Figure -> (steps, values)."""


def ancestors(starts: Iterable[Artifact]) -> list[Artifact]:
    """The given artifacts and all their ancestors that can be found, parents before children, each once."""
    found: dict[str, Artifact] = {}
    places = []
    for start in starts:
        folder = start.path.resolve().parent
        if folder not in places:
            places.append(folder)

        def visit(node: Pedigree) -> None:
            if node.identity in found or node.artifact is None:
                return
            for _, parent in node.parents:
                visit(parent)
            found[node.identity] = node.artifact

        visit(pedigree(start.path, places))
    return list(found.values())


def edges(artifacts: Iterable[Artifact]) -> list[tuple[str, str]]:
    """(identity of the parent, identity of the child) for all of them, known or not."""
    return [(parent, a.identity) for a in artifacts for parent in parent_identities(a.card.parents)]


def descent(artifacts: Iterable[Artifact]) -> list[tuple[str, str]]:
    """(identity of the parent, identity of the child) where the child's weights start from the parent's."""
    found = []
    for artifact in artifacts:
        start = artifact.card.parents.get("policy")
        if isinstance(start, str):
            found.append((start, artifact.identity))
    return found


def curves(artifact: Artifact) -> Curves:
    """The numbers of an artifact's metric log by step; lines without a step are counted, unreadable ones left out."""
    path = artifact.path / METRICS
    found: Curves = {}
    if not path.is_file():
        return found
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if not isinstance(row, dict):
            continue
        step = row.get("step", number)
        for key, value in row.items():
            if key != "step" and _is_number(value) and _is_number(step):
                steps, values = found.setdefault(key, ([], []))
                steps.append(float(step))
                values.append(float(value))
    return found


def scalars(metrics: Any, prefix: str = "") -> dict[str, Any]:
    """The numbers and short texts in nested metrics, under names joined by a dot."""
    if isinstance(metrics, dict):
        flat: dict[str, Any] = {}
        for key, value in metrics.items():
            flat |= scalars(value, f"{prefix}.{key}" if prefix else str(key))
        return flat
    if _is_number(metrics) or isinstance(metrics, bool) or (isinstance(metrics, str) and len(metrics) <= 80):
        return {prefix: metrics}
    return {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
