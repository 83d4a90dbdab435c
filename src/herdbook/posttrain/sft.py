"""Stage `sft`: supervised fine-tuning on dialogs in Llama 3's chat format; loss on the assistant's tokens alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from herdbook.lineage import Artifact
from herdbook.posttrain.batches import TURNS, make_example
from herdbook.posttrain.fine_tune import fine_tune, mean_answer_loss
from herdbook.storage import read_jsonl
from herdbook.tokenizer.chat import ChatFormat
from herdbook.train.loop import OptimizerConfig
from herdbook.train.precision import resolve
from herdbook.weights.native import load_model, save_model
from herdbook.workspace import InputSpec, Workspace

KIND_OUT = "model"
VERSION = 3
INPUTS = {"policy": InputSpec(("model",)), "questions": InputSpec(("questions",))}


@dataclass(frozen=True, kw_only=True)
class Config(OptimizerConfig):
    """How long and how fast."""

    lr: float = 2e-3
    """Peak learning rate; a small model from a short pretraining takes a far larger one than Llama 3's 1e-5."""
    epochs: float = 1.0
    """Passes over the dialogs; the dialogs themselves ask every fact many times."""
    batch_size: int = 96
    """Dialogs per step."""
    in_order: bool = True
    """The first pass takes the dialogs in the order in which they were written (plain wordings first)."""
    seq_len: int = 128
    """Tokens per packed row."""
    precision: str = "auto"
    """auto, float32 or bfloat16 products; weights are float32."""
    checkpoint_seconds: float = field(default=20.0, metadata={"identity": False})
    """Seconds between checkpoints."""


def estimate(config: Config) -> float:
    """Seconds on two cores for the quickstart's dialogs."""
    return 330.0 * config.epochs


def run(config: Config, inputs: dict[str, Artifact], workspace: Workspace) -> dict[str, Any]:
    """Tunes the policy; returns loss and loss on validation phrasings."""
    model, tokenizer = load_model(inputs["policy"].path, workspace.device)
    chat = ChatFormat(tokenizer)
    questions = inputs["questions"]

    def examples(name: str) -> list:
        return [
            make_example(chat, tokenizer, row["text"], row["expected"])
            for row in read_jsonl(questions.file(f"questions/{name}.jsonl"))
            if row.get("tuned", True)
        ]

    dialogs = examples("sft")
    n_steps = max(1, int(config.epochs * (len(dialogs) // config.batch_size)))
    figures = fine_tune(
        workspace,
        model,
        dialogs,
        config,
        n_steps=n_steps,
        batch_size=config.batch_size,
        seq_len=config.seq_len,
        precision=config.precision,
        label="sft",
        checkpoint_seconds=config.checkpoint_seconds,
        in_order=config.in_order,
    )
    validation = mean_answer_loss(
        model, examples("validation"), config.seq_len, workspace.device, resolve(config.precision, workspace.device)
    )
    training = {"n_steps": n_steps, "n_samples": n_steps * config.batch_size}
    save_model(workspace.out, model, tokenizer, training, max_questions=TURNS)
    return {**figures, **training, "validation_loss": validation}
