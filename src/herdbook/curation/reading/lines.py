"""Lines of a stream of any size, with a limit to what one of them may hold in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

CHUNK = 1 << 20
_EXCERPT = 1000


def lines(
    read: Callable[[int], bytes], start: int, stop: int | None, longest: int
) -> Iterator[tuple[int, bytes, bool]]:
    """(position, line without its end, whole) of every line that begins before `stop`; of a line of more than
    `longest` bytes only its beginning, with whole = False. `read` gives the bytes from `start`, where a line begins.

    What `read` raises passes; the lines before it have come out, an unfinished last one has not.
    """
    pieces: list[bytes] = []
    size, too_long, position, at = 0, False, start, start
    while chunk := read(CHUNK):
        begin = 0
        while (end := chunk.find(b"\n", begin)) >= 0:
            if not too_long:
                line = b"".join([*pieces, chunk[begin:end]]) if pieces else chunk[begin:end]
                yield (position, line, True) if len(line) <= longest else (position, line[:_EXCERPT], False)
            pieces, size, too_long, begin = [], 0, False, end + 1
            position = at + begin
            if stop is not None and position >= stop:
                return
        if not too_long and begin < len(chunk):
            pieces.append(chunk[begin:])
            size += len(chunk) - begin
            if size > longest:
                yield position, b"".join(pieces)[:_EXCERPT], False
                pieces, too_long = [], True
        at += len(chunk)
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
