"""Reading a file that may be anything: text comes back as a string, the rest as a reason to skip it.

Nothing here raises for the state of one file: a bad file is counted and never stops the run.
"""

from __future__ import annotations

import codecs
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path

MAX_FILE_BYTES = 16_000_000
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CONTROL = bytes(b for b in range(32) if b not in (7, 8, 9, 10, 12, 13, 27))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a file is not a document: `reason` is one of unreadable, empty, too_large, binary, not_utf8."""

    reason: str
    detail: str


def decode(data: bytes, *, python: bool = False) -> str | Unreadable:
    """Bytes to text. UTF-8, or what a byte order mark or (in Python files) a coding line declares."""
    if not data.strip():
        return Unreadable("empty", "no text")
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    if encoding != "utf-16":
        if b"\0" in data:
            return Unreadable("binary", "NUL bytes")
        head = data[:65536]
        if len(head) - len(head.translate(None, _CONTROL)) > 0.02 * len(head):
            return Unreadable("binary", "control characters")
    if python and encoding == "utf-8":
        try:
            encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        except (SyntaxError, UnicodeError) as error:
            return Unreadable("not_utf8", str(error)[:200])
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        return Unreadable("not_utf8", str(error)[:200])
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path, max_bytes: int = MAX_FILE_BYTES) -> str | Unreadable:
    """The text of a file, or why it has none. Only regular files are opened (no device, pipe or socket)."""
    try:
        if not path.is_file():
            return Unreadable("unreadable", "not a regular file")
        size = path.stat().st_size
        if size > max_bytes:
            return Unreadable("too_large", f"{size} bytes, at most {max_bytes} are read")
        data = path.read_bytes()
    except OSError as error:
        return Unreadable("unreadable", error.strerror or type(error).__name__)
    return decode(data, python=path.suffix in (".py", ".pyi"))
