"""Compressed files as streams that are safe to read: every byte before a damage comes out, then the damage is raised;
truncation is noticed; and nothing unfolds without end.

gz, bz2 and xz are decoded by Python's own modules. zstd is cut into its blocks (RFC 8878, section 3.1.1) before it is
handed to `zstandard`, so that one step yields at most 128 KiB and a truncated frame is known as such. lz4 by fastwarc.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from herdbook.curation.reading.formats import packing
from herdbook.errors import InputError

STEP = 1 << 16
_FEED = 1 << 14
_WINDOW = 32_000_000
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"


class DamagedError(Exception):
    """The rest of a stream cannot be read; `reason`: damaged_file or compression_bomb."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Decoder(Protocol):
    """One member of a compressed stream, with the methods of Python's `bz2.BZ2Decompressor`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib with the methods of its neighbours."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        tail = self._decoder.unconsumed_tail
        found = self._decoder.decompress(tail + data if tail else data, max_length)
        self._full = len(found) == max_length
        return found


class _Zstd:
    """One frame, fed to `zstandard` a block at a time."""

    def __init__(self, max_window_bytes: int) -> None:
        import zstandard

        self._decoder: Any = zstandard.ZstdDecompressor(max_window_size=max_window_bytes).decompressobj()
        self._error = zstandard.ZstdError
        self._data = b""
        self._checksum = 0
        self._state = "header"

    @property
    def eof(self) -> bool:
        return self._state == "end"

    @property
    def needs_input(self) -> bool:
        return len(self._data) < self._wanted()

    @property
    def unused_data(self) -> bytes:
        return self._data

    def _wanted(self) -> int:
        """Bytes of the next piece (header, block, checksum), as far as they are known."""
        data = self._data
        if self._state == "header":
            if len(data) < 5:
                return 5
            said = data[4]
            single, content = said >> 5 & 1, said >> 6
            return 5 + (1 - single) + (0, 1, 2, 4)[said & 3] + (single if content == 0 else (0, 2, 4, 8)[content])
        if self._state == "block":
            if len(data) < 3:
                return 3
            block = int.from_bytes(data[:3], "little")
            return 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
        return self._checksum

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._data += data
        wanted = self._wanted()
        if len(self._data) < wanted or self._state == "end":
            return b""
        piece, self._data = self._data[:wanted], self._data[wanted:]
        if self._state == "header":
            self._checksum = 4 * (piece[4] >> 2 & 1)
            self._state = "block"
        elif self._state == "block" and piece[0] & 1:
            self._state = "checksum" if self._checksum else "end"
        elif self._state == "checksum":
            self._state = "end"
        try:
            return bytes(self._decoder.decompress(piece))
        except self._error as error:
            raise ValueError(str(error)) from error


class _Skippable:
    """A frame of zstd that holds no data."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 8
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        return len(self._head) >= 8 and self._left == 0

    @property
    def needs_input(self) -> bool:
        return not self.eof

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if len(self._head) < 8:
            taken, data = data[: 8 - len(self._head)], data[8 - len(self._head) :]
            self._head += taken
            if len(self._head) < 8:
                return b""
            self._left = int.from_bytes(self._head[4:], "little")
        skipped = min(self._left, len(data))
        self._left -= skipped
        self.unused_data = data[skipped:]
        return b""


def _decoder(kind: str, head: bytes, max_window_bytes: int) -> Decoder:
    if kind == "gz":
        return _Gzip()
    if kind == "bz2":
        return bz2.BZ2Decompressor()
    if kind == "xz":
        return lzma.LZMADecompressor(memlimit=max_window_bytes)
    return _Skippable() if head[1:4] == _ZSTD_SKIPPABLE else _Zstd(max_window_bytes)


class Unfolding(io.RawIOBase):
    """The content of a compressed file, whatever number of members or frames it has. `open_file` opens the file; it is
    opened a second time only to fetch the last bytes before a damage."""

    def __init__(
        self, open_file: Callable[[], BinaryIO], kind: str, max_ratio: float, max_window_bytes: int = 128_000_000
    ) -> None:
        super().__init__()
        self._open, self._kind, self._max_ratio, self._max_window = open_file, kind, max_ratio, max_window_bytes
        self._failure: DamagedError | None = None
        self._begin()

    def _begin(self) -> None:
        self._file = self._open()
        self._member: Decoder | None = None
        self._data = self._pending = b""
        self._produced = 0
        self._fed_in_window = self._out_of_window = 0

    def close(self) -> None:
        """Closes the file under it too."""
        if not self.closed:
            self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """1 to `size` bytes, none at the end. Raises DamagedError after the last good byte."""
        size = STEP if size < 0 else min(size, STEP)
        if self._failure is not None:
            raise self._failure
        try:
            found = self._step(size)
        except (zlib.error, lzma.LZMAError, EOFError, ValueError, OSError) as error:
            self._failure = DamagedError("damaged_file", str(error) or type(error).__name__)
        except DamagedError as error:
            self._failure = error
            raise
        else:
            self._produced += len(found)
            return found
        found = b"" if self._kind == "zst" else self._before_damage(size)
        if found:
            return found
        raise self._failure

    def _before_damage(self, size: int) -> bytes:
        """The bytes that stood before the damage in the step that met it: all is decoded again, at the end byte by
        byte, for decoders throw a step's bytes away when they fail in it."""
        produced = self._produced
        pieces: list[bytes] = []
        try:
            self._file.close()
            self._begin()
            while self._produced < produced:
                found = self._step(min(STEP, produced - self._produced))
                if not found:
                    break
                self._produced += len(found)
            while len(pieces) < size:
                pieces.append(self._step(1))
        except (zlib.error, lzma.LZMAError, EOFError, ValueError, OSError, DamagedError):
            pass
        return b"".join(pieces)

    def _step(self, size: int) -> bytes:
        if self._pending:
            found, self._pending = self._pending[:size], self._pending[size:]
            return found
        while True:
            if self._member is None:
                if not self._next_member():
                    return b""
                continue
            if self._member.eof:
                self._data, self._member = self._member.unused_data, None
                continue
            if self._member.needs_input and not self._data:
                self._data = self._fetch()
                if not self._data:
                    raise DamagedError("damaged_file", "the file ends in the middle")
            data, self._data = self._data, b""
            found = self._member.decompress(data, size)
            if found:
                self._guard(len(found))
                self._pending = found[size:]  # zstd gives whole blocks
                return found[:size]

    def _fetch(self) -> bytes:
        data = self._file.read(_FEED)
        self._fed_in_window += len(data)
        return data

    def _next_member(self) -> bool:
        """Starts the next member; False at the end of the file. What follows the last member may only be zeros."""
        while len(self._data) < 8:
            more = self._fetch()
            if not more:
                break
            self._data += more
        while self._data and not self._data.strip(b"\0"):
            self._data = self._fetch()
        if not self._data:
            return False
        if packing(self._data) != self._kind:
            raise DamagedError("damaged_file", "something else follows the compressed data")
        self._member = _decoder(self._kind, self._data, self._max_window)
        return True

    def _guard(self, n: int) -> None:
        self._out_of_window += n
        if self._out_of_window > _WINDOW:
            if self._out_of_window > self._max_ratio * (self._fed_in_window + _FEED):
                raise DamagedError("compression_bomb", f"unfolds to over {self._max_ratio:g} times its size")
            self._fed_in_window = self._out_of_window = 0


class _Lz4(io.RawIOBase):
    """lz4 by fastwarc."""

    def __init__(self, open_file: Callable[[], BinaryIO]) -> None:
        super().__init__()
        try:
            from fastwarc.stream_io import Lz4Reader
        except ImportError as error:
            raise InputError(
                "reading lz4 needs a package that is not installed.",
                key="fastwarc",
                remedy="pip install 'herdbook[web]'",
            ) from error
        self._file = open_file()
        self._reader: Any = Lz4Reader(self._file)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Closes the file under it too."""
        if not self.closed:
            self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """1 to `size` bytes, none at the end. Raises DamagedError where fastwarc gives up."""
        try:
            return bytes(self._reader.read(STEP if size < 0 else min(size, STEP)))
        except (OSError, ValueError, RuntimeError) as error:
            raise DamagedError("damaged_file", str(error)) from error


def unfolded(
    open_file: Callable[[], BinaryIO], kind: str, max_ratio: float, max_window_bytes: int = 128_000_000
) -> io.RawIOBase:
    """The content of a file that is compressed as `kind` says."""
    if kind == "lz4":
        return _Lz4(open_file)  # unfolds to 255 times its size at most
    return Unfolding(open_file, kind, max_ratio, max_window_bytes)
