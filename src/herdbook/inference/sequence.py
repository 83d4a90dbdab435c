"""What is generated: a request (one prompt, n answers), its sequences (one answer each), and finished completions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from herdbook.inference.sampling import SamplingParams

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class Completion:
    """One finished answer."""

    ids: list[int]
    """Every token that the model chose, a stop token at the end included: what a policy gradient needs."""
    text: str
    """The answer as text, without the stop token."""
    logprobs: list[float]
    """Log-probability of each of `ids` under the model at temperature 1, nothing cut off (natural logarithm)."""
    finish_reason: FinishReason
    """"stop": a stop token came; "length": max_new_tokens or the model's context was reached; "cancelled": given up."""

    @property
    def logprob(self) -> float:
        """Log-probability of the whole answer."""
        return sum(self.logprobs)


@dataclass(eq=False)
class Request:
    """One prompt and the samples that are wanted of it; its prompt is prefilled once."""

    number: int
    prompt: list[int]
    params: SamplingParams
    limit: int
    """Tokens to generate at most: max_new_tokens, or what the context leaves."""
    stop_set: int
    """Row of the scheduler's table of stop tokens."""
    unstarted: list[Sequence] = field(default_factory=list)
    """Samples still to be started, the next one last."""
    first_logits_V: Tensor | None = None
    """Logits after the prompt, from which every sample draws its first token; float32, set by the prefill."""


@dataclass(eq=False)
class Sequence:
    """One answer on its way."""

    request: Request
    sample: int
    key: int
    """Key of its random numbers, from (seed, request number, sample)."""
    slot: int = -1
    """Row of the batch, -1 while waiting and when finished."""
    ids: list[int] = field(default_factory=list)
    """Filled when finished."""
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None
