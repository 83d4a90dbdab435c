"""A folder of Hugging Face's: `config.json` and safetensors, one file, or several and their index."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from herdbook.errors import InputError
from herdbook.storage import read_json
from herdbook.weights.checkpoint import Checkpoint, check_no_more, check_shapes
from herdbook.weights.hf_config import args_from_config, hf_name
from herdbook.weights.rope_layout import to_pairs
from herdbook.weights.safetensors_file import Entry, map_tensor, read_header, read_rows
from herdbook.weights.shapes import rotated_heads


class HuggingFaceCheckpoint(Checkpoint):
    """A folder with `config.json` and safetensors: one file, or several and their index."""

    format = "hf"

    def __init__(self, folder: Path) -> None:
        args = args_from_config(read_json(folder / "config.json"), folder / "config.json")
        super().__init__(folder, args)
        self._entries = _entries(folder)
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
                raise InputError(f"{folder}: {name} is stored as {kind}, which is not read.", key=name)

    @property
    def files(self) -> list[Path]:
        return sorted({entry.path for entry in self._entries.values()})

    def dtype(self, name: str) -> torch.dtype:
        dtype = self._entries[self._names[name]].dtype
        assert dtype is not None
        return dtype

    def rows(self, name: str, start: int, end: int) -> Tensor:
        rows = read_rows(self._entries[self._names[name]], start, end)
        if rotated_heads(name, self.args) is None:
            return rows
        return to_pairs(rows, (end - start) // self.args.head_dim)

    def tensor(self, name: str) -> Tensor:
        if rotated_heads(name, self.args) is not None:
            return super().tensor(name)
        return map_tensor(self._entries[self._names[name]], self._names[name])


def _entries(folder: Path) -> dict[str, Entry]:
    """All tensors of a folder, by the index where there is one."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return read_header(folder / "model.safetensors")
    table = read_json(index)
    places = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(places, dict) or not all(isinstance(value, str) for value in places.values()):
        raise InputError(f"{index} has no table weight_map of file names.", key=str(index))
    files = sorted(set(places.values()))
    for file in files:
        if file != Path(file).name or file in (".", "..") or "\\" in file or not file.endswith(".safetensors"):
            raise InputError(
                f"{index} names {file!r}, which is not a safetensors file in its own folder.",
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
    headers = {file: read_header(folder / file) for file in files}
    absent = [name for name, file in places.items() if name not in headers[file]]
    if absent:
        raise InputError(f"{folder / places[absent[0]]} lacks the tensor {absent[0]}.", key=absent[0])
    return {name: headers[file][name] for name, file in places.items()}
