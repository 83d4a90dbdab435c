"""Meta's own files: `consolidated.NN.pth` (one for each tensor-parallel shard), `params.json`, `tokenizer.model`.

Source: `model.py` and `generation.py` of the llama3 repository; `rope.freqs` of Llama 2's files is passed over, it
follows from the other settings.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from herdbook.errors import InputError
from herdbook.model.args import ModelArgs, RopeScaling
from herdbook.storage import read_json
from herdbook.weights.checkpoint import Checkpoint, check_no_more
from herdbook.weights.shapes import split_axis, tensor_shapes
from herdbook.weights.torch_file import TorchFile

SHARD = re.compile(r"consolidated\.(\d\d)\.pth")
ARGS_FILE = "herdbook_args.json"
"""Written beside `params.json` by us: settings that Meta's file has no words for, such as the length of the context."""
IGNORED = {"rope.freqs"}
MAX_SHARDS = 8
_PARAMS = {"dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "ffn_dim_multiplier", "multiple_of", "norm_eps",
           "rope_theta", "use_scaled_rope", "rope_scaling_factor", "rope_high_freq_factor", "max_seq_len",
           "max_batch_size"}  # fmt: skip


class MetaCheckpoint(Checkpoint):
    """A folder as Meta ships it, 1 to 8 shards."""

    format = "meta"

    def __init__(self, folder: Path) -> None:
        found = {int(match[1]): path for path in folder.iterdir() if (match := SHARD.fullmatch(path.name))}
        missing = sorted(set(range(max(found) + 1)) - set(found))
        if missing:
            raise InputError(
                f"{folder} lacks consolidated.{missing[0]:02d}.pth; it has {len(found)} of {max(found) + 1} shards.",
                key=str(folder),
                remedy="Fetch the missing file of the weights.",
            )
        self.n_shards = len(found)
        if self.n_shards > MAX_SHARDS:
            raise InputError(f"{folder} has {self.n_shards} shards; up to {MAX_SHARDS} are read.", key=str(folder))
        self._files = [TorchFile(found[index]) for index in range(self.n_shards)]
        params = read_json(folder / "params.json")
        args = args_from_params(params, self._whole_rows("tok_embeddings.weight", params, folder), folder)
        self._count_shards(args.dim, folder)
        first = self._files[0]
        tied = "output.weight" not in first.shapes or first.same_storage("output.weight", "tok_embeddings.weight")
        super().__init__(folder, complete(args, tied, folder))
        self._axes = {name: self._check(name, shape) for name, shape in self.shapes.items()}
        for file in self._files:
            extra = {"output.weight"} if tied else set()
            check_no_more(file.shapes, set(self.shapes) | IGNORED | extra, file.path)

    @property
    def files(self) -> list[Path]:
        return [file.path for file in self._files]

    def dtype(self, name: str) -> torch.dtype:
        return self._files[0].dtypes[name]

    def rows(self, name: str, start: int, end: int) -> Tensor:
        axis = self._axes[name]
        if axis is None:
            return self._files[0].rows(name, start, end)
        if axis == 1:
            return torch.cat([file.rows(name, start, end) for file in self._files], dim=1)
        per_shard = self.shapes[name][0] // self.n_shards
        parts = []
        for index in range(start // per_shard, -(-end // per_shard)):
            first = index * per_shard
            parts.append(self._files[index].rows(name, max(start - first, 0), min(end - first, per_shard)))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def tensor(self, name: str) -> Tensor:
        """A whole tensor; mapped from the file where there is one shard, so that it need not fit into memory twice."""
        if self.n_shards > 1:
            return super().tensor(name)
        return self._files[0].whole(name)

    def _count_shards(self, dim: int, folder: Path) -> None:
        """wo has dim / shards columns in each shard: are all shards there?"""
        shape = self._files[0].shapes.get("layers.0.attention.wo.weight", (0, 0))
        n = dim // shape[1] if len(shape) == 2 and shape[1] and dim % shape[1] == 0 else self.n_shards
        if n != self.n_shards:
            raise InputError(
                f"{folder} has {self.n_shards} files consolidated.NN.pth, but each is one of {n} shards.",
                key=str(folder),
                remedy="Fetch the missing files." if n > self.n_shards else "Remove what does not belong there.",
            )

    def _whole_rows(self, name: str, params: Any, folder: Path) -> int:
        """Rows of the embedding over all shards: Llama 3 splits its rows, Llama 2 its columns."""
        shape = self._files[0].shapes.get(name)
        if shape is None or len(shape) != 2:
            raise InputError(f"{folder}: consolidated.00.pth lacks the matrix {name}.", key=name)
        return shape[0] if isinstance(params, dict) and shape[1] != params.get("dim") else shape[0] * self.n_shards

    def _check(self, name: str, whole: tuple[int, ...]) -> int | None:
        """Compares the shapes of all shards with the whole; returns the axis they are split along."""
        axis, n = split_axis(name), self.n_shards
        for file in self._files:
            found = file.shapes.get(name)
            if found is None:
                raise InputError(f"{file.path} lacks the tensor {name}.", key=name, remedy="Fetch the weights again.")
            if name == "tok_embeddings.weight" and found[0] == whole[0] and n > 1:
                axis = 1
            wanted = list(whole)
            if axis is not None:
                wanted[axis] //= n
            if list(found) == wanted and (axis is None or whole[axis] % n == 0):
                continue
            raise InputError(
                f"{file.path}: {name} has shape {found}, params.json asks for {tuple(wanted)}"
                + (f" (1 of {n} shards)." if n > 1 else "."),
                key=name,
                remedy="Weights and params.json belong to different models.",
            )
        return axis if n > 1 else None


def args_from_params(params: Any, vocab_size: int, where: Path) -> ModelArgs:
    """Meta's `params.json` as ModelArgs; tied embeddings and length of context are not in it."""
    if not isinstance(params, dict):
        raise InputError(f"{where}/params.json is not a table.", key="params.json")
    if "quantization_args" in params:
        raise InputError(
            f"{where}: these weights are quantised (params.json: quantization_args), which is not read.",
            key="quantization_args",
            remedy="Take the model in bfloat16.",
        )
    unknown = sorted(set(params) - _PARAMS)
    if unknown:
        raise InputError(
            f"{where}/params.json has the setting {unknown[0]}, which no dense Llama 2 or 3 has.",
            key=unknown[0],
            remedy="This is another architecture, which is not read.",
        )
    try:
        n_heads = int(params["n_heads"])
        stated = int(params.get("vocab_size", -1))
        args = ModelArgs(
            dim=int(params["dim"]),
            n_layers=int(params["n_layers"]),
            n_heads=n_heads,
            n_kv_heads=int(params.get("n_kv_heads") or n_heads),
            vocab_size=vocab_size if stated < 1 else stated,
            ffn_dim_multiplier=params.get("ffn_dim_multiplier"),
            multiple_of=int(params.get("multiple_of", 256)),
            norm_eps=float(params.get("norm_eps", 1e-5)),
            rope_theta=float(params.get("rope_theta", 10_000.0)),
        )
        scaling = None
        if params.get("use_scaled_rope"):
            scaling = RopeScaling(
                factor=float(params.get("rope_scaling_factor") or 0.0),
                high_freq_factor=float(params.get("rope_high_freq_factor") or 4.0),
            )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}/params.json is not Meta's: {error!r}.", key="params.json") from None
    return replace(args, rope_scaling=scaling)


def complete(args: ModelArgs, tied: bool, folder: Path) -> ModelArgs:
    """Adds what Meta's file leaves out: from our own file beside it, else as the published models have it.

    Scaled RoPE without a factor: 32 in the small models with tied embeddings (3.2), 8 in 3.1. Context: 131,072 with
    scaled RoPE, 8,192 with theta 500,000, 4,096 in Llama 2.
    """
    scaling = args.rope_scaling
    if scaling is not None and not scaling.factor:
        small = tied or (args.dim, args.n_layers) in ((2048, 16), (3072, 28))
        scaling = RopeScaling(factor=32.0 if small else 8.0, high_freq_factor=scaling.high_freq_factor)
    length = 131_072 if scaling else 8192 if args.rope_theta >= 500_000 else 4096
    args = replace(args, tied_embeddings=tied, rope_scaling=scaling, max_seq_len=length)
    if not (folder / ARGS_FILE).is_file():
        return args
    own = ModelArgs.from_json(read_json(folder / ARGS_FILE))
    if tensor_shapes(own) != tensor_shapes(args) or own.rope_theta != args.rope_theta or own.norm_eps != args.norm_eps:
        raise InputError(
            f"{folder}: {ARGS_FILE} and params.json describe different models.",
            key=ARGS_FILE,
            remedy=f"Remove {ARGS_FILE} if params.json is right.",
        )
    return own


def params_from_args(args: ModelArgs) -> dict[str, Any]:
    """Meta's `params.json`. Its reader takes every key as a setting of the model, so there are no others in it."""
    params: dict[str, Any] = {
        "dim": args.dim, "n_layers": args.n_layers, "n_heads": args.n_heads, "n_kv_heads": args.n_kv_heads,
        "vocab_size": args.vocab_size, "multiple_of": args.multiple_of, "norm_eps": args.norm_eps,
        "rope_theta": args.rope_theta,
    }  # fmt: skip
    if args.ffn_dim_multiplier is not None:
        params["ffn_dim_multiplier"] = args.ffn_dim_multiplier
    if args.rope_scaling is not None:
        params["use_scaled_rope"] = True
    return params
