"""Web archives (WARC 0.17 to 1.1, ARC 1 and 2) cut into their records, from any record on.

Damage costs the record that it is in: the next line that begins a record is looked for, and reading goes on there.
What a record holds beyond `keep` bytes is passed over and never in memory.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from herdbook.curation.reading.unfold import DamagedError

_LINE = 65536
_HEADER_LINES = 500
_ARC = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:\S.* \S+ \d{8,14} \S+.* \d+$")
_ARC_DATE = re.compile(r"\d{8,14}$")


@dataclass(slots=True)
class Frame:
    """A record: where it begins, its headers by names in lower case, up to `keep` bytes of its content, how long that
    is, and whether it was all there."""

    position: int
    headers: dict[str, str]
    content: bytes = b""
    length: int = 0
    whole: bool = True


@dataclass
class Frames:
    """The records of an archive. `damage` collects (position, what) of places that are no record."""

    stream: io.BufferedReader | BinaryIO
    position: int
    keep: int
    seek: bool = False
    """Whether content is passed over by seeking (planning) rather than reading."""
    damage: list[tuple[int, str]] = field(default_factory=list)
    _again: bytes = b""

    def read(self, stop: int | None = None) -> Iterator[Frame]:
        """The records that begin before `stop`. DamagedError passes, after the records before it."""
        lost = False
        while True:
            at = self.position
            if stop is not None and at >= stop:
                return
            line = self._line()
            if not line:
                return
            if not line.strip():
                continue
            headers = self._warc(line) if line.startswith(b"WARC/") else self._arc(line)
            if headers is None:
                if not lost:
                    self.damage.append((at, "no record begins here"))
                lost = True
                while line and not line.endswith(b"\n"):  # the rest of a line that is longer than the limit
                    line = self._line()
                continue
            lost = False
            yield self._frame(at, headers)

    def _line(self) -> bytes:
        line, self._again = self._again or self.stream.readline(_LINE), b""
        self.position += len(line)
        return line

    def _warc(self, line: bytes) -> dict[str, str] | None:
        """Headers of a WARC record after its first line; None where they are none."""
        headers: dict[str, str] = {}
        last = ""
        for _ in range(_HEADER_LINES):
            line = self._line()
            if not line.endswith(b"\n"):
                return None
            if not line.strip():
                length = headers.get("content-length", "")
                return headers if length.isascii() and length.isdigit() and len(length) < 16 else None
            if line[:1] in b" \t" and last:
                headers[last] += " " + line.strip().decode("utf-8", "replace")
                continue
            name, colon, value = line.partition(b":")
            if not colon:
                if line.startswith(b"WARC/"):  # the next record
                    self.position -= len(line)
                    self._again = line
                return None
            last = name.strip().decode("latin-1").lower()
            headers.setdefault(last, value.strip().decode("utf-8", "replace"))
        return None

    def _arc(self, line: bytes) -> dict[str, str] | None:
        line = line.rstrip(b"\r\n")
        if not _ARC.match(line):
            return None
        parts = line.decode("utf-8", "replace").split(" ")
        # Five fields, or ten in version 2; addresses with blanks in them are found in version 1.
        if len(parts) >= 10 and _ARC_DATE.match(parts[-8]):
            url, date, media_type = " ".join(parts[:-9]), parts[-8], parts[-7]
        else:
            url, date, media_type = " ".join(parts[:-4]), parts[-3], parts[-2]
        if not _ARC_DATE.match(date) or len(parts[-1]) > 15:
            return None
        iso = f"{date[:4]}-{date[4:6]}-{date[6:8]}"
        if len(date) >= 12:
            iso += f"T{date[8:10]}:{date[10:12]}:{date[12:14] or '00'}Z"
        kind = "response" if url.lower().startswith(("http:", "https:")) else "arc"
        return {
            "warc-type": kind, "warc-target-uri": url, "warc-date": iso, "content-length": parts[-1],
            "arc-content-type": media_type,
        }  # fmt: skip

    def _frame(self, at: int, headers: dict[str, str]) -> Frame:
        length = int(headers["content-length"])
        if self.seek:
            self.position = self.stream.seek(self.position + length)
            return Frame(at, headers, length=length)
        kept, damage = self._take(min(length, self.keep), keep=True)
        passed = len(kept)
        if damage is None and length > passed:
            while passed < length and damage is None:
                piece, damage = self._take(min(length - passed, 1 << 20), keep=False)
                if not piece:
                    break
                passed += len(piece)
        return Frame(at, headers, kept, length, passed == length)

    def _take(self, n: int, keep: bool) -> tuple[bytes, DamagedError | None]:
        """`n` bytes, fewer at the end or before a damage, which the next reading meets again."""
        try:
            data = self.stream.read(n)
        except DamagedError as error:
            return b"", error
        self.position += len(data)
        return data, None
