"""Stage `evaluate`: all models of a recipe side by side on the same questions.

Models with a chat format are asked in it; the base model is asked with worked examples in plain text, and its
answer ends with the line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from herdbook.errors import ConfigError
from herdbook.evaluate.ask import ask
from herdbook.evaluate.metrics import (
    CLOSED_BOOK_TYPES,
    DEFINITIONS,
    examples,
    pairwise,
    question_metrics,
    sample_metrics,
)
from herdbook.lineage import Artifact
from herdbook.storage import atomic_write_json, read_jsonl, write_jsonl
from herdbook.tasks.grading import DescriptionIndex
from herdbook.weights.native import load_model
from herdbook.workspace import InputSpec, Workspace, several

KIND_OUT = "evaluation"
VERSION = 3
INPUTS = {"models": InputSpec(("model",), many=True), "questions": InputSpec(("questions",))}


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is asked, and which models are compared pairwise."""

    final: str = "dpo"
    """Name of the model whose results are the headline; compared with every other."""
    n_validation: int = 600
    """Validation questions, asked too; tune on these."""
    n_samples_questions: int = 250
    """Test questions that are answered several times, for pass@k and diversity."""
    n_samples: int = 8
    """Answers to each of them."""
    temperature: float = 0.8
    """Their sampling temperature; all other answers are greedy."""
    max_new_tokens: int = 48
    """Longest answer."""
    examples_per_kind: int = 3
    """Dialogs kept for the report, by model, type and outcome."""


def estimate(config: Config) -> float:
    """Seconds on two cores for six models of the quickstart."""
    return 170.0


def few_shots(dialogs: Iterable[dict]) -> list[dict]:
    """What a model without a chat format is shown: the first fine-tuning question that asks for a description, the
    first that asks for a name, and the first about a name that does not exist, in their order."""
    kinds = ("describe", "name", "unknown")
    shots: dict[str, dict] = {}
    for row in dialogs:
        kind = row["type"] if row["known"] else "unknown"
        if kind in kinds:
            shots.setdefault(kind, row)
        if len(shots) == len(kinds):
            break
    return list(shots.values())


def run(config: Config, inputs: dict[str, Artifact | list[Artifact]], workspace: Workspace) -> dict[str, Any]:
    """Asks, grades and compares; returns the final model's figures."""
    models = several(inputs, "models")
    names = [artifact.card.name for artifact in models]
    if config.final not in names:
        raise ConfigError(
            f"evaluate.final={config.final!r} is none of the models {', '.join(names)}", key="evaluate.final"
        )
    source = inputs["questions"]
    assert isinstance(source, Artifact)
    facts = list(read_jsonl(source.file("facts.jsonl")))
    index = DescriptionIndex({fact["name"]: fact["summary"] for fact in facts})
    test = list(read_jsonl(source.file("questions/test.jsonl")))
    validation = list(read_jsonl(source.file("questions/validation.jsonl")))
    rng = workspace.rng("evaluate")
    validation = [validation[i] for i in sorted(rng.permutation(len(validation))[: config.n_validation])]
    askable = [row for row in test if row["known"] and row["tuned"] and row["type"] in CLOSED_BOOK_TYPES]
    repeated = [askable[i] for i in sorted(rng.permutation(len(askable))[: config.n_samples_questions])]
    shots = few_shots(read_jsonl(source.file("questions/sft.jsonl")))

    answers: dict[str, dict[str, list[dict]]] = {}
    for artifact in models:
        name = artifact.card.name
        done = workspace.checkpoints / f"answers-{artifact.card.identity[:16]}.jsonl"
        if not done.exists():
            model, tokenizer = load_model(artifact.path, workspace.device)
            common: dict[str, Any] = {"max_new_tokens": config.max_new_tokens}
            if artifact.card.stage == "pretrain":
                common["shots"] = shots
            sets: dict[str, tuple[list[dict], dict[str, Any]]] = {
                "test": (test, {}),
                "validation": (validation, {}),
                "samples": (repeated, {"n": config.n_samples, "temperature": config.temperature}),
            }
            rows = [
                {"set": key, **row}
                for key, (questions, extra) in sets.items()
                for row in ask(
                    workspace,
                    model,
                    tokenizer,
                    questions,
                    index,
                    label=f"evaluate {name}: {key}",
                    seed=workspace.seed_for("evaluate", key),
                    **common,
                    **extra,
                )
            ]
            write_jsonl(done, rows)
        by_set: dict[str, list[dict]] = {"test": [], "validation": [], "samples": []}
        for row in read_jsonl(done):
            by_set[row.pop("set")].append(row)
        answers[name] = by_set
        (workspace.out / "answers").mkdir(exist_ok=True)
        write_jsonl(workspace.out / "answers" / f"{name}.jsonl", by_set["test"])

    metrics: dict[str, dict[str, Any]] = {}
    validation_metrics: dict[str, dict[str, Any]] = {}
    for name, by_set in answers.items():
        for metric, value in {**question_metrics(by_set["test"]), **sample_metrics(by_set["samples"])}.items():
            metrics.setdefault(metric, {})[name] = value
        for metric, value in question_metrics(by_set["validation"]).items():
            validation_metrics.setdefault(metric, {})[name] = value
    compared = [(config.final, other) for other in names if other != config.final]
    later = [pair for pair in zip(names[1:], names[:-1], strict=True) if pair not in compared]
    result = {
        "models": [{"name": a.card.name, "stage": a.card.stage, "artifact": a.card.identity} for a in models],
        "final": config.final,
        "n_facts": sum(fact["split"] == "tuned" for fact in facts),
        "metrics": metrics,
        "validation": validation_metrics,
        "definitions": DEFINITIONS,
        "pairwise": [pairwise(a, answers[a]["test"], b, answers[b]["test"]) for a, b in compared + later],
        "examples": [
            row
            for name in names
            for row in examples(name, answers[name]["test"], config.examples_per_kind, workspace.rng("examples", name))
        ],
    }
    atomic_write_json(workspace.out / "evaluation.json", result)
    return {
        "final": config.final,
        "n_facts": result["n_facts"],
        **{
            metric: {name: value["value"] for name, value in metrics[metric].items()}
            for metric in ("closed_book_accuracy", "false_abstention_rate", "invention_rate")
            if metric in metrics
        },
        "win_rate": {row["b"]: row["win_rate"] for row in result["pairwise"] if row["a"] == config.final},
    }
