"""A source: what the user names as input, a table of a recipe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from herdbook.errors import ConfigError

Format = Literal["auto", "jsonl", "parquet", "documents", "text", "html", "warc", "wet", "arc"]
_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where documents come from and what is known of them. Fields of records are named; several names with commas
    between them are tried in order, a dot leads into a nested record (`metadata.url`)."""

    path: str
    """A file, a folder (read with its subfolders), a glob, or a URL of an object store (s3://, gs://,
    hf://datasets/NAME, file://)."""
    name: str = ""
    """Name of the source in every table; left out: the last part of the path."""
    kind: Literal["auto", "prose", "code"] = "auto"
    """By which rules its documents are judged; auto: code where a file's name says so."""
    license: str = "unknown"
    """Licence of documents that do not declare one themselves."""
    format: Format = "auto"
    """auto: by the names of the files; documents: Parquet that herdbook wrote, every column taken as it stands."""
    text_field: str = "text"
    """Field of JSONL and column of Parquet that hold the text."""
    id_field: str = "id"
    """Field with the document's id; a document without one is named by its place."""
    url_field: str = "url,metadata.url,meta.url"
    """Field with its address."""
    date_field: str = "date,timestamp,created"
    """Field with the time when it was written or fetched."""
    language_field: str = "language,lang"
    """Field with the code of its language."""
    license_field: str = "license"
    """Field with its licence."""

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigError("a source needs a path.", key="path", value=self.path)
        if not self.text_field.strip():
            raise ConfigError("a source needs the name of its text.", key="text_field", value=self.text_field)

    @property
    def title(self) -> str:
        """The name, or the last part of the path that is no pattern."""
        if self.name:
            return self.name
        fixed = self.path if self.is_url else self.path.replace("\\", "/")
        parts = [part for part in fixed.partition("://")[2 if self.is_url else 0].split("/") if part not in ("", ".")]
        while len(parts) > 1 and (_MAGIC.search(parts[-1]) or parts[-1] == ".."):
            parts.pop()
        return parts[-1] if parts else "source"

    @property
    def is_url(self) -> bool:
        """Whether the path is the URL of a store rather than a path of this machine."""
        return "://" in self.path

    @property
    def is_glob(self) -> bool:
        """Whether the path is a pattern."""
        return bool(_MAGIC.search(self.path))
