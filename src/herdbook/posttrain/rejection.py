"""Stage `reject`: rejection sampling (Llama Team 2024, section 4.2.2). K answers to a prompt, the reward
model's favourite kept.

The favourites are then imitated, as in supervised fine-tuning. Prompts and favourites are published beside the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from herdbook.errors import HerdbookError
from herdbook.lineage import Artifact
from herdbook.posttrain.batches import TURNS, Example, prompt_ids
from herdbook.posttrain.fine_tune import fine_tune
from herdbook.posttrain.replay import replayed
from herdbook.posttrain.reward_model import RewardModel
from herdbook.posttrain.rollout import as_example, sample_answers
from herdbook.storage import read_jsonl, write_jsonl
from herdbook.tasks.grading import DescriptionIndex, grade
from herdbook.tokenizer.chat import ChatFormat
from herdbook.train.loop import OptimizerConfig
from herdbook.train.precision import resolve
from herdbook.weights.native import load_model, save_model
from herdbook.workspace import InputSpec, Workspace

KIND_OUT = "model"
VERSION = 3
INPUTS = {
    "policy": InputSpec(("model",)),
    "reward": InputSpec(("reward_model",)),
    "questions": InputSpec(("questions",)),
}


@dataclass(frozen=True, kw_only=True)
class Config(OptimizerConfig):
    """Which prompts, how many answers, how long."""

    lr: float = 5e-4
    """Peak learning rate."""
    first_prompt: int = 2000
    """First preference prompt that is used."""
    n_prompts: int = 2500
    """How many."""
    n_samples: int = 8
    """K: answers to a prompt (Llama 3: 10 to 30)."""
    temperature: float = 0.8
    """Sampling temperature."""
    max_new_tokens: int = 48
    """Longest sampled answer."""
    keep_share: float = 0.6
    """Share of the prompts that are imitated: those whose favourites the reward model is surest of. A doubtful
    favourite is mostly a wrong one."""
    n_replay: int = 6000
    """Dialogs of supervised fine-tuning among the favourites, against forgetting."""
    epochs: int = 1
    """Passes over favourites and replayed dialogs."""
    batch_size: int = 96
    """Dialogs per step."""
    seq_len: int = 128
    """Tokens per packed row."""
    precision: str = "auto"
    """auto, float32 or bfloat16 products."""
    checkpoint_seconds: float = field(default=20.0, metadata={"identity": False})
    """Seconds between checkpoints."""


def estimate(config: Config) -> float:
    """Seconds on two cores."""
    n_dialogs = config.n_prompts * config.keep_share + config.n_replay
    return config.n_prompts * 0.0035 * config.n_samples + 0.0055 * n_dialogs * config.epochs


def favourites(scores_PK: np.ndarray, finished_PK: np.ndarray) -> np.ndarray:
    """Index of the best finished answer to each prompt; unfinished ones lose to all others. (P, K) to (P,)."""
    return np.where(finished_PK, scores_PK, -np.inf).argmax(axis=1)


def confidence(texts: Sequence[str], scores_K: np.ndarray, finished_K: np.ndarray) -> float:
    """Probability of the best finished answer in the softmax over the scores of the distinct finished ones; 0 if none.

    Scores of a Bradley-Terry model compare answers to one prompt; across prompts they mean nothing. Ranking favourites
    by score drops most prompts about unknown names, whose answers score low, and the policy unlearns to abstain.
    """
    best: dict[str, float] = {}
    for text, score, finished in zip(texts, scores_K.tolist(), finished_K.tolist(), strict=True):
        if finished:
            best[text] = max(best.get(text, -np.inf), score)
    values = np.array(list(best.values()))
    return float(1.0 / np.exp(values - values.max()).sum()) if len(values) else 0.0


def run(config: Config, inputs: dict[str, Artifact], workspace: Workspace) -> dict[str, Any]:
    """Samples, ranks, imitates; returns how often the first, the best and the favourite answer were right."""
    device = workspace.device
    policy, tokenizer = load_model(inputs["policy"].path, device)
    chat = ChatFormat(tokenizer)
    source = inputs["questions"]
    stored = workspace.checkpoints / "favourites.jsonl"
    if not stored.exists():
        rows = list(read_jsonl(source.file("questions/preference.jsonl")))
        questions = rows[config.first_prompt : config.first_prompt + config.n_prompts]
        prompts = [prompt_ids(chat, question["text"]) for question in questions]
        groups = sample_answers(
            workspace,
            policy,
            tokenizer,
            prompts,
            n=config.n_samples,
            temperature=config.temperature,
            max_new_tokens=config.max_new_tokens,
            seed=workspace.seed_for("rejection samples"),
            label="reject: sample",
        )
        reward_model, _ = RewardModel.load(inputs["reward"].path, device)
        flat = [as_example(p, c) for p, group in zip(prompts, groups, strict=True) for c in group]
        scores = reward_model.scores(flat, config.seq_len, device, resolve(config.precision, device)).numpy()
        finished = np.array([c.finish_reason == "stop" for group in groups for c in group])
        shape = (len(prompts), config.n_samples)
        scores_PK, finished_PK = scores.reshape(shape), finished.reshape(shape)
        best = favourites(scores_PK, finished_PK)
        facts = list(read_jsonl(source.file("facts.jsonl")))
        index = DescriptionIndex({fact["name"]: fact["summary"] for fact in facts})
        kept = []
        for number, (question, group) in enumerate(zip(questions, groups, strict=True)):
            verdicts = [grade(question, completion.text, index) for completion in group]
            kept.append(
                {
                    "text": question["text"],
                    "prompt": prompts[number],
                    "ids": group[best[number]].ids,
                    "answer": group[best[number]].text,
                    "score": float(scores_PK[number, best[number]]),
                    "confidence": confidence([c.text for c in group], scores_PK[number], finished_PK[number]),
                    "finished": bool(finished_PK[number, best[number]]),
                    "right": verdicts[best[number]] == "correct",
                    "first_right": verdicts[0] == "correct",
                    "any_right": "correct" in verdicts,
                }
            )
        write_jsonl(stored, kept)
    kept = list(read_jsonl(stored))
    ranked = sorted((row for row in kept if row["finished"]), key=lambda row: -row["confidence"])
    imitated = ranked[: max(1, round(len(ranked) * config.keep_share))]
    examples = [Example(tuple(row["prompt"]), tuple(row["ids"])) for row in imitated]
    if not examples:
        raise HerdbookError(
            "reject: no sampled answer came to an end",
            remedy="raise reject.max_new_tokens, or train the policy for longer",
        )
    n_favourites = len(examples)
    examples += replayed(source, config.n_replay, workspace.rng("replay"), chat, tokenizer)
    n_steps = max(1, len(examples) // config.batch_size) * config.epochs
    figures = fine_tune(
        workspace,
        policy,
        examples,
        config,
        n_steps=n_steps,
        batch_size=config.batch_size,
        seq_len=config.seq_len,
        precision=config.precision,
        label="reject",
        checkpoint_seconds=config.checkpoint_seconds,
    )
    training = {
        "n_steps": n_steps,
        "n_samples": n_steps * config.batch_size,
        "first_prompt": config.first_prompt,
        "n_prompts": len(kept),
        "n_replay": len(examples) - n_favourites,
    }
    write_jsonl(workspace.out / "dialogs.jsonl", kept)
    save_model(workspace.out, policy, tokenizer, training, max_questions=TURNS)
    share = {key: sum(row[key] for row in kept) / len(kept) for key in ("first_right", "any_right", "right")}
    return {
        **figures,
        **training,
        "right_at_1": share["first_right"],
        "right_at_k": share["any_right"],
        "right_favourite": share["right"],
        "right_imitated": sum(row["right"] for row in imitated) / len(imitated),
    }
