"""Learning rate by step: linear warmup, then cosine to a fraction of the peak (Llama 3: cosine to 1 % of it)."""

from __future__ import annotations

import math


def warmup_cosine(step: int, n_steps: int, warmup: int, peak: float, final_fraction: float = 0.01) -> float:
    """Rate of step `step`, counted from 0, of `n_steps`; the first step already moves."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, n_steps - warmup)
    return peak * (final_fraction + (1 - final_fraction) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
