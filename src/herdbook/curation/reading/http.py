"""An HTTP response as it stands in an archive: status, headers, body without its transfer and content encodings.

Archives hold what servers sent and what crawlers made of it: headers that end in LF, chunked bodies that were unchunked
and still say so, gzip that was unpacked and still says so. Everything is believed only where the bytes agree.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any

from herdbook.curation.reading.formats import packing
from herdbook.errors import InputError

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})")
_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r?\n")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Response:
    """Status code, headers by their names in lower case (the first of each), the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The type without parameters, in lower case; "" where none is said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The encoding that the server declared."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        return found.group(1) if found else None


def parse_response(block: bytes) -> Response | None:
    """The response, None where the block is none. The body is as it was sent, without chunks."""
    status = _STATUS.match(block)
    if status is None:
        return None
    end = _END.search(block)
    head, body = (block[: end.start()], block[end.end() :]) if end else (block, b"")
    headers: dict[str, str] = {}
    for line in head.split(b"\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            headers.setdefault(name.strip().decode("latin-1").lower(), value.strip().decode("latin-1"))
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = unchunked(body)
    return Response(int(status.group(1)), headers, body)


def unchunked(body: bytes) -> bytes:
    """A chunked body as one; one that is not chunked as it is. Ends where a chunk is damaged."""
    pieces: list[bytes] = []
    at = 0
    while found := _CHUNK.match(body, at):
        size = int(found.group(1), 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(body[found.end() : found.end() + size])
        at = found.end() + size
        at += 2 if body[at : at + 2] == b"\r\n" else 1 if body[at : at + 1] == b"\n" else 0
    return b"".join(pieces) if pieces else body


def unpacked(response: Response, most: int) -> bytes:
    """The body without its content encoding (gzip, deflate, br, zstd), at most `most` + 1 bytes of it. ValueError where
    it is damaged; InputError where br needs fastwarc, which is not installed."""
    body, said = response.body, response.headers.get("content-encoding", "").strip().lower()
    if packing(body) == "gz":
        return _inflated(body, 31, most + 1)
    if said == "deflate" and body:
        for bits in (15, -15):
            try:
                return _inflated(body, bits, most + 1)
            except ValueError:
                continue
    if said == "zstd" and packing(body) == "zst":
        import zstandard

        try:
            with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body) as stream:
                return bytes(stream.read(most + 1))
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
    if said == "br" and body:
        return _from_brotli(body, most + 1)
    return body[: most + 1]


def _inflated(body: bytes, bits: int, most: int) -> bytes:
    try:
        return zlib.decompressobj(bits).decompress(body, most)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _from_brotli(body: bytes, most: int) -> bytes:
    import io

    try:
        from fastwarc.stream_io import BrotliReader
    except ImportError as error:
        raise InputError(
            "reading brotli needs a package that is not installed.",
            key="fastwarc",
            remedy="pip install 'herdbook[web]'",
        ) from error
    reader: Any = BrotliReader(io.BytesIO(body))
    pieces, size = [], 0
    try:
        while size < most and (data := reader.read(min(most - size, 1 << 16))):
            pieces.append(data)
            size += len(data)
    except (OSError, ValueError, RuntimeError) as error:
        text = body[:64].lstrip()
        if text.startswith(b"<"):  # unpacked by the crawler
            return body[:most]
        raise ValueError(str(error)) from error
    return b"".join(pieces)
