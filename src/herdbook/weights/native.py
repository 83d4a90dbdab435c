"""A model as a folder: `model.safetensors` (Meta's tensor names), `params.json`, the tokenizer's files,
`training.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from herdbook.errors import ArtifactError, InputError
from herdbook.model.args import ModelArgs
from herdbook.model.transformer import Transformer
from herdbook.storage import atomic_write_json, read_json
from herdbook.tokenizer import Tokenizer


def state(model: Transformer) -> dict[str, torch.Tensor]:
    """Tensors by Meta's names, contiguous, on the CPU; a tied output matrix is left out."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if model.args.tied_embeddings:
        tensors.pop("output.weight", None)
    return tensors


def save_model(
    folder: Path,
    model: Transformer,
    tokenizer: Tokenizer,
    training: dict[str, Any] | None = None,
    *,
    max_questions: int | None = None,
    extra: dict[str, torch.Tensor] | None = None,
) -> None:
    """Writes everything that `load_model` needs.

    max_questions: how many questions of a chat the model is shown, where it was tuned on fewer turns than a chat has.
    extra: further tensors, such as the weight of a reward head.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({**state(model), **(extra or {})}, folder / "model.safetensors", metadata={"format": "pt"})
    atomic_write_json(folder / "params.json", model.args.to_json())
    tokenizer.save(folder)
    if training is not None:
        atomic_write_json(folder / "training.json", training)
    if max_questions is not None:
        atomic_write_json(folder / "generation.json", {"max_questions": max_questions})


def load_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of `model.safetensors`; a damaged file is named."""
    path = folder / "model.safetensors"
    if not path.is_file():
        raise InputError(f"{folder} is not a model: it has no model.safetensors", remedy="give the folder of a model")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ArtifactError(
            f"{path} is damaged: {error}", remedy="make the model again, or restore the file"
        ) from error


def load_model(
    folder: Path, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> tuple[Transformer, Tokenizer]:
    """The model in evaluation mode and its tokenizer. dtype: None keeps the stored one."""
    folder = Path(folder)
    if not (folder / "params.json").is_file():
        raise InputError(f"{folder} is not a model: it has no params.json", remedy="give the folder of a model")
    args = ModelArgs.from_json(read_json(folder / "params.json"))
    tensors = load_tensors(folder)
    if args.tied_embeddings:
        tensors["output.weight"] = tensors["tok_embeddings.weight"]
    with torch.device("meta"):
        model = Transformer(args)
    own = {name: tensors[name] for name in model.state_dict() if name in tensors}
    missing = sorted(set(model.state_dict()) - set(own))
    if missing:
        raise ArtifactError(f"{folder}/model.safetensors lacks {missing[0]} and {len(missing) - 1} more tensors")
    for name, value in own.items():
        if value.shape != model.state_dict()[name].shape:
            raise ArtifactError(
                f"{folder}: {name} has shape {tuple(value.shape)}, params.json asks for "
                f"{tuple(model.state_dict()[name].shape)}"
            )
    model.load_state_dict(own, assign=True)
    if args.tied_embeddings:
        model.output.weight = model.tok_embeddings.weight
    model = model.to(device=device, dtype=dtype) if dtype is not None else model.to(device)
    return model.eval(), Tokenizer.load(folder)
