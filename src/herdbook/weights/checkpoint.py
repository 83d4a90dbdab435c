"""What all formats of weights have in common: arguments, tensors by Meta's names, read a few rows at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from herdbook.errors import InputError
from herdbook.model.args import ModelArgs
from herdbook.weights.shapes import Shape, rotated_heads, tensor_shapes

CHUNK_BYTES = 1 << 23
"""Rows are read about this many bytes at a time."""


class Checkpoint(ABC):
    """Weights on disk, opened and checked: every tensor is there with the right shape, no weight has been read yet.

    Rows come in Meta's order and in the dtype they are stored in (quantised ones as float32).
    """

    format: ClassVar[str]

    def __init__(self, path: Path, args: ModelArgs) -> None:
        self.path, self.args = path, args
        self.shapes = tensor_shapes(args)
        self.notes: list[str] = []
        """What the reader should know: tensors left out, settings taken for granted."""

    @abstractmethod
    def dtype(self, name: str) -> torch.dtype:
        """The dtype of what `rows` gives."""

    @abstractmethod
    def rows(self, name: str, start: int, end: int) -> Tensor:
        """Rows start to end of a tensor; for wq and wk both are multiples of the head dimension."""

    @property
    @abstractmethod
    def files(self) -> list[Path]:
        """The files that hold the weights."""

    @property
    def tokenizer_path(self) -> Path | None:
        """What to give to `Tokenizer.load`; None where there is no tokenizer."""
        folder = self.path if self.path.is_dir() else self.path.parent
        has_one = any((folder / name).is_file() for name in ("tokenizer.model", "tokenizer.json"))
        return folder if has_one else None

    @property
    def stored_as(self) -> str:
        """The number format, in words."""
        return str(self.matrix_dtype).removeprefix("torch.")

    @property
    def matrix_dtype(self) -> torch.dtype:
        """The dtype of the embedding, taken for that of the model."""
        return self.dtype("tok_embeddings.weight")

    def tensor(self, name: str) -> Tensor:
        """A whole tensor."""
        return self.rows(name, 0, self.shapes[name][0])

    def chunks(self, name: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Tensor]:
        """The rows of a tensor, a few at a time."""
        n_rows, step = self.shapes[name][0], self.rows_per_chunk(name, chunk_bytes)
        for start in range(0, n_rows, step):
            yield self.rows(name, start, min(n_rows, start + step))

    def rows_per_chunk(self, name: str, chunk_bytes: int = CHUNK_BYTES) -> int:
        """How many rows make a chunk: whole heads of wq and wk."""
        shape = self.shapes[name]
        if len(shape) == 1:
            return shape[0]
        unit = 1 if rotated_heads(name, self.args) is None else self.args.head_dim
        return max(1, chunk_bytes // (shape[1] * self.dtype(name).itemsize * unit)) * unit


def check_shapes(found: Mapping[str, Shape], args: ModelArgs, where: Path | str, *, names: Mapping[str, str]) -> None:
    """Raises InputError naming the first tensor that is missing or has another shape than the arguments say.

    found: by the names of the file. names: Meta's name to the file's.
    """
    wanted = tensor_shapes(args)
    missing = [names[name] for name in wanted if names[name] not in found]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{where} lacks the tensor {missing[0]}{more}.",
            key=missing[0],
            remedy="A file of the weights is missing or incomplete: fetch the weights again.",
        )
    for name, shape in wanted.items():
        if tuple(found[names[name]]) != shape:
            raise InputError(
                f"{where}: {names[name]} has shape {tuple(found[names[name]])}, the configuration beside it asks for "
                f"{shape}.",
                key=names[name],
                remedy="Weights and configuration belong to different models.",
            )


def check_no_more(found: Mapping[str, object], known: set[str], where: Path | str) -> None:
    """Raises InputError for a tensor that no Llama model has: left out, it would change what the model computes."""
    unknown = sorted(set(found) - known)
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise InputError(
            f"{where} holds the tensor {unknown[0]}{more}, which a Llama model does not have.",
            key=unknown[0],
            remedy="This is another architecture (biases, experts, adapters, quantisation), which is not read.",
        )
