"""A PyTorch file (`consolidated.NN.pth`, `pytorch_model.bin`), read a few rows at a time and written as a stream.

Reading goes through `torch.load(weights_only=True)`, which builds tensors and nothing else: a pickle with code in it is
refused. The file is mapped, and mapped anew every now and then, so that pages once read do not add up.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import torch
from torch import Tensor

from herdbook.errors import InputError
from herdbook.weights.dtypes import SAFETENSORS_NAMES, dtype_name
from herdbook.weights.safetensors_file import Stream, raw_bytes

REMAP_BYTES = 1 << 25


class TorchFile:
    """The tensors of one file."""

    def __init__(self, path: Path) -> None:
        """Reads names, shapes and dtypes, no weights. Raises InputError where the file is not a table of tensors."""
        self.path = path
        self._mapped: dict[str, Tensor] | None = None
        self._touched = 0
        tensors = self._load("meta")
        for name, tensor in tensors.items():
            if tensor.layout != torch.strided or not tensor.is_floating_point() or tensor.is_quantized:
                raise InputError(f"{path}: {name} is not a plain matrix of numbers.", key=name)
            if tensor.dtype not in SAFETENSORS_NAMES:
                raise InputError(
                    f"{path}: {name} is stored as {dtype_name(tensor.dtype)}, which is not read.",
                    key=name,
                    remedy="Take the model in bfloat16, float16 or float32.",
                )
        self.shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        self.dtypes = {name: tensor.dtype for name, tensor in tensors.items()}

    def rows(self, name: str, start: int, end: int) -> Tensor:
        """A copy of some rows."""
        if self._mapped is None or self._touched > REMAP_BYTES:
            self._mapped, self._touched = None, 0  # unmapped before it is mapped again
            self._mapped = self._load(None)
        rows = self._mapped[name][start:end].clone()
        self._touched += rows.nbytes
        return rows

    def whole(self, name: str) -> Tensor:
        """A whole tensor, mapped from the file for as long as it lives."""
        return self._load(None)[name]

    def same_storage(self, one: str, other: str) -> bool:
        """Whether two names stand for one tensor (tied embeddings)."""
        tensors = self._load(None)
        return tensors[one].data_ptr() == tensors[other].data_ptr() and self.shapes[one] == self.shapes[other]

    def _load(self, device: str | None) -> dict[str, Tensor]:
        path = self.path
        try:
            table = torch.load(path, map_location=device or "cpu", weights_only=True, mmap=True)
        except FileNotFoundError:
            raise InputError(
                f"{path} is missing.", key=str(path), remedy="Fetch the missing file of the weights."
            ) from None
        except pickle.UnpicklingError as error:
            reason = str(error).split("\n")[0]
            raise InputError(
                f"{path} holds more than tensors, and nothing else is loaded from it ({reason[:200]}).",
                key=str(path),
                remedy="A file of weights needs no code: do not trust it; take the weights as safetensors.",
            ) from None
        except (RuntimeError, ValueError, EOFError, OSError, KeyError, AttributeError, TypeError, IndexError) as error:
            reason = str(error).split("\n")[0]
            raise InputError(
                f"{path} is cut off or no PyTorch file ({reason[:200]}).", key=str(path), remedy="Fetch it again."
            ) from None
        if not isinstance(table, dict) or not all(isinstance(value, Tensor) for value in table.values()):
            raise InputError(f"{path} is not a table of tensors by name.", key=str(path))
        return {str(name): value for name, value in table.items()}


def write_torch_file(path: Path, streams: list[Stream], aliases: dict[str, str] | None = None) -> None:
    """Writes a file that `torch.load` reads, one chunk in memory at a time.

    aliases: further name -> name of the tensor that it shares (tied embeddings).
    """
    # Memory that is never written to costs nothing: these tensors only say shape and dtype.
    table = {stream.name: torch.empty(stream.shape, dtype=stream.dtype) for stream in streams}
    table |= {name: table[other] for name, other in (aliases or {}).items()}
    with torch.serialization.skip_data():
        torch.save(table, path)
    del table
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: info for info in archive.infolist()}
        directory = archive.start_dir
    root = next(iter(records)).split("/")[0]
    sums: dict[str, int] = {}
    with open(path, "r+b") as file:
        for index, stream in enumerate(streams):  # torch.save numbers storages in the order of first appearance
            record = records[f"{root}/data/{index}"]
            assert record.file_size == stream.nbytes, stream.name
            file.seek(record.header_offset + 26)
            name_length, extra_length = struct.unpack("<HH", file.read(4))
            file.seek(name_length + extra_length, 1)
            checksum = 0
            for chunk in stream.chunks():
                data = raw_bytes(chunk)
                checksum = zlib.crc32(data, checksum)
                file.write(data)
            sums[record.filename] = checksum
            if file.read(4) == b"PK\x07\x08":  # the data descriptor: signature, checksum, sizes
                file.write(struct.pack("<I", checksum))
        _patch_directory(file, directory, sums)


def _patch_directory(file, start: int, sums: dict[str, int]) -> None:  # type: ignore[no-untyped-def]
    """Writes checksums into the zip's central directory: entries of 46 bytes, name, extra field, comment."""
    position = start
    while True:
        file.seek(position)
        entry = file.read(46)
        if entry[:4] != b"PK\x01\x02":
            return
        name_length, extra_length, comment_length = struct.unpack("<HHH", entry[28:34])
        name = file.read(name_length).decode()
        if name in sums:
            file.seek(position + 16)
            file.write(struct.pack("<I", sums[name]))
        position += 46 + name_length + extra_length + comment_length
