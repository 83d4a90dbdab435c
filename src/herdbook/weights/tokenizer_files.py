"""The tokenizer that belongs to weights, read from where their format keeps it."""

from __future__ import annotations

from herdbook.tokenizer import Tokenizer
from herdbook.weights.checkpoint import Checkpoint


def tokenizer_of(checkpoint: Checkpoint) -> Tokenizer | None:
    """None where there is none beside the weights or inside the file.

    A bare `tokenizer.model` does not say which of Meta's tables of special tokens it means: the model's settings do.
    """
    path = checkpoint.tokenizer_path
    if path is None:
        return None
    if checkpoint.format == "gguf":
        from herdbook.tokenizer.gguf_fields import tokenizer_of_gguf

        return tokenizer_of_gguf(checkpoint.fields, str(path))  # type: ignore[attr-defined]
    return Tokenizer.load(path, default_table=checkpoint.args.special_tokens)
