"""A folder of Hugging Face's: `config.json` and weights in one file, or in several and an index.

Safetensors, or where there are none, PyTorch's files (`pytorch_model.bin`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from herdbook.errors import InputError
from herdbook.storage import read_json
from herdbook.weights.checkpoint import Checkpoint, check_no_more, check_shapes
from herdbook.weights.hf_config import args_from_config, hf_name
from herdbook.weights.rope_layout import to_pairs
from herdbook.weights.safetensors_file import map_tensor, read_header, read_rows
from herdbook.weights.shapes import rotated_heads
from herdbook.weights.torch_file import TorchFile


@dataclass(frozen=True)
class Place:
    """A tensor in a file of either kind. dtype: None for kinds of number that are not read."""

    path: Path
    shape: tuple[int, ...]
    dtype: torch.dtype | None
    kind: str
    rows: Callable[[int, int], Tensor]
    whole: Callable[[], Tensor]


class HuggingFaceCheckpoint(Checkpoint):
    """A folder with `config.json`, and safetensors or PyTorch's files."""

    format = "hf"

    def __init__(self, folder: Path) -> None:
        args = args_from_config(read_json(folder / "config.json"), folder / "config.json")
        super().__init__(folder, args)
        self._entries = _places(folder)
        self._names = {name: hf_name(name) for name in self.shapes}
        check_shapes({name: entry.shape for name, entry in self._entries.items()}, args, folder, names=self._names)
        passed_over = {name for name in self._entries if name.endswith("rotary_emb.inv_freq")}
        if args.tied_embeddings and "lm_head.weight" in self._entries:
            passed_over.add("lm_head.weight")
            self.notes.append("lm_head.weight is passed over: the configuration ties it to the embedding")
        check_no_more(self._entries, set(self._names.values()) | passed_over, folder)
        for name in self._names.values():
            if self._entries[name].dtype is None:
                kind = self._entries[name].kind
                raise InputError(
                    f"{folder}: {name} is stored as {kind}, which is not read.", key=name,
                    remedy="Take the model in bfloat16, float16 or float32.",
                )  # fmt: skip

    @property
    def files(self) -> list[Path]:
        return sorted({entry.path for entry in self._entries.values()})

    def dtype(self, name: str) -> torch.dtype:
        dtype = self._entries[self._names[name]].dtype
        assert dtype is not None
        return dtype

    def rows(self, name: str, start: int, end: int) -> Tensor:
        rows = self._entries[self._names[name]].rows(start, end)
        if rotated_heads(name, self.args) is None:
            return rows
        return to_pairs(rows, (end - start) // self.args.head_dim)

    def tensor(self, name: str) -> Tensor:
        if rotated_heads(name, self.args) is not None:
            return super().tensor(name)
        return self._entries[self._names[name]].whole()


def _safetensors(path: Path) -> dict[str, Place]:
    return {
        name: Place(path, e.shape, e.dtype, e.kind, partial(read_rows, e), partial(map_tensor, e, name))
        for name, e in read_header(path).items()
    }


def _pickled(path: Path) -> dict[str, Place]:
    file = TorchFile(path)
    return {
        name: Place(path, shape, file.dtypes[name], "", partial(file.rows, name), partial(file.whole, name))
        for name, shape in file.shapes.items()
    }


def _places(folder: Path) -> dict[str, Place]:
    """All tensors of a folder, by the index where there is one."""
    if any(folder.glob("*.safetensors*")):
        single, kind, read = folder / "model.safetensors", "safetensors", _safetensors
    else:
        single, kind, read = folder / "pytorch_model.bin", "bin", _pickled
    index = folder / f"{single.name}.index.json"
    if not index.is_file():
        return read(single)
    table = read_json(index)
    places = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(places, dict) or not all(isinstance(value, str) for value in places.values()):
        raise InputError(f"{index} has no table weight_map of file names.", key=str(index))
    files = sorted(set(places.values()))
    for file in files:
        if file != Path(file).name or file in (".", "..") or "\\" in file or not file.endswith(f".{kind}"):
            raise InputError(
                f"{index} names {file!r}, which is not a {kind} file in its own folder.",
                key=str(index),
                remedy="Do not trust these weights: an index has no reason to point elsewhere.",
            )
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise InputError(
            f"{folder} lacks {missing[0]}; it has {len(files) - len(missing)} of {len(files)} files that the index "
            "names.",
            key=str(folder),
            remedy="Fetch the missing file of the weights.",
        )
    tables = {file: read(folder / file) for file in files}
    absent = [name for name, file in places.items() if name not in tables[file]]
    if absent:
        raise InputError(f"{folder / places[absent[0]]} lacks the tensor {absent[0]}.", key=absent[0])
    return {name: tables[file][name] for name, file in places.items()}
