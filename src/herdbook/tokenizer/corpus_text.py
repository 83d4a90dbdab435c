"""The texts of an artifact of kind `corpus` (shards/*.parquet, heldout.parquet) or `documents` (documents.parquet)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from herdbook.errors import ArtifactError
from herdbook.lineage import Artifact

Document = tuple[str, str, str]
"""(id, text, source)"""


def text_files(artifact: Artifact, split: str = "train") -> list[Path]:
    """The Parquet files of a split ("train", "heldout"), in order; empty where a corpus has nothing held out."""
    if artifact.kind == "documents":
        return [artifact.file("documents.parquet")] if split == "train" else []
    if split == "train":
        return sorted(artifact.file("shards").glob("*.parquet"))
    path = artifact.path / f"{split}.parquet"
    return [path] if path.exists() else []


def read_documents(files: Sequence[Path]) -> Iterator[Document]:
    """(id, text, source) of each document with text, file after file, a bounded number in memory at a time."""
    for path in files:
        for batch in _batches(path, ["id", "text", "source"]):
            columns = (batch.column(name).to_pylist() for name in ("id", "text", "source"))
            for name, text, source in zip(*columns, strict=True):
                if text:
                    yield str(name), text, str(source)


def total_bytes(files: Sequence[Path]) -> int:
    """UTF-8 bytes of all texts, without keeping any."""
    import pyarrow.compute

    total = 0
    for path in files:
        for batch in _batches(path, ["text"]):
            total += pyarrow.compute.sum(pyarrow.compute.binary_length(batch.column("text"))).as_py() or 0
    return total


def _batches(path: Path, columns: list[str]) -> Iterator[Any]:
    """Record batches of a Parquet file; ArtifactError where it is none, is damaged, or lacks a column."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            missing = [name for name in columns if name not in table.schema_arrow.names]
            if missing:
                raise pyarrow.ArrowInvalid(f"no column {missing[0]!r}")
            yield from table.iter_batches(batch_size=1024, columns=columns)
    except pyarrow.ArrowInvalid as error:
        raise ArtifactError(
            f"{path} is not a readable table of documents ({error}).",
            key=str(path),
            remedy="`herd lineage` on its folder says whether it was changed.",
        ) from None
