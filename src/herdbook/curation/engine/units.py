"""Units of our own tables: row groups of a documents.parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from herdbook.curation.documents import schema
from herdbook.curation.engine.measure import OWN_FORMAT
from herdbook.errors import InputError
from herdbook.storage import sha256_bytes, sha256_file

OPTIONAL = {"url", "date", "language", "meta"}


def units_of_documents(file: Path, content: str | None = None) -> list[dict[str, Any]]:
    """The units of a table of documents, a few row groups each. `content` names its content; else it is hashed.

    Raises InputError where the file is missing, no Parquet, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(file)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise InputError(f"cannot read documents from {file}: {error}", key="documents", value=str(file)) from error
    present = set(metadata.schema.to_arrow_schema().names)
    missing = [name for name in schema().names if name not in present and name not in OPTIONAL]
    if missing:
        raise InputError(f"{file} lacks the columns {', '.join(missing)}", key="documents", value=str(file))
    content = content or sha256_file(file)
    return [
        {
            "key": sha256_bytes(f"{content}/{group}".encode()),
            "path": str(file.resolve()),
            "format": OWN_FORMAT,
            "start": group,
            "stop": group + 1,
            "size_bytes": metadata.row_group(group).total_byte_size,
        }
        for group in range(metadata.num_row_groups)
    ]
