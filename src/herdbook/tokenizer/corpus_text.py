"""The texts of an artifact of kind `corpus` (shards/*.parquet, heldout.parquet) or `documents` (documents.parquet)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from herdbook.errors import ArtifactError
from herdbook.lineage import Artifact

Document = tuple[str, str, str]
"""(id, text, source)"""
UTF8Documents = tuple[list[bytes], list[str]]
"""Texts in UTF-8 and their sources, of equal length."""


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


def read_utf8(files: Sequence[Path], chunk_bytes: int) -> Iterator[UTF8Documents]:
    """The documents with text, in chunks of at least `chunk_bytes` but for each file's last, never decoded: texts as
    the file holds them."""
    import pyarrow

    for path in files:
        texts: list[bytes] = []
        sources: list[str] = []
        size = 0
        for batch in _batches(path, ["text", "source"]):
            text = batch.column("text").cast(pyarrow.large_binary()).to_pylist()
            for utf8, source in zip(text, batch.column("source").to_pylist(), strict=True):
                if utf8:
                    texts.append(utf8)
                    sources.append(str(source))
                    size += len(utf8)
            if size >= chunk_bytes:
                yield texts, sources
                texts, sources, size = [], [], 0
        if texts:
            yield texts, sources


def total_bytes(files: Sequence[Path]) -> int:
    """UTF-8 bytes of all texts, without keeping any."""
    import pyarrow.compute

    total = 0
    for path in files:
        for batch in _batches(path, ["text"]):
            total += pyarrow.compute.sum(pyarrow.compute.binary_length(batch.column("text"))).as_py() or 0
    return total


def about_bytes(files: Sequence[Path]) -> int:
    """UTF-8 bytes of all texts as the files' footers tell, where nothing has to be read: less where texts repeat."""
    total = 0
    for path in files:
        with _table(path, ["text"]) as table:
            column = table.schema_arrow.names.index("text")
            groups = (table.metadata.row_group(i) for i in range(table.metadata.num_row_groups))
            total += sum(group.column(column).total_uncompressed_size for group in groups)
    return total


def _batches(path: Path, columns: list[str]) -> Iterator[Any]:
    """Record batches of a Parquet file; ArtifactError where it is none, is damaged, or lacks a column."""
    with _table(path, columns) as table:
        yield from table.iter_batches(batch_size=1024, columns=columns)


@contextmanager
def _table(path: Path, columns: list[str]) -> Iterator[Any]:
    """A Parquet file; ArtifactError where it is none, is damaged (noticed while it is read, too), or lacks a column."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            missing = [name for name in columns if name not in table.schema_arrow.names]
            if missing:
                raise pyarrow.ArrowInvalid(f"no column {missing[0]!r}")
            yield table
    except pyarrow.ArrowInvalid as error:
        raise ArtifactError(
            f"{path} is not a readable table of documents ({error}).",
            key=str(path),
            remedy="`herd lineage` on its folder says whether it was changed.",
        ) from None
