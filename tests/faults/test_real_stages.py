"""kill -9 at a random moment of every stage of the quickstart, then the same command: the same results."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from herdbook import lineage, storage

STAGES = (
    "collect questions curate tokenizer tokenize pretrain sft reward reject ppo dpo control evaluate report".split()
)
TRAINED = ("pretrain", "sft", "reward", "reject", "ppo", "dpo", "control")
SMALL = """
    collect.max_megabytes=5 collect.packages=false curate.max_megabytes=0.3
    questions.n_facts=80 questions.n_untuned=10 questions.sft_rounds=8 questions.n_preference_prompts=700
    questions.n_unknown_test=20 tokenizer.vocab_size=1024
    pretrain.n_steps=60 pretrain.dim=64 pretrain.n_layers=2 pretrain.batch_size=8 pretrain.seq_len=128
    reward.n_prompts=120 reject.first_prompt=120 reject.n_prompts=120 reject.n_samples=4 reject.keep_share=1.0
    reject.epochs=6 reject.batch_size=16 reject.max_new_tokens=96 reject.temperature=1.0
    ppo.first_prompt=240 ppo.n_rollouts=5 ppo.rollout_size=64 ppo.minibatch_size=32
    dpo.first_prompt=560 dpo.n_prompts=140 dpo.batch_size=16 evaluate.n_validation=40 evaluate.n_samples_questions=20
""".split()
SMALL += [f"{stage}.checkpoint_seconds=0.2" for stage in TRAINED]


def command(out: Path, *more: str) -> list[str]:
    overrides = [f"--{setting}" for setting in SMALL]
    return [
        *(sys.executable, "-m", "herdbook.cli.main", "run", "quickstart", "--quiet", "--run.threads=1"),
        *("--out", str(out), *overrides, *more),
    ]


def artifact(out: Path, stage: str) -> lineage.Artifact:
    return lineage.load_artifact(lineage.resolve_artifact(out / stage))


def kill_at_random(out: Path, stage: str, moment: float, goal: int, *more: str) -> bool:
    """Whether the stage was killed before it was through: after `goal` steps, or where it logs none after `moment`
    seconds of its own."""
    process = subprocess.Popen(command(out, "--only", stage, *more), stderr=subprocess.PIPE, text=True)
    folder = out / "work" / stage / "out"
    log, deadline, began = folder / "metrics.jsonl", time.monotonic() + 300, 0.0
    while process.poll() is None:
        began = began or (time.monotonic() if folder.exists() else 0.0)
        if goal and log.exists() and log.read_bytes().count(b"\n") >= goal:
            break
        if not goal and began and time.monotonic() > began + moment:
            break
        assert time.monotonic() < deadline, f"{stage}: waited too long"
        time.sleep(0.005)
    children = psutil.Process(process.pid).children() if process.poll() is None else []
    victim = random.choice([process.pid, *(child.pid for child in children)])
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    process.communicate(timeout=60)
    return process.returncode != 0


def losses(found: lineage.Artifact) -> list[dict]:
    rows = storage.read_jsonl(found.file("metrics.jsonl"))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.slow
def test_every_stage_of_the_quickstart_survives_kill_9(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    subprocess.run(command(whole), check=True, timeout=1800)
    killed = []
    for stage in STAGES:
        before = artifact(whole, stage)
        log = before.path / "metrics.jsonl"
        n_lines = log.read_bytes().count(b"\n") if log.exists() else 0
        for attempt in range(4):
            goal = random.randint(1, n_lines - 3) if n_lines > 4 else 0  # a stage that trains: among its steps
            moment = random.uniform(0.1, 0.8) * before.card.wall_seconds / 2**attempt
            if kill_at_random(out, stage, moment, goal, *(["--force"] if attempt else [])):
                killed.append(stage)
                break
        subprocess.run(command(out, "--only", stage), check=True, timeout=900)
        after = artifact(out, stage)
        assert after.card.identity == before.card.identity
        if stage in TRAINED:
            assert losses(after) == losses(before), stage
            weights = [(a.path / "model.safetensors").read_bytes() for a in (before, after)]
            assert weights[0] == weights[1], stage
        elif stage != "report":  # which shows times
            assert after.card.content_hash == before.card.content_hash, stage
        assert not lineage.verify(after)
    print("killed:", *killed)
    assert len(killed) >= 12, killed
    resumed = [stage for stage in TRAINED if artifact(out, stage).card.resumes]
    assert len(resumed) >= 3, (killed, resumed)
