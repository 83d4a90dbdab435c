"""What a stage works with: random streams, the metric log, inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from herdbook import errors, storage
from herdbook.workspace import Workspace, one, several


def test_random_streams_depend_on_seed_and_names_only(tmp_path: Path) -> None:
    first, other = Workspace.local(tmp_path / "a", seed=1), Workspace.local(tmp_path / "b", seed=2)
    assert first.rng("x", 3).random() == first.rng("x", 3).random()
    values = {w.rng(*names).random() for w in (first, other) for names in ((), ("x",), ("x", 3), ("x3",), ("x", "3"))}
    assert len(values) == 10
    assert first.rng("x", 3).integers(1 << 60) == 452623734483143066  # pinned: streams must not change between versions
    assert 0 <= first.seed_for("x") < 1 << 63


def test_the_metric_log_is_cut_to_the_checkpoint(tmp_path: Path) -> None:
    workspace = Workspace.local(tmp_path / "a")
    workspace.truncate_log(0)  # nothing there: nothing to do
    workspace.log(note="start")
    for step in (1, 2, 3):
        workspace.log(step=step, loss=1 / step)
    log = workspace.out / "metrics.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"step": 4, "lo')
    workspace.truncate_log(3)
    assert log.read_bytes() == whole
    workspace.truncate_log(1)
    assert list(storage.read_jsonl(log)) == [{"note": "start"}, {"step": 1, "loss": 1.0}]


def test_only_rank_0_writes_the_log(tmp_path: Path) -> None:
    workspace = Workspace.local(tmp_path / "a")
    workspace.rank = 1
    workspace.log(step=1)
    assert not (workspace.out / "metrics.jsonl").exists()


def test_inputs() -> None:
    assert several({}, "models") == []
    with pytest.raises(errors.ArtifactError, match="Input `policy` is missing"):
        one({}, "policy")
