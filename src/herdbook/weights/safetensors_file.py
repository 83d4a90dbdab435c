"""A safetensors file, read a few rows at a time and written as a stream: nothing is mapped, nothing is held.

Format: 8 bytes little-endian length of the header, the header (JSON: name -> dtype, shape, data_offsets), the data.
The safetensors library reads the same files into whole tensors; the tests compare.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from herdbook.errors import InputError
from herdbook.weights.dtypes import SAFETENSORS, SAFETENSORS_NAMES

MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors library."""


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies in a file. dtype: None for kinds of number that no weights of a Llama model have."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype | None
    kind: str


def read_header(path: Path) -> dict[str, Entry]:
    """The tensors of a file. Raises InputError where the file is cut off, damaged or no safetensors at all."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        entries, end = {}, 0
        for name, value in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, after = value["data_offsets"]
            shape, kind = tuple(int(n) for n in value["shape"]), str(value["dtype"])
            dtype = SAFETENSORS.get(kind)
            if begin != end or after < begin or any(n < 0 for n in shape):
                raise ValueError(f"the place of {name} overlaps another or leaves a hole")
            if dtype is not None and after - begin != math.prod(shape) * dtype.itemsize:
                raise ValueError(f"the size of {name} does not fit its shape")
            entries[name] = Entry(path, 8 + length + begin, shape, dtype, kind)
            end = after
    except FileNotFoundError:
        raise InputError(
            f"{path} is missing.", key=str(path), remedy="Fetch the missing file of the weights."
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{path} is not a safetensors file, or is damaged: {error}.", key=str(path), remedy="Fetch it again."
        ) from None
    if 8 + length + end != size:
        raise InputError(
            f"{path} is {'cut off' if size < 8 + length + end else 'longer than its header says'}: "
            f"it has {size} bytes, its header describes {8 + length + end}.",
            key=str(path),
            remedy="Fetch it again.",
        )
    return entries


def read_rows(entry: Entry, start: int, end: int) -> Tensor:
    """Rows start to end of a tensor, in memory of their own."""
    assert entry.dtype is not None
    row_bytes = math.prod(entry.shape[1:]) * entry.dtype.itemsize
    raw = read_bytes(entry.path, entry.offset + start * row_bytes, (end - start) * row_bytes)
    return torch.frombuffer(raw, dtype=entry.dtype).view(end - start, *entry.shape[1:])


def map_tensor(entry: Entry, name: str) -> Tensor:
    """A whole tensor, mapped from the file by the safetensors library for as long as it lives."""
    from safetensors import safe_open

    with safe_open(entry.path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(name)
    return tensor


def read_bytes(path: Path, offset: int, size: int) -> bytearray:
    """Exactly `size` bytes; InputError where the file has become shorter."""
    raw = bytearray(size)
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        view, done = memoryview(raw), 0
        while done < size:
            n = file.readinto(view[done:])
            if not n:
                raise InputError(f"{path} ends within a tensor.", key=str(path), remedy="Fetch it again.")
            done += n
    return raw


def raw_bytes(tensor: Tensor) -> Any:
    """The bytes of a tensor, without a copy where it is contiguous."""
    return tensor.contiguous().flatten().view(torch.uint8).numpy().data


@dataclass(frozen=True)
class Stream:
    """A tensor to be written: its chunks come when their turn has come."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    chunks: Callable[[], Iterable[Tensor]]

    @property
    def nbytes(self) -> int:
        """Size of the tensor."""
        return math.prod(self.shape) * self.dtype.itemsize


def write_safetensors(path: Path, streams: list[Stream]) -> None:
    """Writes a file, header first, one chunk in memory at a time."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for stream in streams:
        kind = SAFETENSORS_NAMES[stream.dtype]
        header[stream.name] = {"dtype": kind, "shape": list(stream.shape), "data_offsets": [end, end + stream.nbytes]}
        end += stream.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for stream in streams:
            before = file.tell()
            for chunk in stream.chunks():
                file.write(raw_bytes(chunk))
            assert file.tell() - before == stream.nbytes, stream.name
