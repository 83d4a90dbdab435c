"""Stage `reward`: a Bradley-Terry reward model on preference pairs (Ouyang et al. 2022; Llama 2, section 3.2.2)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from herdbook.lineage import Artifact
from herdbook.posttrain.batches import collate, make_example, prompt_ids
from herdbook.posttrain.fine_tune import EpochOrder
from herdbook.posttrain.preferences import AnswerBook, Pair, constructed_pairs, sampled_pairs
from herdbook.posttrain.reward_model import RewardModel, bradley_terry_loss
from herdbook.posttrain.rollout import sample_answers
from herdbook.storage import read_jsonl, write_jsonl
from herdbook.tasks.grading import DescriptionIndex
from herdbook.tokenizer import Tokenizer
from herdbook.tokenizer.chat import ChatFormat
from herdbook.train.loop import OptimizerConfig, train
from herdbook.train.precision import autocast, resolve
from herdbook.weights.native import load_model
from herdbook.workspace import InputSpec, Workspace

KIND_OUT = "reward_model"
VERSION = 3
INPUTS = {"policy": InputSpec(("model",)), "questions": InputSpec(("questions",))}


@dataclass(frozen=True, kw_only=True)
class Config(OptimizerConfig):
    """Which prompts, how many answers, how long."""

    lr: float = 5e-4
    """Peak learning rate."""
    first_prompt: int = 0
    """First preference prompt that is used."""
    n_prompts: int = 2000
    """How many."""
    n_samples: int = 3
    """Answers sampled from the policy for each prompt."""
    temperature: float = 1.0
    """Sampling temperature."""
    max_new_tokens: int = 48
    """Longest sampled answer."""
    epochs: int = 1
    """Passes over the pairs."""
    batch_size: int = 48
    """Pairs per step."""
    seq_len: int = 128
    """Tokens per packed row."""
    honest_weight: float = 1.3
    """Weight of pairs in which an honest "I don't know" beats an invention. They are the fewer and the harder ones;
    without it the favourite of several answers about an unknown name is an invention more often than the first."""
    heldout_share: float = 0.1
    """Share of the prompts whose pairs are kept out of training, to measure accuracy."""
    precision: str = "auto"
    """auto, float32 or bfloat16 products."""
    checkpoint_seconds: float = field(default=20.0, metadata={"identity": False})
    """Seconds between checkpoints."""


def estimate(config: Config) -> float:
    """Seconds on two cores."""
    return config.n_prompts * (0.004 * config.n_samples + 0.022 * config.epochs)


def make_pairs(
    questions: list[dict], facts: list[dict], answers: list[list[str]], workspace: Workspace
) -> list[list[Pair]]:
    """Constructed and sampled pairs of every prompt."""
    rng = workspace.rng("pairs")
    book = AnswerBook(facts)
    index = DescriptionIndex({fact["name"]: fact["summary"] for fact in facts})
    return [
        constructed_pairs(question, book, rng) + sampled_pairs(question, samples, index, max_pairs=2)
        for question, samples in zip(questions, answers, strict=True)
    ]


def pair_accuracy(
    reward_model: RewardModel, pairs: list[Pair], chat: ChatFormat, tokenizer: Tokenizer, config: Config, device: str
) -> dict[str, float]:
    """Share of pairs that the model orders rightly, in all and by reason."""
    precision = resolve(config.precision, device)
    sides = [
        reward_model.scores(
            [make_example(chat, tokenizer, pair.prompt, text(pair)) for pair in pairs],
            config.seq_len,
            device,
            precision,
        )
        for text in (lambda pair: pair.chosen, lambda pair: pair.rejected)
    ]
    right = (sides[0] > sides[1]).tolist()
    by_reason: dict[str, list[bool]] = defaultdict(list)
    for pair, good in zip(pairs, right, strict=True):
        by_reason["all"].append(good)
        by_reason[pair.reason].append(good)
    return {reason: sum(good) / len(good) for reason, good in sorted(by_reason.items())}


def run(config: Config, inputs: dict[str, Artifact], workspace: Workspace) -> dict[str, Any]:
    """Samples answers, makes pairs, trains; returns held-out pair accuracy by reason."""
    device = workspace.device
    policy, tokenizer = load_model(inputs["policy"].path, device)
    chat = ChatFormat(tokenizer)
    source = inputs["questions"]
    rows = list(read_jsonl(source.file("questions/preference.jsonl")))
    questions = rows[config.first_prompt : config.first_prompt + config.n_prompts]
    stored = workspace.checkpoints / "pairs.jsonl"
    if not stored.exists():
        completions = sample_answers(
            workspace,
            policy,
            tokenizer,
            [prompt_ids(chat, question["text"]) for question in questions],
            n=config.n_samples,
            temperature=config.temperature,
            max_new_tokens=config.max_new_tokens,
            seed=workspace.seed_for("reward samples"),
            label="reward: sample",
        )
        texts = [[completion.text for completion in group] for group in completions]
        per_prompt = make_pairs(questions, list(read_jsonl(source.file("facts.jsonl"))), texts, workspace)
        n_train = round(len(per_prompt) * (1 - config.heldout_share))
        write_jsonl(
            stored,
            (
                {**pair.to_json(), "heldout": number >= n_train}
                for number, group in enumerate(per_prompt)
                for pair in group
            ),
        )
    pairs: dict[bool, list[Pair]] = {True: [], False: []}
    for row in read_jsonl(stored):
        pairs[row.pop("heldout")].append(Pair(**row))
    training_pairs, heldout = pairs[False], pairs[True]

    reward_model = RewardModel(policy).to(device)
    precision = resolve(config.precision, device)
    order = EpochOrder(len(training_pairs), config.batch_size, workspace, "reward")
    n_steps = order.per_epoch * config.epochs
    chosen = [make_example(chat, tokenizer, pair.prompt, pair.chosen) for pair in training_pairs]
    rejected = [make_example(chat, tokenizer, pair.prompt, pair.rejected) for pair in training_pairs]

    honest = [pair.reason == "honest_over_invention" for pair in training_pairs]
    weights_S = torch.tensor([config.honest_weight if one else 1.0 for one in honest], device=device)

    def step(number: int) -> tuple[Tensor, dict[str, float]]:
        picked = order(number)
        batch = collate([chosen[i] for i in picked] + [rejected[i] for i in picked], config.seq_len).to(device)
        with autocast(precision, device):
            scores_S = reward_model(batch)
        good_S, bad_S = scores_S[: len(picked)], scores_S[len(picked) :]
        loss = bradley_terry_loss(good_S, bad_S, weights_S[torch.from_numpy(picked).to(device)])
        return loss, {"accuracy": (good_S > bad_S).float().mean().item()}

    figures = train(
        workspace,
        nn.ModuleList([reward_model]),
        config,
        n_steps,
        step,
        label="reward",
        items_per_step=config.batch_size,
        unit="pairs",
        checkpoint_seconds=config.checkpoint_seconds,
    )
    accuracy = pair_accuracy(reward_model, heldout, chat, tokenizer, config, device)
    write_jsonl(workspace.out / "heldout_pairs.jsonl", (pair.to_json() for pair in heldout))
    training = {"n_steps": n_steps, "n_samples": n_steps * config.batch_size}
    reward_model.save(workspace.out, tokenizer, training)
    with torch.no_grad():
        reference = reward_model.scores(chosen[:512], config.seq_len, device, precision)
    return {
        **figures,
        **training,
        "heldout_pair_accuracy": accuracy,
        "n_pairs": {"train": len(training_pairs), "heldout": len(heldout)},
        "mean_score_of_right_answers": reference.mean().item() if len(reference) else 0.0,
    }
