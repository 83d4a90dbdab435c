"""kill -9, Ctrl-C, two runs at once: what is found afterwards is whole, and the result the same."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
from fake_stages.runs import herd, run, start, write_recipe

from herdbook import lineage, storage


def wait_for(condition, seconds: float = 120.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def stage_process(parent: int) -> psutil.Process | None:
    try:
        children = psutil.Process(parent).children()
    except psutil.NoSuchProcess:
        return None
    return next((c for c in children if "herdbook.stage_runner" in c.cmdline()), None)


def log_lines(out: Path, name: str = "base") -> int:
    file = out / "work" / name / "out" / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def contents(out: Path) -> dict[str, str]:
    names = storage.read_json(out / "recipe.json")["stages"]
    return {name: lineage.load_artifact(out / place).card.content_hash for name, place in names.items()}


def processor_seconds(process: int) -> float:
    """Processor time of a process and its children: on a busy machine a better clock than the wall's."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in [psutil.Process(process), *psutil.Process(process).children()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(one.cpu_times()[:2])
    return total


@pytest.mark.parametrize("seed", [0, 1])
def test_kill_9_at_random_moments_changes_nothing(tmp_path: Path, seed: int) -> None:
    recipe, out, whole = write_recipe(tmp_path), tmp_path / "out", tmp_path / "whole"
    run(recipe, whole, overrides={"base.steps": 30})
    chance = random.Random(seed)
    killed = 0
    for _ in range(7):
        process = start("run", recipe, "--out", out, "--base.steps=30", "--base.step_seconds=0.03")
        if chance.random() < 0.5:  # anywhere, starting and publishing included
            moment = chance.uniform(0.02, 0.3)
            wait_for(lambda p=process, m=moment: p.poll() is not None or processor_seconds(p.pid) > m)
        else:  # some steps after the last checkpoint
            goal = log_lines(out) + chance.randint(1, 12)
            wait_for(
                lambda p=process, g=goal: p.poll() is not None or log_lines(out) >= g or log_lines(out, "tuned") > 5
            )
        child = stage_process(process.pid)
        victim = child.pid if child is not None and chance.random() < 0.4 else process.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        process.communicate(timeout=60)
        killed += process.returncode != 0
        if process.returncode == 0:  # too late; once more from the beginning
            shutil.rmtree(out)
    assert killed >= 3
    answer = herd("run", recipe, "--out", out, "--base.steps=30")
    assert answer.returncode == 0, answer.stderr
    assert contents(out) == contents(whole)
    assert not list((out / "work").glob("*"))
    assert all(not lineage.verify(n.artifact) for n in lineage.pedigree(out).walk() if n.artifact)


def test_an_interrupted_stage_resumes_and_its_time_adds_up(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    process = start("run", recipe, "--out", out, "--base.steps=100", "--base.step_seconds=0.05")
    wait_for(lambda: log_lines(out) > 60)
    process.kill()
    process.communicate()
    plan = herd("run", recipe, "--out", out, "--base.steps=100", "--dry-run").stdout
    assert "to resume" in next(line for line in plan.splitlines() if line.startswith("base"))
    again = herd("run", recipe, "--out", out, "--base.steps=100")
    assert again.returncode == 0
    assert "resumes at step" in again.stderr
    card = lineage.load_artifact(lineage.resolve_artifact(out / "base")).card
    assert card.resumes == 1
    assert card.wall_seconds > 1.9  # more than the second attempt alone
    steps = [row["step"] for row in storage.read_jsonl(lineage.resolve_artifact(out / "base") / "metrics.jsonl")]
    assert steps == list(range(1, 101))


def test_work_with_other_settings_is_not_resumed(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    process = start("run", recipe, "--out", out, "--base.step_seconds=0.2")
    wait_for(lambda: log_lines(out) > 4)
    process.kill()
    process.communicate()
    result = run(recipe, out, overrides={"base.lr": 0.3})
    fresh = run(recipe, tmp_path / "fresh", overrides={"base.lr": 0.3})
    assert result.artifacts["base"].card.resumes == 0
    assert result.artifacts["base"].card.content_hash == fresh.artifacts["base"].card.content_hash


def test_the_stage_dies_with_the_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start("run", write_recipe(tmp_path), "--out", out, "--base.step_seconds=0.5")
    wait_for(lambda: log_lines(out) > 0)
    child = stage_process(process.pid)
    assert child is not None
    process.kill()
    process.communicate()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 30)


def test_a_second_run_of_the_same_folder_is_refused(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    process = start("run", recipe, "--out", out, "--base.step_seconds=0.5")
    wait_for(lambda: log_lines(out) > 0)
    second = herd("run", recipe, "--out", out)
    assert second.returncode == 2
    expected = f"herd: Another run is using {out} (process {process.pid}). Wait until it ends, or choose another folder"
    assert second.stderr == f"{expected} with --out.\n"
    assert herd("clean", out, "--yes").returncode == 2
    assert process.poll() is None
    process.kill()
    process.communicate()
    assert herd("run", recipe, "--out", out).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    process = start("run", recipe, "--out", out, "--base.step_seconds=0.2")
    wait_for(lambda: log_lines(out) > 4)
    child = stage_process(process.pid)
    process.send_signal(number)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "herd: Stopped during stage `base`. Nothing finished is lost: the same command goes on from here." in shown
    assert "Traceback" not in shown
    assert child is not None
    assert not child.is_running()
    assert [p.name for p in (out / "work" / "base" / "out").iterdir()] == ["metrics.jsonl"]
    again = herd("run", recipe, "--out", out)
    assert again.returncode == 0
    assert "resumes at step" in again.stderr


def test_a_run_that_died_before_tidying_up_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    run(recipe, out)
    left = out / "work" / "base" / "checkpoints"
    left.mkdir(parents=True)
    (left / "state.json").write_text("{}")
    assert run(recipe, out).ran == ()
    assert not left.exists()


def test_a_forced_run_that_was_interrupted_goes_on_without_force(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    run(recipe, out)
    process = start("run", recipe, "--out", out, "--only", "base", "--force", "--base.step_seconds=0.2")
    wait_for(lambda: log_lines(out) > 4)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert "the same command without --force goes on from here" in shown
    result = run(recipe, out)
    assert result.ran == ("base",)
    assert result.artifacts["base"].card.resumes == 1


def test_a_stale_stage_that_was_interrupted_resumes(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    run(recipe, out, overrides={"source.noise": True})
    run(recipe, out, overrides={"source.noise": True}, only=["source"], force=True)
    process = start("run", recipe, "--out", out, "--source.noise=true", "--base.step_seconds=0.2")
    wait_for(lambda: log_lines(out) > 4)
    process.kill()
    process.communicate()
    result = run(recipe, out, overrides={"source.noise": True})
    assert result.ran == ("base", "tuned", "judge")
    assert result.artifacts["base"].card.resumes == 1
