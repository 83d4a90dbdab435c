"""Stage `ppo`: proximal policy optimisation (Schulman et al. 2017) on the reward model, as in Ouyang et al. 2022.

1. The reward of an answer is the reward model's score, standardised over the first rollout, at its last token.
2. Every token costs `kl_weight` times log policy - log reference; the reference is the policy before this stage.
3. Advantages by generalised advantage estimation (Schulman et al. 2016), standardised over the rollout.
4. The value head reads the policy's hidden states without sending gradients into them.
5. An answer that does not end is worth `unfinished_reward`, whatever its score.

N answer tokens of a batch, in the order of the rows  S sequences  A tokens of the longest answer
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from herdbook.errors import HerdbookError
from herdbook.lineage import Artifact
from herdbook.model.heads import ScalarHead
from herdbook.model.transformer import Transformer
from herdbook.posttrain.batches import TURNS, Example, SequenceBatch, collate, prompt_ids
from herdbook.posttrain.reward_model import RewardModel
from herdbook.posttrain.rollout import as_example, sample_answers
from herdbook.storage import read_jsonl
from herdbook.tokenizer.chat import ChatFormat
from herdbook.train.checkpoint import Checkpoints
from herdbook.train.loss import IGNORE
from herdbook.train.precision import autocast, resolve
from herdbook.train.schedule import warmup_cosine
from herdbook.weights.native import load_model, save_model
from herdbook.workspace import InputSpec, Workspace

KIND_OUT = "model"
VERSION = 2
INPUTS = {
    "policy": InputSpec(("model",)),
    "reward": InputSpec(("reward_model",)),
    "questions": InputSpec(("questions",)),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Rollouts, steps and the weights of the loss."""

    lr: float = 1e-4
    """Peak learning rate of the policy."""
    value_lr: float = 5e-3
    """Learning rate of the value head."""
    warmup: int = 2
    """Rollouts of linear warmup."""
    clip_grad: float = 1.0
    """Largest norm of the gradient."""
    first_prompt: int = 4500
    """First preference prompt that is used."""
    n_rollouts: int = 20
    """Rollouts; each takes the next `rollout_size` prompts."""
    rollout_size: int = 256
    """Prompts (episodes) of a rollout."""
    temperature: float = 1.0
    """Sampling temperature; log-probabilities are those of temperature 1, so leave it there unless you know why."""
    max_new_tokens: int = 48
    """Longest answer."""
    epochs: int = 2
    """Passes over a rollout."""
    minibatch_size: int = 64
    """Episodes per optimiser step."""
    clip: float = 0.2
    """Clipping range of the probability ratio."""
    kl_weight: float = 0.05
    """Cost of a nat of log-probability ratio to the reference, in standardised reward units."""
    gamma: float = 1.0
    """Discount."""
    lam: float = 0.95
    """Lambda of generalised advantage estimation."""
    value_weight: float = 0.5
    """Weight of the value loss."""
    unfinished_reward: float = -3.0
    """Reward of an answer without an end of turn, in standardised units."""
    seq_len: int = 128
    """Tokens per packed row."""
    precision: str = "auto"
    """auto, float32 or bfloat16 products."""
    checkpoint_seconds: float = field(default=20.0, metadata={"identity": False})
    """Seconds between checkpoints."""


def estimate(config: Config) -> float:
    """Seconds on two cores."""
    return config.n_rollouts * config.rollout_size * (0.010 + 0.006 * config.epochs)


def pad_answers(values_N: Tensor, owner_N: Tensor, n_sequences: int) -> tuple[Tensor, Tensor]:
    """Flat values of answer tokens as a matrix (S, A) with zeros behind, and the index of each value in it, (N,)."""
    order_N = torch.argsort(owner_N, stable=True)
    counts_S = torch.bincount(owner_N, minlength=n_sequences)
    starts_S = torch.cumsum(counts_S, 0) - counts_S
    place_N = torch.empty_like(owner_N)
    place_N[order_N] = torch.arange(len(owner_N), device=owner_N.device) - starts_S[owner_N[order_N]]
    width = int(counts_S.max()) if len(counts_S) else 0
    flat_N = owner_N * width + place_N
    matrix = torch.zeros(n_sequences * width, dtype=values_N.dtype, device=values_N.device)
    matrix[flat_N] = values_N
    return matrix.view(n_sequences, width), flat_N


def generalised_advantages(
    rewards_SA: Tensor, values_SA: Tensor, lengths_S: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns of every answer token (Schulman et al. 2016, equation 16); zero behind an answer's end."""
    S, A = rewards_SA.shape
    inside_SA = torch.arange(A, device=rewards_SA.device)[None] < lengths_S[:, None]
    advantages_SA = torch.zeros_like(rewards_SA)
    running_S = torch.zeros(S, dtype=rewards_SA.dtype, device=rewards_SA.device)
    next_value_S = torch.zeros_like(running_S)
    for t in reversed(range(A)):
        delta_S = rewards_SA[:, t] + gamma * next_value_S - values_SA[:, t]
        running_S = torch.where(inside_SA[:, t], delta_S + gamma * lam * running_S, torch.zeros_like(running_S))
        advantages_SA[:, t] = running_S
        next_value_S = torch.where(inside_SA[:, t], values_SA[:, t], torch.zeros_like(running_S))
    return advantages_SA, advantages_SA + values_SA * inside_SA


def policy_loss(logprobs_N: Tensor, old_logprobs_N: Tensor, advantages_N: Tensor, clip: float) -> Tensor:
    """The clipped surrogate, negated (Schulman et al. 2017, equation 7)."""
    ratio_N = (logprobs_N - old_logprobs_N).exp()
    clipped_N = ratio_N.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio_N * advantages_N, clipped_N * advantages_N).mean()


def logprobs_and_values(model: Transformer, head: ScalarHead | None, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the answer tokens and values of the states before them, each float32 (N,)."""
    chosen_BT = batch.targets_BT != IGNORE
    h_ND = model.hidden(batch.tokens_BT, document_BT=batch.document_BT, wanted_BT=chosen_BT)
    logprobs_N = -F.cross_entropy(model.logits(h_ND), batch.targets_BT[chosen_BT], reduction="none")
    values_N = head(h_ND.detach()) if head is not None else torch.zeros_like(logprobs_N)
    return logprobs_N, values_N


@dataclass
class Rollout:
    """Answers with all that the update needs; tensors are lists of (tokens of the answer,) by episode."""

    examples: list[Example]
    logprobs: list[Tensor]
    advantages: list[Tensor]
    returns: list[Tensor]
    figures: dict[str, float]


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of the reward model's scores in the first rollout."""

    mean: float
    std: float


@torch.no_grad()
def assess(
    policy: Transformer,
    head: ScalarHead,
    reference: Transformer,
    reward_model: RewardModel,
    examples: list[Example],
    finished: list[bool],
    scale: Scale | None,
    config: Config,
    device: str,
    precision: str,
) -> tuple[Rollout, Scale]:
    """Rewards, advantages and returns of sampled answers under the current policy."""
    batch = collate(examples, config.seq_len).to(device)
    with autocast(precision, device):
        logprobs_N, values_N = logprobs_and_values(policy, head, batch)
        reference_N, _ = logprobs_and_values(reference, None, batch)
    scores_S = reward_model.scores(examples, config.seq_len, device, precision).to(device)
    done_S = torch.tensor(finished, device=device)
    if scale is None:
        usable = scores_S[done_S] if int(done_S.sum()) > 1 else scores_S
        scale = Scale(usable.mean().item(), max(usable.std().item(), 1e-6))
    reward_S = (scores_S - scale.mean) / scale.std
    reward_S = torch.where(done_S, reward_S, torch.full_like(reward_S, config.unfinished_reward))
    owner_N = batch.document_BT[batch.targets_BT != IGNORE]
    kl_N = logprobs_N - reference_N
    n = len(examples)
    lengths_S = torch.bincount(owner_N, minlength=n)
    rewards_SA, flat_N = pad_answers(-config.kl_weight * kl_N, owner_N, n)
    rewards_SA[torch.arange(n, device=device), lengths_S - 1] += reward_S
    values_SA, _ = pad_answers(values_N, owner_N, n)
    advantages_SA, returns_SA = generalised_advantages(rewards_SA, values_SA, lengths_S, config.gamma, config.lam)
    advantages_N = advantages_SA.view(-1)[flat_N]
    std, mean = torch.std_mean(advantages_N)
    advantages_SA = (advantages_SA - mean) / (std + 1e-8)
    logprobs_SA, _ = pad_answers(logprobs_N, owner_N, n)
    sizes = lengths_S.tolist()
    figures = {
        "reward": reward_S.mean().item(),
        "score": scores_S.mean().item(),
        "kl": kl_N.sum().item() / n,
        "finished": sum(finished) / n,
        "value_error": F.mse_loss(values_N, returns_SA.view(-1)[flat_N]).item(),
    }

    def split(matrix_SA: Tensor) -> list[Tensor]:
        return [matrix_SA[i, : sizes[i]] for i in range(n)]

    return Rollout(examples, split(logprobs_SA), split(advantages_SA), split(returns_SA), figures), scale


def update(
    policy: Transformer,
    head: ScalarHead,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    config: Config,
    permutations: list[list[int]],
    device: str,
    precision: str,
) -> dict[str, float]:
    """The optimiser steps on one rollout. permutations: order of the episodes in every pass."""
    losses, clipped = [], []
    for permutation in permutations:
        for start in range(0, len(permutation) - config.minibatch_size + 1, config.minibatch_size):
            picked = permutation[start : start + config.minibatch_size]
            batch = collate([rollout.examples[i] for i in picked], config.seq_len).to(device)
            owner_N = batch.document_BT[batch.targets_BT != IGNORE].tolist()
            # Rows hold whole sequences one behind the other, so the tokens of an episode are neighbours in row order.
            runs = list(dict.fromkeys(owner_N))

            def gather(parts: list[Tensor], runs: list[int] = runs, picked: list[int] = picked) -> Tensor:
                return torch.cat([parts[picked[s]] for s in runs])

            old_N, advantages_N, returns_N = map(gather, (rollout.logprobs, rollout.advantages, rollout.returns))
            with autocast(precision, device):
                logprobs_N, values_N = logprobs_and_values(policy, head, batch)
            loss = policy_loss(logprobs_N, old_N, advantages_N, config.clip)
            loss = loss + config.value_weight * F.mse_loss(values_N, returns_N)
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), config.clip_grad)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.item())
            ratio_N = (logprobs_N.detach() - old_N).exp()
            clipped.append(((ratio_N - 1).abs() > config.clip).float().mean().item())
    return {"loss": sum(losses) / len(losses), "clipped": sum(clipped) / len(clipped)}


def run(config: Config, inputs: dict[str, Artifact], workspace: Workspace) -> dict[str, Any]:
    """Alternates rollouts and updates; returns reward, KL and what was used."""
    device = workspace.device
    precision = resolve(config.precision, device)
    policy, tokenizer = load_model(inputs["policy"].path, device)
    reference = load_model(inputs["policy"].path, device)[0]
    reward_model, _ = RewardModel.load(inputs["reward"].path, device)
    head = ScalarHead(policy.args.dim).to(device)
    chat = ChatFormat(tokenizer)
    rows = list(read_jsonl(inputs["questions"].file("questions/preference.jsonl")))
    n_prompts = config.n_rollouts * config.rollout_size
    questions = rows[config.first_prompt : config.first_prompt + n_prompts]
    if len(questions) < config.rollout_size:
        raise HerdbookError(
            f"ppo: {len(questions)} prompts from number {config.first_prompt} on are fewer than one rollout",
            remedy="lower ppo.first_prompt or raise questions.n_preference_prompts",
        )
    prompts = [prompt_ids(chat, question["text"]) for question in questions]
    optimizer = torch.optim.AdamW(
        [{"params": list(policy.parameters())}, {"params": list(head.parameters())}],
        lr=config.lr,
        betas=(0.9, 0.95),
        weight_decay=0.0,
        fused=True,
    )
    modules = nn.ModuleList([policy, head])
    checkpoints = Checkpoints(workspace.checkpoints, config.checkpoint_seconds)
    start, scale, figures = 0, None, {}
    found = checkpoints.load()
    if found is not None:
        start, state = found
        modules.load_state_dict(state["modules"])
        optimizer.load_state_dict(state["optimizer"])
        figures, scale = state["figures"], Scale(**state["scale"])
        workspace.note_resume()
    workspace.truncate_log(start)
    n_rollouts = len(prompts) // config.rollout_size
    with workspace.progress(n_rollouts * config.rollout_size, "episodes", "ppo") as bar:
        bar.update(start * config.rollout_size)
        for number in range(start, n_rollouts):
            lr_scale = warmup_cosine(number, n_rollouts, config.warmup, 1.0, 0.1)
            optimizer.param_groups[0]["lr"] = config.lr * lr_scale
            optimizer.param_groups[1]["lr"] = config.value_lr
            asked = prompts[number * config.rollout_size : (number + 1) * config.rollout_size]
            groups = sample_answers(
                workspace,
                policy,
                tokenizer,
                asked,
                temperature=config.temperature,
                max_new_tokens=config.max_new_tokens,
                seed=workspace.seed_for("ppo", number),
            )
            examples = [as_example(prompt, group[0]) for prompt, group in zip(asked, groups, strict=True)]
            finished = [group[0].finish_reason == "stop" for group in groups]
            rollout, scale = assess(
                policy, head, reference, reward_model, examples, finished, scale, config, device, precision
            )
            rng = workspace.rng("ppo order", number)
            permutations = [rng.permutation(len(examples)).tolist() for _ in range(config.epochs)]
            policy.train()
            losses = update(policy, head, optimizer, rollout, config, permutations, device, precision)
            policy.eval()
            if not math.isfinite(losses["loss"]):
                raise HerdbookError(f"ppo: the loss became {losses['loss']} in rollout {number}", remedy="lower ppo.lr")
            figures = {**losses, **rollout.figures}
            workspace.log(step=number + 1, **figures)
            bar.update(config.rollout_size, reward=figures["reward"])
            if checkpoints.due() or number + 1 == n_rollouts:
                checkpoints.save(
                    number + 1,
                    {
                        "modules": modules.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "figures": figures,
                        "scale": {"mean": scale.mean, "std": scale.std},
                    },
                )
    per_rollout = config.rollout_size // config.minibatch_size * config.epochs
    training = {
        "n_steps": n_rollouts * per_rollout,
        "n_samples": n_rollouts * per_rollout * config.minibatch_size,
        "first_prompt": config.first_prompt,
        "n_prompts": n_rollouts * config.rollout_size,
    }
    save_model(workspace.out, policy, tokenizer, training, max_questions=TURNS)
    return {**figures, **training}
