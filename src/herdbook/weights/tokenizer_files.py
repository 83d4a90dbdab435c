"""The tokenizer that belongs to weights, read from where their format keeps it."""

from __future__ import annotations

from herdbook.tokenizer import Tokenizer
from herdbook.weights.checkpoint import Checkpoint


def tokenizer_of(checkpoint: Checkpoint) -> Tokenizer | None:
    """None where there is none beside the weights or inside the file.

    Meta's files do not say which table of special tokens they mean: models with scaled RoPE (3.1, 3.2) have 3.1's.
    """
    path = checkpoint.tokenizer_path
    if path is None:
        return None
    if checkpoint.format == "gguf":
        from herdbook.tokenizer.gguf_fields import tokenizer_of_gguf

        return tokenizer_of_gguf(checkpoint.fields, str(path))  # type: ignore[attr-defined]
    bare = checkpoint.format == "meta" and not (path / "tokenizer_config.json").is_file()
    return Tokenizer.load(path, table="llama3.1" if bare and checkpoint.args.rope_scaling else None)
