"""Weights from one format into another, a few rows at a time: memory does not grow with the model.

What can be wrong is found before the first weight is read; the output appears complete under its name, or not at all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from herdbook.errors import DiskFullError, InputError
from herdbook.model.args import ModelArgs
from herdbook.progress import Progress, Sink, quiet_sink
from herdbook.storage import disk_errors, free_bytes, publish, remove_tree
from herdbook.tokenizer import Tokenizer
from herdbook.weights.checkpoint import Checkpoint
from herdbook.weights.dtypes import parse_dtype
from herdbook.weights.locate import find_weights
from herdbook.weights.opening import open_checkpoint
from herdbook.weights.safetensors_file import Stream
from herdbook.weights.shapes import count_params
from herdbook.weights.tokenizer_files import tokenizer_of

FORMATS = ("meta", "hf", "gguf", "herdbook")


@dataclass
class Job:
    """What a writer is given: where to write, and streams of tensors that count themselves."""

    source: Checkpoint
    folder: Path
    name: str
    tokenizer: Tokenizer | None
    dtype: torch.dtype | None
    n_shards: int
    shard_bytes: int
    bar: Progress

    @property
    def args(self) -> ModelArgs:
        """Shape of the model."""
        return self.source.args

    @property
    def tuned(self) -> bool:
        """Whether the model ends turns: any model but one that herdbook pretrained and did not tune."""
        return self.source.format != "herdbook" or (self.source.path / "generation.json").is_file()

    def dtype_of(self, name: str) -> torch.dtype:
        """The dtype in which a tensor is written."""
        return self.dtype or self.source.dtype(name)

    def stream(
        self, name: str, as_name: str | None = None, change: Callable[[Tensor], Tensor] | None = None,
        dtype: torch.dtype | None = None,
    ) -> Stream:  # fmt: skip
        """A whole tensor under another name; `change` is applied to each chunk of rows (whole heads of wq and wk)."""
        target = dtype or self.dtype_of(name)

        def chunks():  # type: ignore[no-untyped-def]
            for rows in self.source.chunks(name):
                cast = self.cast(rows, target, name)
                yield cast if change is None else change(cast)
                self.bar.update(rows.nbytes / 1e6)

        return Stream(as_name or name, self.source.shapes[name], target, chunks)

    def cast(self, rows: Tensor, dtype: torch.dtype, name: str) -> Tensor:
        """Rows in another dtype. Raises InputError where a number becomes infinite."""
        cast = rows.to(dtype)
        if dtype == torch.float16 and rows.dtype != dtype and torch.isinf(cast).sum() > torch.isinf(rows).sum():
            raise InputError(
                f"{name} has numbers too large for float16.", key="dtype", remedy="Take bfloat16 or float32."
            )
        return cast


def convert(
    source: Path | str,
    target: Path | str,
    to: str,
    *,
    dtype: str | torch.dtype | None = None,
    n_shards: int = 1,
    shard_gb: float = 5.0,
    overwrite: bool = False,
    sink: Sink = quiet_sink,
) -> Path:
    """Writes the weights at `source` (whatever `find_weights` finds) to `target`; returns where they are.

    to: "meta", "hf", "gguf" or "herdbook". target: a folder, or for GGUF a file name that ends in `.gguf`. dtype: None
    keeps each tensor's own (quantised ones become float32). n_shards: tensor-parallel shards of Meta's format, 1 to 8.
    shard_gb: largest file of Hugging Face's, in GB. overwrite: replace what is at `target`, once the new one is whole.

    Raises InputError for weights that cannot be read, a target that exists, and settings that do not fit;
    DiskFullError before anything is written where the disk is too small.
    """
    if to not in FORMATS:
        raise InputError(f"There is no format `{to}`.", key="to", value=to, remedy=f"Take one of {', '.join(FORMATS)}.")
    target = Path(target)
    _check_target(target, to, overwrite)
    wanted = None if dtype is None else parse_dtype(dtype)
    checkpoint = open_checkpoint(find_weights(source))
    if (
        target.resolve() in {file.resolve() for file in checkpoint.files}
        or target.resolve() == checkpoint.path.resolve()
    ):
        raise InputError(f"{target} is the source itself.", key=str(target), remedy="Choose another folder.")
    _check_shards(checkpoint.args, to, n_shards)
    tokenizer = tokenizer_of(checkpoint)
    size = sum(_size(checkpoint, name, wanted) for name in checkpoint.shapes)
    free = free_bytes(target.parent)
    if free < size * 1.01:
        raise DiskFullError(
            f"{target} needs {size / 1e9:.1f} GB, {free / 1e9:.1f} GB are free.",
            remedy="Free some space, choose another disk, or a smaller --dtype.",
        )
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    remove_tree(temporary)
    with Progress(sum(_size(checkpoint, name, None) for name in checkpoint.shapes) / 1e6, "MB", to, sink) as bar:
        try:
            with disk_errors():
                temporary.mkdir(parents=True)
                job = Job(checkpoint, temporary, target.name, tokenizer, wanted, n_shards, int(shard_gb * 1e9), bar)
                _writer(to)(job)
                return _publish(temporary, target)
        finally:
            remove_tree(temporary)


def describe(target: Path) -> str:
    """One line about a conversion that is done."""
    files = [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return f"{target}: {count_params(open_checkpoint(target).args):,} parameters, {size / 1e9:.2f} GB"


def _writer(to: str) -> Callable[[Job], None]:
    if to == "hf":
        from herdbook.weights.hf_writer import write
    elif to == "gguf":
        from herdbook.weights.gguf_writer import write
    elif to == "meta":
        from herdbook.weights.meta_writer import write
    else:
        from herdbook.weights.native_writer import write
    return write


def _size(checkpoint: Checkpoint, name: str, dtype: torch.dtype | None) -> int:
    return torch.Size(checkpoint.shapes[name]).numel() * (dtype or checkpoint.dtype(name)).itemsize


def _check_target(target: Path, to: str, overwrite: bool) -> None:
    if target.suffix == ".gguf" and to != "gguf":
        raise InputError(f"{target} is the name of a GGUF file.", key=str(target), remedy="Give a folder.")
    if target.is_symlink():
        raise InputError(f"{target} is a link.", key=str(target), remedy="Give the folder that it points to.")
    if target.is_file() != (target.suffix == ".gguf") and target.exists():
        kind = "a folder" if target.is_dir() else "a file"
        raise InputError(f"{target} is {kind} already.", key=str(target), remedy="Choose another name.")
    empty = target.is_dir() and not any(target.iterdir())
    if target.exists() and not empty and not overwrite:
        raise InputError(
            f"{target} exists already.", key=str(target), remedy="Choose another name, or give --overwrite."
        )


def _check_shards(args: ModelArgs, to: str, n_shards: int) -> None:
    if to != "meta" and n_shards != 1:
        raise InputError("Only Meta's format has tensor-parallel shards.", key="shards", value=n_shards)
    sizes = (args.n_heads, args.n_kv_heads, args.ffn_dim, args.vocab_size, args.dim)
    if not 1 <= n_shards <= 8 or any(size % n_shards for size in sizes):
        raise InputError(
            f"{n_shards} shards do not divide this model: heads {args.n_heads}, KV heads {args.n_kv_heads}, "
            f"feed-forward {args.ffn_dim}, vocabulary {args.vocab_size}.",
            key="shards",
            value=n_shards,
            remedy="Take a number from 1 to 8 that divides them all.",
        )


def _publish(temporary: Path, target: Path) -> Path:
    """Moves what was written to its name: a folder, or the one file in it."""
    if target.suffix != ".gguf":
        return publish(temporary, target)
    (file,) = temporary.iterdir()
    with open(file, "rb") as handle:
        os.fsync(handle.fileno())
    os.replace(file, target)
    shutil.rmtree(temporary)
    return target
