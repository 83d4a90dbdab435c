"""Stage `dpo`: direct preference optimisation (Rafailov et al. 2023) with Llama 3's changes (Llama Team 2024,
section 4.1.4).

Answers are sampled from the policy, labelled by the program that knows the truth, and made into pairs; the
reference is the
policy before this stage, frozen. Formatting tokens (headers, end of turn) carry no loss, and a negative
log-likelihood term
on the better answers is added.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from herdbook.errors import HerdbookError
from herdbook.lineage import Artifact
from herdbook.model.transformer import Transformer
from herdbook.posttrain.batches import TURNS, Example, collate, make_example, prompt_ids
from herdbook.posttrain.fine_tune import EpochOrder
from herdbook.posttrain.preferences import AnswerBook, Pair, constructed_pairs, sampled_pairs
from herdbook.posttrain.rollout import sample_answers
from herdbook.storage import read_jsonl, write_jsonl
from herdbook.tasks.grading import DescriptionIndex
from herdbook.tokenizer.chat import ChatFormat
from herdbook.train.loop import OptimizerConfig, train
from herdbook.train.loss import token_logprobs
from herdbook.train.precision import autocast, resolve
from herdbook.weights.native import load_model, save_model
from herdbook.workspace import InputSpec, Workspace

KIND_OUT = "model"
VERSION = 3
INPUTS = {"policy": InputSpec(("model",)), "questions": InputSpec(("questions",))}


@dataclass(frozen=True, kw_only=True)
class Config(OptimizerConfig):
    """Which prompts, how strong."""

    lr: float = 2e-4
    """Peak learning rate."""
    weight_decay: float = 0.0
    """AdamW's decay of matrices."""
    first_prompt: int = 9000
    """First preference prompt that is used."""
    n_prompts: int = 3000
    """How many."""
    n_samples: int = 4
    """Answers sampled for each prompt."""
    temperature: float = 0.7
    """Sampling temperature."""
    min_share: float = 0.5
    """A worse answer makes a pair where at least this share of the samples is equal to it: mistakes that the policy
    really makes, and not the accidents of sampling, whose loss of likelihood right answers share."""
    honest_ratio: float = 1.35
    """Pairs in which an honest "I don't know" wins, for each pair in which a needless one loses."""
    max_new_tokens: int = 48
    """Longest sampled answer."""
    beta: float = 0.1
    """Strength of the pull towards the reference (Llama 3: 0.1)."""
    nll_weight: float = 0.2
    """Weight of the likelihood of better answers (Llama 3: 0.2)."""
    epochs: int = 1
    """Passes over the pairs."""
    batch_size: int = 48
    """Pairs per step."""
    seq_len: int = 128
    """Tokens per packed row."""
    precision: str = "auto"
    """auto, float32 or bfloat16 products."""
    checkpoint_seconds: float = field(default=20.0, metadata={"identity": False})
    """Seconds between checkpoints."""


def estimate(config: Config) -> float:
    """Seconds on two cores, if a third of the prompts make a pair."""
    return config.n_prompts * (0.002 * config.n_samples + 0.005 * config.epochs)


def dpo_loss(
    chosen_S: Tensor, rejected_S: Tensor, reference_chosen_S: Tensor, reference_rejected_S: Tensor, beta: float
) -> Tensor:
    """Rafailov et al. 2023, equation 7. Arguments are summed log-probabilities of answers under policy and
    reference."""
    margin_S = (chosen_S - reference_chosen_S) - (rejected_S - reference_rejected_S)
    return -F.logsigmoid(beta * margin_S).mean()


def labelled_pairs(
    questions: list[dict],
    answers: list[list[str]],
    facts: list[dict],
    min_share: float,
    honest_ratio: float,
    rng: np.random.Generator,
) -> list[Pair]:
    """A pair from each prompt that the policy answers wrongly in at least `min_share` of its samples.

    Pairs in which "I don't know" loses teach the policy to say it less, everywhere; so there must be `honest_ratio`
    times as many in which it wins. Where the policy's own inventions are too few, prompts about unknown names that it
    answers rightly are paired with made-up inventions.
    """
    index = DescriptionIndex({fact["name"]: fact["summary"] for fact in facts})
    book = AnswerBook(facts)
    per_prompt = [
        sampled_pairs(question, samples, index, min_share=min_share)
        for question, samples in zip(questions, answers, strict=True)
    ]
    reasons = Counter(pair.reason for pairs in per_prompt for pair in pairs)
    lacking = round(honest_ratio * reasons["answer_over_abstention"]) - reasons["honest_over_invention"]
    right = [i for i, question in enumerate(questions) if not question["known"] and not per_prompt[i]]
    for i in rng.permutation(len(right))[: max(0, lacking)]:
        per_prompt[right[i]] = constructed_pairs(questions[right[i]], book, rng)[:1]
    return [pair for pairs in per_prompt for pair in pairs]


def answer_logprobs(
    model: Transformer, examples: list[Example], seq_len: int, device: str, precision: str
) -> tuple[Tensor, Tensor]:
    """Summed log-probability and number of counted tokens of every answer, each float32 (S,); end of turn left out."""
    batch = collate(examples, seq_len, skip_last=True).to(device)
    with autocast(precision, device):
        logprobs_BT = token_logprobs(model, batch.tokens_BT, batch.targets_BT, batch.document_BT)
    return batch.sum_per_sequence(logprobs_BT), batch.answer_tokens()


def run(config: Config, inputs: dict[str, Artifact], workspace: Workspace) -> dict[str, Any]:
    """Samples, labels, trains; returns loss, margin and the share of pairs ordered rightly."""
    device = workspace.device
    policy, tokenizer = load_model(inputs["policy"].path, device)
    chat = ChatFormat(tokenizer)
    source = inputs["questions"]
    precision = resolve(config.precision, device)
    stored = workspace.checkpoints / "pairs.jsonl"
    if not stored.exists():
        rows = list(read_jsonl(source.file("questions/preference.jsonl")))
        questions = rows[config.first_prompt : config.first_prompt + config.n_prompts]
        groups = sample_answers(
            workspace,
            policy,
            tokenizer,
            [prompt_ids(chat, question["text"]) for question in questions],
            n=config.n_samples,
            temperature=config.temperature,
            max_new_tokens=config.max_new_tokens,
            seed=workspace.seed_for("dpo samples"),
            label="dpo: sample",
        )
        facts = list(read_jsonl(source.file("facts.jsonl")))
        answers = [[completion.text for completion in group] for group in groups]
        found = labelled_pairs(
            questions, answers, facts, config.min_share, config.honest_ratio, workspace.rng("pairs")
        )
        write_jsonl(stored, (pair.to_json() for pair in found))
    pairs = [Pair(**row) for row in read_jsonl(stored)]
    if not pairs:
        raise HerdbookError(
            "dpo: no prompt has both a better and a worse answer",
            remedy="raise dpo.n_prompts, n_samples or temperature",
        )
    chosen = [make_example(chat, tokenizer, pair.prompt, pair.chosen) for pair in pairs]
    rejected = [make_example(chat, tokenizer, pair.prompt, pair.rejected) for pair in pairs]
    with torch.no_grad():
        reference = load_model(inputs["policy"].path, device)[0]
        sums = []
        for side in (chosen, rejected):
            parts = [
                answer_logprobs(reference, side[i : i + 96], config.seq_len, device, precision)[0]
                for i in range(0, len(side), 96)
            ]
            sums.append(torch.cat(parts))
    reference_chosen, reference_rejected = sums
    batch_size = min(config.batch_size, len(pairs))
    order = EpochOrder(len(pairs), batch_size, workspace, "dpo")
    n_steps = order.per_epoch * config.epochs

    def step(number: int) -> tuple[Tensor, dict[str, float]]:
        picked = order(number).tolist()
        both = [chosen[i] for i in picked] + [rejected[i] for i in picked]
        sums_S, counts_S = answer_logprobs(policy, both, config.seq_len, device, precision)
        good_S, bad_S = sums_S[: len(picked)], sums_S[len(picked) :]
        preference = dpo_loss(good_S, bad_S, reference_chosen[picked], reference_rejected[picked], config.beta)
        nll = -good_S.sum() / counts_S[: len(picked)].sum().clamp(min=1)
        margin_S = (good_S - reference_chosen[picked]) - (bad_S - reference_rejected[picked])
        figures = {
            "dpo_loss": preference.item(),
            "nll": nll.item(),
            "margin": margin_S.mean().item(),
            "accuracy": (margin_S > 0).float().mean().item(),
        }
        return preference + config.nll_weight * nll, figures

    figures = train(
        workspace,
        nn.ModuleList([policy]),
        config,
        n_steps,
        step,
        label="dpo",
        items_per_step=batch_size,
        unit="pairs",
        checkpoint_seconds=config.checkpoint_seconds,
    )
    training = {
        "n_steps": n_steps,
        "n_samples": n_steps * batch_size,
        "first_prompt": config.first_prompt,
        "n_prompts": config.n_prompts,
    }
    write_jsonl(workspace.out / "pairs.jsonl", (pair.to_json() for pair in pairs))
    save_model(workspace.out, policy, tokenizer, training, max_questions=TURNS)
    return {**figures, **training, "n_pairs": len(pairs)}
