"""Stages that fail, disks that fill, memory that runs out: one clear message, exit 1, nothing half-written."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_stages.runs import herd, run, write_recipe

from herdbook import errors


def test_an_unforeseen_exception_is_one_line_and_a_log(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    answer = herd("run", recipe, "--out", out, "--base.fail=bug")
    log = out / "logs" / "base.log"
    assert answer.returncode == 1
    expected = f"herd: Stage `base` failed: KeyError: 'a mistake of ours' The traceback is in {log}."
    assert answer.stderr.splitlines()[-1] == expected
    assert "Traceback" not in answer.stderr + answer.stdout
    assert "in _fail" in log.read_text()
    assert run(recipe, out).ran == ("base", "tuned", "judge")


@pytest.mark.parametrize(
    "fail, kind, expected",
    [
        ("memory", errors.OutOfMemory, "Memory ran out"),
        ("kill", errors.OutOfMemory, r"Stage `base` was killed by the system \(signal 9\): most likely memory ran out"),
        ("exit", errors.StageFailed, r"Stage `base` ended without a result \(status 7\)"),
    ],
)
def test_errors_travel_from_the_stage(
    tmp_path: Path, fail: str, kind: type[errors.HerdbookError], expected: str
) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    with pytest.raises(kind, match=expected) as caught:
        run(recipe, out, overrides={"base.fail": fail, "base.save_every": 0})
    assert caught.value.exit_code == 1
    assert not (out / "work" / "base").exists()  # without a checkpoint nothing is worth keeping
    assert not list((out / "stages").glob("base-*"))


def test_a_stage_above_the_memory_limit_is_stopped(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    answer = herd("run", recipe, "--out", out, "--base.fail=hold", "--base.mib=400", "--run.memory_limit_gib=0.3")
    assert answer.returncode == 1
    assert "Stage `base` needs more memory than run.memory_limit_gib = 0.3. Raise the limit" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not list((out / "stages").glob("base-*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_the_rubble_removed(tmp_path: Path, small_disk: Path) -> None:
    recipe, out = write_recipe(tmp_path), small_disk / "out"
    answer = herd("run", recipe, "--out", out, "--base.fail=disk", "--base.mib=10")
    assert answer.returncode == 1
    assert "herd: The disk is full" in answer.stderr
    assert "Free some space" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not list(out.rglob("big.bin"))
    assert [p.name for p in (out / "work" / "base" / "out").iterdir()] == ["metrics.jsonl"]
    assert herd("run", recipe, "--out", out).returncode == 0


def test_a_disk_that_is_full_from_the_start(tmp_path: Path, small_disk: Path) -> None:
    with contextlib.suppress(OSError), open(small_disk / "filler", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    answer = herd("run", write_recipe(tmp_path), "--out", small_disk / "out")
    assert answer.returncode == 1
    assert answer.stderr.startswith("herd: The disk is full")
    assert answer.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = herd("run", write_recipe(tmp_path), "--out", tmp_path / "file")
    assert answer.returncode == 2
    assert answer.stderr == f"herd: Cannot use {tmp_path}/file as a run folder: File exists.\n"
