"""herdbook's own folder, `model.safetensors` and `params.json`, read a few rows at a time for conversion."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from herdbook.errors import InputError
from herdbook.model.args import ModelArgs
from herdbook.storage import read_json
from herdbook.weights.checkpoint import Checkpoint, check_shapes
from herdbook.weights.safetensors_file import read_header, read_rows


class NativeCheckpoint(Checkpoint):
    """As `native.save_model` writes it; tensors beside the model's (heads) are passed over."""

    format = "herdbook"

    def __init__(self, folder: Path) -> None:
        try:
            args = ModelArgs.from_json(read_json(folder / "params.json"))
        except TypeError as error:
            raise InputError(f"{folder}/params.json is not herdbook's: {error}.", key="params.json") from None
        super().__init__(folder, args)
        self._entries = read_header(folder / "model.safetensors")
        names = {name: name for name in self.shapes}
        check_shapes({name: entry.shape for name, entry in self._entries.items()}, args, folder, names=names)
        others = sorted(set(self._entries) - set(self.shapes))
        if others:
            self.notes.append(f"passed over, being no part of the language model: {', '.join(others)}")

    @property
    def files(self) -> list[Path]:
        return [self.path / "model.safetensors"]

    def dtype(self, name: str) -> torch.dtype:
        dtype = self._entries[name].dtype
        if dtype is None:
            raise InputError(f"{self.path}: {name} is stored as {self._entries[name].kind}.", key=name)
        return dtype

    def rows(self, name: str, start: int, end: int) -> Tensor:
        return read_rows(self._entries[name], start, end)
