"""Records (of JSONL and Parquet) as documents: which field means what, and ids for those that have none."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from herdbook.curation.documents import Document
from herdbook.curation.reading.formats import is_code
from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.source import Source

FIELDS = ("id", "url", "date", "language", "license")
"""Fields of a document that records may declare, beside the text."""
_LONGEST = 4096
_SURROGATES = re.compile("[\ud800-\udfff]")


def place_id(source: Source, name: str, position: int) -> str:
    """The id of a document by its place: source, file below the source, and position in it (bytes of the unfolded
    file, or rows)."""
    place = os.fsencode(name) + b"\0%d" % position
    return f"{source.title}-{blake2b(place, digest_size=12).hexdigest()}"


def kind_of(source: Source, name: str, format: str = "text") -> str:
    """The kind of a source's documents: as it says, or by the name of a file of text."""
    if source.kind != "auto":
        return source.kind
    return "code" if format == "text" and is_code(name) else "prose"


def clean(text: str) -> str:
    """The text with U+FFFD for characters that no UTF-8 has."""
    if text.isascii():
        return text
    try:
        text.encode()  # several times as fast as to look for them
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text)
    return text


def path_text(name: str) -> str:
    """A file's name as text that Arrow takes."""
    return os.fsencode(name).decode("utf-8", "replace")


def alternatives(names: str) -> list[tuple[str, ...]]:
    """`"url,metadata.url"` -> [("url",), ("metadata", "url")]."""
    return [tuple(name.strip().split(".")) for name in names.split(",") if name.strip()]


def lookup(record: Mapping[str, Any], names: list[tuple[str, ...]]) -> Any:
    """The first of the named fields that is there and not null."""
    for parts in names:
        value: Any = record.get(".".join(parts) if len(parts) > 1 else parts[0])
        if value is None and len(parts) > 1:
            value = record
            for part in parts:
                value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def word(value: Any) -> str | None:
    """A field as a short text: numbers and dates as they are written, lists of words joined; None for all else."""
    if value is None:
        return None
    if isinstance(value, str):
        pass
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ", ".join(value)
    elif hasattr(value, "isoformat"):
        value = value.isoformat()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
        return None
    return clean(value)


class Records:
    """Makes documents of the records of one file."""

    def __init__(self, source: Source, name: str, format: str, problems: Problems) -> None:
        self.source, self.name, self._problems = source, name, problems
        self.path, self.title = path_text(name), source.title
        self.kind = kind_of(source, name, format)
        self.text = alternatives(source.text_field)
        self.fields = {field: alternatives(getattr(source, f"{field}_field")) for field in FIELDS}

    def document(self, record: Any, position: int) -> Document | None:
        """The document of a record; None where it has no text, which is counted: no_text, empty."""
        if type(record) is not dict and not isinstance(record, Mapping):
            self._problems.add("no_text", self.name, position, f"a {type(record).__name__} and no object")
            return None
        text = lookup(record, self.text)
        if isinstance(text, bytes):
            try:
                text = text.decode("utf-8")
            except UnicodeDecodeError as error:
                self._problems.add("not_utf8", self.name, position, str(error), text)
                return None
        if not isinstance(text, str):
            found = "has " + ", ".join(map(str, list(record)[:20])) if text is None else f"is a {type(text).__name__}"
            self._problems.add("no_text", self.name, position, f"{self.source.text_field}: the record {found}")
            return None
        if not text or text.isspace():
            self._problems.add("empty", self.name, position)
            return None
        fields = {field: word(lookup(record, names)) for field, names in self.fields.items()}
        return Document(
            id=fields["id"] or place_id(self.source, self.name, position), text=clean(text), source=self.title,
            path=self.path, license=fields["license"] or self.source.license, kind=self.kind, url=fields["url"],
            date=fields["date"], language=fields["language"],
        )  # fmt: skip
