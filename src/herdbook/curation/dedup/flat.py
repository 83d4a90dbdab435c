"""Growing files of numbers, a row after the other, read through a map: what deduplication keeps beyond memory.

Mapped pages belong to the operating system, which drops them when it needs the room; `release` gives them back at once.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.storage import disk_errors

Array = npt.NDArray[Any]


def release(array: Array) -> None:
    """Takes the pages of a mapped array out of this process; they stay in the file. Other arrays are left alone."""
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


class FlatFile:
    """Rows of `width` numbers of one dtype. Several rows are appended at once; `view` maps all of them."""

    def __init__(self, path: Path, dtype: Any, width: int = 1) -> None:
        self.path = path
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._width = width
        self._row = self._dtype.itemsize * width
        self._file: Any = None

    @property
    def n_rows(self) -> int:
        """Complete rows in the file; 0 where there is none."""
        return self.path.stat().st_size // self._row if self.path.exists() else 0

    def append(self, rows: Array) -> None:
        """Writes rows at the end. They are in the hands of the operating system when this returns."""
        with disk_errors():
            if self._file is None:
                self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115 (closed by `close`)
            left = memoryview(np.ascontiguousarray(rows, dtype=self._dtype).reshape(-1).view(np.uint8).data)
            while len(left):
                left = left[self._file.write(left) :]

    def cut(self, n_rows: int) -> None:
        """Drops everything after the first `n_rows` rows."""
        if self.path.exists() and self.path.stat().st_size != n_rows * self._row:
            with disk_errors(), open(self.path, "r+b") as file:
                file.truncate(n_rows * self._row)

    def view(self, n_rows: int | None = None) -> Array:
        """The first rows (all without `n_rows`), read-only and mapped, [n] or [n, width]."""
        n = self.n_rows if n_rows is None else n_rows
        shape = (n,) if self._width == 1 else (n, self._width)
        if n == 0:
            found = np.empty(shape, dtype=self._dtype)
        else:
            found = np.asarray(np.memmap(self.path, dtype=self._dtype, mode="r", shape=shape))
        found.flags.writeable = False
        return found

    def close(self, *, sync: bool = True) -> None:
        """Ends writing; with `sync` the rows have reached the disk."""
        if self._file is not None:
            with disk_errors():
                if sync:
                    os.fsync(self._file.fileno())
                self._file.close()
            self._file = None


class FileRows:
    """Rows of a file of numbers, each read when it is asked for, [n, width]: for rows that are wanted in no order.

    A map would keep what lies around each of them too: at least 64 kB, up to 2 MB.
    """

    def __init__(self, path: Path, dtype: Any, width: int) -> None:
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._row = self._dtype.itemsize * width
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed by `close`)
        self.shape = (path.stat().st_size // self._row, width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> Array:
        """Rows by number [len(rows), width]; OSError where the file has been cut."""
        out = np.empty((len(rows), self.shape[1]), dtype=self._dtype)
        if not len(rows):
            return out
        room = memoryview(out.reshape(-1).view(np.uint8).data)
        if rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            self._read(room, int(rows[0]) * self._row)
            return out
        read, handle, size, begin = os.preadv, self._file.fileno(), self._row, 0
        for row in rows.tolist():
            if read(handle, [room[begin : begin + size]], row * size) != size:
                self._read(room[begin : begin + size], row * size)
            begin += size
        return out

    def _read(self, room: memoryview, at: int) -> None:
        while len(room):
            n = os.preadv(self._file.fileno(), [room], at)
            if n <= 0:
                raise OSError(f"{self._file.name} ends before byte {at}")
            room, at = room[n:], at + n

    def close(self) -> None:
        """Ends reading."""
        self._file.close()


class Scratch:
    """Arrays that lie in memory, or in files of a folder where they would exceed `memory_limit_bytes` together."""

    def __init__(self, folder: Path | None, memory_limit_bytes: int | None) -> None:
        self._folder = folder
        self._left = memory_limit_bytes
        self._files: list[Path] = []

    def fits(self, n_bytes: int) -> bool:
        """Whether so much memory is left."""
        return self._left is None or n_bytes <= self._left

    def array(self, shape: tuple[int, ...], dtype: Any, fill: int = 0) -> Array:
        """An array filled with one value."""
        n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self._folder is None or self.fits(n_bytes) or n_bytes == 0:
            if self._left is not None:
                self._left -= n_bytes
            return np.zeros(shape, dtype) if fill == 0 else np.full(shape, fill, dtype)
        with disk_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{len(self._files):04d}.scratch"
            self._files.append(path)
            with open(path, "wb") as file:
                file.truncate(n_bytes)
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, n_bytes)  # a full disk is an error here, and no signal later
            found = np.asarray(np.memmap(path, dtype=dtype, mode="r+", shape=shape))
        if fill:
            flat = found.reshape(-1)
            for start in range(0, flat.size, 1 << 22):
                flat[start : start + (1 << 22)] = fill
                release(found)
        return found

    def close(self) -> None:
        """Removes the files; arrays still in use keep their pages until they are forgotten."""
        for path in self._files:
            path.unlink(missing_ok=True)
        self._files = []
