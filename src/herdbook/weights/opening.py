"""Which format a path holds, and the checkpoint in it."""

from __future__ import annotations

from pathlib import Path

from herdbook.errors import InputError
from herdbook.weights.checkpoint import Checkpoint
from herdbook.weights.gguf_header import PART

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
    if (path / "config.json").is_file() and any([*path.glob("*.safetensors*"), *path.glob("pytorch_model*.bin*")]):
        return "hf"
    if (path / "params.json").is_file() and (path / "model.safetensors").is_file():
        return "herdbook"
    return "gguf" if _gguf_in(path) else None


def _gguf_in(folder: Path) -> Path | None:
    """The GGUF file of a folder, or the first part of the only split one; None where there is no or more than one."""
    files = sorted(folder.glob("*.gguf"))
    parts = {PART.sub("", file.name) for file in files}
    return files[0] if len(files) == 1 or (len(parts) == 1 and len(files) > 1) else None


def open_checkpoint(path: Path | str) -> Checkpoint:
    """Opens and checks weights in any format; nothing but names, shapes and settings is read.

    Raises InputError for what is damaged, incomplete, unsafe or of another architecture.
    """
    path = Path(path)
    kind = detect(path)
    if kind == "gguf":
        from herdbook.weights.gguf_file import GGUFCheckpoint

        found = path if path.is_file() else _gguf_in(path)
        assert found is not None
        return GGUFCheckpoint(found)
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
    raise InputError(f"{path} holds no weights in a known format.", key=str(path), remedy=f"Known are {READ}.")
