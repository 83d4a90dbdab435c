"""Lines of a stream of any size, with a limit to what one of them may hold in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

CHUNK = 1 << 20
EXCERPT = 1000
"""Bytes of a line that is too long which are shown."""


def filled(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """`read`, but it gives as many bytes as it is asked for while there are any: streams that unfold give less. What
    `read` raises comes after the bytes before it."""
    failed: list[Exception] = []

    def read_all(n: int) -> bytes:
        if failed:
            raise failed[0]
        pieces: list[bytes] = []
        while n > 0:
            try:
                piece = read(n)
            except Exception as error:
                if not pieces:
                    raise
                failed.append(error)
                break
            if not piece:
                break
            pieces.append(piece)
            n -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    return read_all


def blocks(
    read: Callable[[int], bytes], start: int, stop: int | None, longest: int
) -> Iterator[tuple[int, bytes, bool]]:
    """(position, lines with their ends, True) of whole lines that stand together; they are all the lines that begin
    before `stop`. A line of more than `longest` bytes may stand among them, where it was in memory already; of another
    its beginning comes alone, with False. `read` gives the bytes from `start`, where a line begins.

    What `read` raises passes; the lines before it have come out, an unfinished last one has not.
    """
    pieces: list[bytes] = []
    size, too_long, position, at = 0, False, start, start
    read = filled(read)
    while chunk := read(CHUNK):
        begin, end = 0, chunk.rfind(b"\n") + 1
        if too_long and end:
            begin, too_long = chunk.find(b"\n") + 1, False
            position = at + begin
            if stop is not None and position >= stop:
                return
        at += len(chunk)
        if end > begin:
            block = b"".join([*pieces, chunk[begin:end]]) if pieces else chunk[begin:end]
            if stop is not None and position + len(block) >= stop:
                yield position, block[: block.find(b"\n", max(0, stop - 1 - position)) + 1], True
                return
            yield position, block, True
            position += len(block)
            pieces, size, begin = [], 0, end
        if not too_long and begin < len(chunk):
            pieces.append(chunk[begin:])
            size += len(chunk) - begin
            if size > longest:
                yield position, b"".join(pieces)[:EXCERPT], False
                pieces, size, too_long = [], 0, True
        if too_long and stop is not None and at >= stop:
            return
    if pieces:
        yield position, b"".join(pieces), True


def first_line(file: BinaryIO, start: int, stop: int | None) -> int | None:
    """Where the first line begins at or after byte `start` of a file, which is left there; None where none begins
    before `stop`."""
    if start == 0:
        file.seek(0)
        return 0
    at = start - 1
    file.seek(at)
    while stop is None or at < stop - 1:
        chunk = file.read(CHUNK if stop is None else min(CHUNK, stop - 1 - at))
        if not chunk:
            return None
        end = chunk.find(b"\n")
        if end >= 0:
            file.seek(at + end + 1)
            return at + end + 1
        at += len(chunk)
    return None
