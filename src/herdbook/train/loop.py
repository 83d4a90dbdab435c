"""The training loop: learning rate, step, clipping, log, checkpoint, resume. What a step computes is handed in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from herdbook.errors import HerdbookError
from herdbook.train.checkpoint import Checkpoints
from herdbook.train.optimizer import adamw
from herdbook.train.schedule import warmup_cosine
from herdbook.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How the weights move; part of the configuration of every stage that trains."""

    lr: float = 1e-3
    """Peak learning rate."""
    warmup: int = 20
    """Steps of linear warmup, at most a tenth of the run."""
    final_lr_fraction: float = 0.01
    """Learning rate of the last step as a fraction of the peak (cosine between)."""
    beta1: float = 0.9
    """AdamW's decay of the mean of gradients."""
    beta2: float = 0.95
    """AdamW's decay of the mean of squared gradients."""
    weight_decay: float = 0.1
    """AdamW's decay of matrices."""
    clip: float = 1.0
    """Largest norm of the gradient."""


StepFunction = Callable[[int], tuple[Tensor, dict[str, float]]]
"""From the number of the step to (loss with its graph, figures to log); must depend on nothing but the step
and weights."""


def train(
    workspace: Workspace,
    modules: nn.ModuleList,
    config: OptimizerConfig,
    n_steps: int,
    step_function: StepFunction,
    *,
    label: str,
    items_per_step: int = 1,
    unit: str = "tokens",
    checkpoint_seconds: float = 20.0,
    each: Callable[[int], dict[str, float]] | None = None,
    each_steps: int = 0,
) -> dict[str, float]:
    """Runs the steps that are missing and returns the figures of the last one.

    modules: what is trained and checkpointed. each: called after every `each_steps` steps (held-out loss), its figures
    are logged. A loss that is not finite stops the run with an error: nothing is published.
    """
    optimizer = adamw(modules, config.lr, (config.beta1, config.beta2), config.weight_decay)
    checkpoints = Checkpoints(workspace.checkpoints, checkpoint_seconds)
    start, figures = 0, {}
    warmup = min(config.warmup, max(1, n_steps // 10))
    found = checkpoints.load()
    if found is not None:
        start, state = found
        modules.load_state_dict(state["modules"])
        optimizer.load_state_dict(state["optimizer"])
        figures = state["figures"]
        workspace.note_resume()
        workspace.say(f"{label}: resumed after step {start} of {n_steps}")
    workspace.truncate_log(start)
    modules.train()
    with workspace.progress(n_steps * items_per_step, unit, label) as bar:
        bar.update(start * items_per_step)
        for step in range(start, n_steps):
            lr = warmup_cosine(step, n_steps, warmup, config.lr, config.final_lr_fraction)
            for group in optimizer.param_groups:
                group["lr"] = lr
            began = time.monotonic()
            loss, extra = step_function(step)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(modules.parameters(), config.clip)
            value = loss.item()
            if not math.isfinite(value) or not math.isfinite(norm.item()):
                raise HerdbookError(
                    f"{label}: the loss became {value} at step {step}",
                    remedy="lower the learning rate (lr) and run again",
                )
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            done = step + 1
            figures = {"loss": value, "lr": lr, "grad_norm": norm.item(), **extra}
            if each is not None and each_steps and (done % each_steps == 0 or done == n_steps):
                modules.eval()
                with torch.no_grad():
                    figures.update(each(done))
                modules.train()
            workspace.log(step=done, **figures, seconds=round(time.monotonic() - began, 4))
            bar.update(items_per_step, loss=value)
            if done == n_steps or checkpoints.due():
                checkpoints.save(
                    done, {"modules": modules.state_dict(), "optimizer": optimizer.state_dict(), "figures": figures}
                )
    modules.eval()
    return figures
