"""Which format a path holds, and the checkpoint in it."""

from __future__ import annotations

from pathlib import Path

from herdbook.errors import InputError
from herdbook.weights.checkpoint import Checkpoint

READ = "herdbook's own, Meta's (consolidated.00.pth), Hugging Face's (config.json, model.safetensors), GGUF, llama2.c"


def detect(path: Path) -> str | None:
    """ "herdbook", "meta", "hf", "gguf", "llama2c", or None where `path` holds no weights that are known."""
    if path.is_file():
        with open(path, "rb") as file:
            magic = file.read(4)
        if magic == b"GGUF" or path.suffix == ".gguf":
            return "gguf"
        return "llama2c" if path.suffix == ".bin" else None
    if not path.is_dir():
        return None
    if any(path.glob("consolidated.*.pth")):
        return "meta"
    if (path / "config.json").is_file() and any(path.glob("*.safetensors*")):
        return "hf"
    if (path / "params.json").is_file() and (path / "model.safetensors").is_file():
        return "herdbook"
    return "gguf" if len(list(path.glob("*.gguf"))) == 1 else None


def open_checkpoint(path: Path | str) -> Checkpoint:
    """Opens and checks weights in any format; nothing but names, shapes and settings is read.

    Raises InputError for what is damaged, incomplete, unsafe or of another architecture.
    """
    path = Path(path)
    kind = detect(path)
    if kind == "gguf":
        from herdbook.weights.gguf_file import GGUFCheckpoint

        return GGUFCheckpoint(path if path.is_file() else next(path.glob("*.gguf")))
    if kind == "meta":
        from herdbook.weights.meta import MetaCheckpoint

        return MetaCheckpoint(path)
    if kind == "hf":
        from herdbook.weights.huggingface import HuggingFaceCheckpoint

        return HuggingFaceCheckpoint(path)
    if kind == "herdbook":
        from herdbook.weights.native_checkpoint import NativeCheckpoint

        return NativeCheckpoint(path)
    if kind == "llama2c":
        from herdbook.weights.llama2c import Llama2cCheckpoint

        return Llama2cCheckpoint(path)
    if not path.exists():
        raise InputError(f"There is nothing at {path}.", key=str(path), remedy="Give a folder or file of weights.")
    if path.is_dir() and any(path.glob("pytorch_model*.bin")):
        raise InputError(
            f"{path} holds its weights as pickles (pytorch_model.bin), which are not read.",
            key=str(path),
            remedy="Take the model's safetensors files.",
        )
    raise InputError(f"{path} holds no weights in a known format.", key=str(path), remedy=f"Known are {READ}.")
