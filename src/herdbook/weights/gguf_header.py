"""Do the counts in a GGUF header fit into the file? Asked before the `gguf` package reads it, which believes them.

Layout: magic, version, number of tensors, number of settings; settings (name, type, value); tensors (name, shape, type,
offset). Source: the GGUF specification of ggml.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import BinaryIO

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value by its type; 8 is a string, 9 an array."""
STRING, ARRAY = 8, 9
MAX_DIMENSIONS = 4
PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
"""The end of the name of one part of a split file."""


class _Walk:
    """A position in the header; ValueError where a step would leave the file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size

    def number(self, code: str) -> int:
        raw = self.file.read(struct.calcsize(code))
        if len(raw) < struct.calcsize(code):
            raise ValueError("the header is cut off")
        return int(struct.unpack("<" + code, raw)[0])

    def skip(self, n: int) -> None:
        position = self.file.tell() + n
        if position > self.size:
            raise ValueError("a length in the header is larger than the file")
        self.file.seek(position)

    def value(self, kind: int, depth: int = 0) -> None:
        if kind == STRING:
            self.skip(self.number("Q"))
        elif kind == ARRAY and depth < 2:
            inner, count = self.number("I"), self.number("Q")
            if inner in SIZES:
                self.skip(SIZES[inner] * count)
                return
            if count * 8 > self.size - self.file.tell():
                raise ValueError("an array in the header is longer than the file")
            for _ in range(count):
                self.value(inner, depth + 1)
        elif kind in SIZES:
            self.skip(SIZES[kind])
        else:
            raise ValueError(f"a setting of unknown type {kind}")


def check_header(path: Path) -> None:
    """Walks through the header; ValueError says what does not fit."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        walk = _Walk(file, size)
        if file.read(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        if not 2 <= walk.number("I") <= 3:
            raise ValueError("an unknown version, or big-endian")
        n_tensors, n_settings = walk.number("Q"), walk.number("Q")
        if (n_tensors * 24 + n_settings * 13) > size:
            raise ValueError("more tensors and settings than the file has room for")
        for _ in range(n_settings):
            walk.value(STRING)
            walk.value(walk.number("I"))
        for _ in range(n_tensors):
            walk.value(STRING)
            n_dimensions = walk.number("I")
            if n_dimensions > MAX_DIMENSIONS:
                raise ValueError(f"a tensor with {n_dimensions} axes")
            walk.skip(8 * n_dimensions + 4 + 8)
