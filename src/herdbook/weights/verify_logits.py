"""Logits on fixed prompts, herdbook's beside transformers', for the report of `herd verify`."""

from __future__ import annotations

from typing import Any

import torch

from herdbook.model.transformer import Transformer
from herdbook.tokenizer import Tokenizer
from herdbook.weights.checkpoint import Checkpoint
from herdbook.weights.dtypes import dtype_name
from herdbook.weights.hf_config import config_from_args, hf_name
from herdbook.weights.loading import load_weights
from herdbook.weights.rope_layout import to_halves
from herdbook.weights.shapes import count_params, rotated_heads

PROMPTS = (
    "The capital of France is",
    "def add(a, b):\n    return",
    "Water boils at 100 degrees Celsius. Water freezes at",
)
LIMITS = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
"""Largest max|difference| / max|reference| that rounding explains."""
SPARE_BYTES = 1 << 30

Line = tuple[str, Any, str]


def check_logits(checkpoint: Checkpoint, tokenizer: Tokenizer | None) -> list[Line]:
    """Lines (what, standing, text): the likeliest next tokens, and the difference to transformers."""
    dtype = _dtype_that_fits(checkpoint)
    if dtype is None:
        return [("logits", "not checked", "the model does not fit into the free memory")]
    prompts = _prompts(checkpoint, tokenizer)
    ours = load_weights(checkpoint, dtype=dtype)
    with torch.no_grad():
        our_logits = [ours(torch.tensor([ids]))[0] for ids in prompts]
    lines: list[Line] = []
    if tokenizer is not None:
        said = [f"{text!r} {tokenizer.decode([int(row[-1].argmax())])!r}" for text, row in zip(PROMPTS, our_logits)]
        lines.append(("next tokens", "note", "; ".join(said)))
    try:
        import transformers
    except ImportError:
        return [*lines, ("logits", "not checked", "transformers is not installed")]
    theirs = _reference(checkpoint, ours, dtype)
    del ours
    with torch.no_grad():
        their_logits = [theirs(input_ids=torch.tensor([ids])).logits[0].float() for ids in prompts]
    worst = max(((a.float() - b).abs().max() / b.abs().max()).item() for a, b in zip(our_logits, their_logits))
    limit = LIMITS[dtype]
    text = (
        f"transformers {transformers.__version__}, {len(prompts)} prompts, {dtype_name(dtype)}: "
        f"largest difference {worst:.1e} of the largest logit (limit {limit:g})"
    )
    return [*lines, ("logits", "ok" if worst <= limit else "bad", text)]


def _prompts(checkpoint: Checkpoint, tokenizer: Tokenizer | None) -> list[list[int]]:
    """The prompts as ids; without a tokenizer, ids from all over the vocabulary."""
    if tokenizer is None:
        V = checkpoint.args.vocab_size
        return [[(n * n * 7919 + seed) % V for n in range(1, 17)] for seed in range(3)]
    return [tokenizer.encode(text, bos=getattr(tokenizer, "add_bos", True)) for text in PROMPTS]


def _dtype_that_fits(checkpoint: Checkpoint) -> torch.dtype | None:
    """float32 where two copies fit into memory, else the stored dtype where one and the rotated matrices do."""
    import psutil

    free = psutil.virtual_memory().available - SPARE_BYTES
    n = count_params(checkpoint.args)
    if free > 2 * 4 * n:
        return torch.float32
    dtype = checkpoint.matrix_dtype
    return dtype if dtype in LIMITS and free > 1.3 * dtype.itemsize * n else None


def _reference(checkpoint: Checkpoint, ours: Transformer, dtype: torch.dtype) -> Any:
    """transformers' model: from the folder itself where it is Hugging Face's (its own reading is checked too) and fits
    beside ours, else from our tensors in its order."""
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    if checkpoint.format == "hf" and dtype == torch.float32:
        return LlamaForCausalLM.from_pretrained(checkpoint.path, dtype=dtype, local_files_only=True).eval()
    config = LlamaConfig(**config_from_args(checkpoint.args))
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    state = {}
    for name, tensor in ours.state_dict().items():
        heads = rotated_heads(name, checkpoint.args)
        state[hf_name(name)] = tensor if heads is None else to_halves(tensor, heads)
    model.load_state_dict(state, assign=True)
    model.tie_weights()
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its tables are no weights: they stayed on meta
    return model.eval()
