"""A checkpoint of any format as a model in memory."""

from __future__ import annotations

from pathlib import Path

import torch

from herdbook.errors import InputError
from herdbook.model.transformer import Transformer
from herdbook.tokenizer import Tokenizer
from herdbook.weights.checkpoint import Checkpoint
from herdbook.weights.opening import detect, open_checkpoint
from herdbook.weights.tokenizer_files import tokenizer_of


def load_any(
    path: Path | str, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> tuple[Transformer, Tokenizer]:
    """The model in evaluation mode and its tokenizer, from any format that `open_checkpoint` reads.

    dtype: None keeps the stored one (quantised weights become float32). Raises InputError where there is no tokenizer.
    """
    if detect(Path(path)) == "herdbook":
        from herdbook.weights.native import load_model

        return load_model(Path(path), device, dtype)
    checkpoint = open_checkpoint(path)
    tokenizer = tokenizer_of(checkpoint)
    if tokenizer is None:
        raise InputError(
            f"{path} has no tokenizer beside its weights.", key=str(path),
            remedy="Put tokenizer.model or tokenizer.json into the folder.",
        )  # fmt: skip
    return load_weights(checkpoint, device, dtype), tokenizer


def load_weights(
    checkpoint: Checkpoint, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> Transformer:
    """The model alone. What needs no change stays mapped from the file on a CPU and takes no memory of its own."""
    with torch.device("meta"):
        model = Transformer(checkpoint.args)
    tensors = {
        name: checkpoint.tensor(name).to(device=device, dtype=dtype or checkpoint.dtype(name))
        for name in checkpoint.shapes
    }
    if checkpoint.args.tied_embeddings:
        tensors["output.weight"] = tensors["tok_embeddings.weight"]
    model.load_state_dict(tensors, assign=True)
    if checkpoint.args.tied_embeddings:
        model.output.weight = model.tok_embeddings.weight
    return model.eval()
