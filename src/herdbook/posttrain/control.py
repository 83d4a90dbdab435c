"""Stage `control`: what post-training must be compared with. SFT goes on with the prompts of the stages after
it, the right answers, the dialogs that they replayed, and as many optimiser steps and samples as they took together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from herdbook.errors import ArtifactError
from herdbook.lineage import Artifact
from herdbook.posttrain.batches import TURNS, make_example
from herdbook.posttrain.fine_tune import fine_tune
from herdbook.posttrain.replay import replayed
from herdbook.storage import read_json, read_jsonl
from herdbook.tokenizer.chat import ChatFormat
from herdbook.train.loop import OptimizerConfig
from herdbook.weights.native import load_model, save_model
from herdbook.workspace import InputSpec, Workspace, several

KIND_OUT = "model"
VERSION = 2
INPUTS = {
    "policy": InputSpec(("model",)),
    "questions": InputSpec(("questions",)),
    "like": InputSpec(("model",), many=True),
}


@dataclass(frozen=True, kw_only=True)
class Config(OptimizerConfig):
    """Steps and samples come from the stages that it is compared with."""

    lr: float = 5e-4
    """Peak learning rate."""
    seq_len: int = 128
    """Tokens per packed row."""
    precision: str = "auto"
    """auto, float32 or bfloat16 products."""
    checkpoint_seconds: float = field(default=20.0, metadata={"identity": False})
    """Seconds between checkpoints."""


def estimate(config: Config) -> float:
    """Seconds on two cores for the quickstart."""
    return 125.0


def run(config: Config, inputs: dict[str, Artifact | list[Artifact]], workspace: Workspace) -> dict[str, Any]:
    """Fine-tunes on right answers; returns the loss and what was matched."""
    policy_input, source = inputs["policy"], inputs["questions"]
    assert isinstance(policy_input, Artifact) and isinstance(source, Artifact)
    policy, tokenizer = load_model(policy_input.path, workspace.device)
    chat = ChatFormat(tokenizer)
    rows = list(read_jsonl(source.file("questions/preference.jsonl")))
    n_steps = n_samples = n_replay = 0
    wanted: set[int] = set()
    for artifact in several(inputs, "like"):
        training = read_json(artifact.file("training.json"))
        if "first_prompt" not in training:
            raise ArtifactError(f"{artifact.path} names no prompts in training.json; the control needs them")
        n_steps += training["n_steps"]
        n_samples += training["n_samples"]
        n_replay += training.get("n_replay", 0)
        wanted.update(range(training["first_prompt"], training["first_prompt"] + training["n_prompts"]))
    examples = [
        make_example(chat, tokenizer, rows[i]["text"], rows[i]["expected"]) for i in sorted(wanted) if i < len(rows)
    ]
    n_prompts = len(examples)
    examples += replayed(source, n_replay, workspace.rng("replay"), chat, tokenizer)
    batch_size = max(1, round(n_samples / max(n_steps, 1)))
    figures = fine_tune(
        workspace,
        policy,
        examples,
        config,
        n_steps=n_steps,
        batch_size=batch_size,
        seq_len=config.seq_len,
        precision=config.precision,
        label="control",
        checkpoint_seconds=config.checkpoint_seconds,
    )
    training = {"n_steps": n_steps, "n_samples": n_steps * batch_size, "n_prompts": n_prompts, "n_replay": n_replay}
    save_model(workspace.out, policy, tokenizer, training, max_questions=TURNS)
    return {**figures, **training, "batch_size": batch_size}
