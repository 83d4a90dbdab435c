"""A document and the table of documents: the one schema that every step of curation reads and writes.

`kind` says by which rules a document is judged: "prose", "code" or "statement" (a sentence of the facts to be asked).
Tables are written without timestamps and with fixed settings, so equal rows give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("prose", "code", "statement")


@dataclass(frozen=True, slots=True)
class Document:
    """One document: `text` with where it came from and under which licence."""

    id: str
    text: str
    source: str
    path: str
    license: str
    kind: str
    url: str | None = None
    date: str | None = None
    language: str | None = None
    meta: str = "{}"


def schema() -> pa.Schema:
    """The Arrow schema of documents.parquet, statements.parquet and the shards of a corpus."""
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.large_string()),
            ("source", pa.string()),
            ("path", pa.string()),
            ("license", pa.string()),
            ("url", pa.string()),
            ("date", pa.string()),
            ("kind", pa.string()),
            ("language", pa.string()),
            ("meta", pa.string()),
        ]
    )


def to_table(documents: Iterable[Document]) -> pa.Table:
    """Documents as an Arrow table with `schema()`."""
    import pyarrow as pa

    rows = list(documents)
    columns = schema()
    return pa.table(
        {field.name: pa.array([getattr(row, field.name) for row in rows], type=field.type) for field in columns},
        schema=columns,
    )


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """Writes documents as Parquet (zstd); the same documents give the same bytes. OSError where the disk is full."""
    import pyarrow.parquet as pq

    pq.write_table(to_table(documents), path, compression="zstd", row_group_size=4096, store_schema=False)


def read_documents(path: Path) -> list[Document]:
    """All documents of a Parquet file. Raises InputError where it is missing, unreadable or lacks a column."""
    return list(iterate_documents(path))


def text_of_artifact(folder: Path) -> Path:
    """What `iterate_documents` is to read of an artifact: its documents.parquet, or the shards of a corpus."""
    return folder / "shards" if (folder / "shards").is_dir() else folder / "documents.parquet"


def iterate_documents(path: Path, batch_size: int = 512) -> Iterator[Document]:
    """Documents of a Parquet file, or of all files of a folder, a batch in memory at a time. Optional columns may be
    missing."""
    if path.is_dir():
        for file in sorted(path.glob("*.parquet")):
            yield from iterate_documents(file, batch_size)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    from herdbook.errors import InputError

    optional = {"url", "date", "language", "meta"}
    try:
        with pq.ParquetFile(path) as file:
            present = set(file.schema_arrow.names)
            missing = [name for name in schema().names if name not in present and name not in optional]
            if missing:
                raise InputError(f"{path} lacks the columns {', '.join(missing)}", key="documents", value=str(path))
            names = [name for name in schema().names if name in present]
            for batch in file.iter_batches(batch_size=batch_size, columns=names):
                columns = {name: batch.column(i).to_pylist() for i, name in enumerate(batch.schema.names)}
                if columns.get("meta") is not None:
                    columns["meta"] = [value or "{}" for value in columns["meta"]]
                for row in zip(*columns.values()):
                    yield Document(**dict(zip(columns, row)))
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise InputError(f"cannot read documents from {path}: {error}", key="documents", value=str(path)) from error
