"""The documents of a measured unit in one file: Arrow's IPC format, a batch after the other, compressed by LZ4.

This file is read a few times and then thrown away, so it is the cheapest to write and to read that there is: buffers of
columns as they lie in memory, of which a reader fetches only those that it asks for. What leaves the run is Parquet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa


class UnitWriter:
    """Writes tables of one schema; each becomes a batch of the file. OSError where the disk is full."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        import pyarrow as pa

        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        self._writer = pa.ipc.new_file(str(file), schema, options=options)

    def write(self, table: pa.Table) -> None:
        """Appends a table."""
        self._writer.write_table(table.combine_chunks())

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()

    def __enter__(self) -> UnitWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def layout_of(file: Path) -> tuple[pa.Schema, npt.NDArray[np.int64]]:
    """(schema, documents of each batch [B]) of a file; no column is read."""
    import pyarrow as pa

    with pa.OSFile(str(file)) as source:
        schema = pa.ipc.open_file(source).schema
        reader = _open(source, schema, [schema.names[-1]])
        rows = [reader.get_batch(number).num_rows for number in range(reader.num_record_batches)]
    return schema, np.array(rows, dtype=np.int64)


def read(file: Path, schema: pa.Schema, batches: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """Some columns of some batches, in the order of `schema`; the rest stays on the disk."""
    import pyarrow as pa

    wanted = pa.schema([field for field in schema if field.name in columns], metadata=schema.metadata)
    return pa.Table.from_batches(each(file, schema, batches, columns), schema=wanted)


def each(file: Path, schema: pa.Schema, batches: Sequence[int], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """What `read` puts together, a batch at a time."""
    import pyarrow as pa

    with pa.OSFile(str(file)) as source:
        reader = _open(source, schema, columns)
        for number in batches:
            yield reader.get_batch(number)


def _open(source: Any, schema: pa.Schema, columns: Sequence[str]) -> Any:
    import pyarrow as pa

    places = sorted(schema.get_field_index(name) for name in columns)
    return pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=places, use_threads=False))
