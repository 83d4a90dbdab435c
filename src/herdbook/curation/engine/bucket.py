"""The documents of a bucket of shards, in order of place, of which rows are taken: in memory, or left in their file.

Of a file only the batches that hold a wanted document are read, one at a time: such a bucket costs no memory of its
own, and is read once for each row group.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from herdbook.curation.engine import unit_file

if TYPE_CHECKING:
    import pyarrow as pa

I64 = npt.NDArray[np.int64]
PLACE = "place"
"""The column of places, which rows that are taken lack."""


class Bucket(Protocol):
    """Documents in order of place."""

    @property
    def places(self) -> I64:
        """Their places, ascending."""
        ...

    def take(self, rows: I64) -> pa.Table:
        """Documents by number, in any order, repeats included."""
        ...


class InMemory:
    """A bucket of tables with a column of places."""

    def __init__(self, parts: Sequence[pa.Table]) -> None:
        import pyarrow as pa

        table = pa.concat_tables(parts).combine_chunks()
        self.places: I64 = table[PLACE].to_numpy()
        self._documents = table.drop_columns([PLACE])

    def take(self, rows: I64) -> pa.Table:
        """See `Bucket`."""
        return self._documents.take(rows)


class InFile:
    """A bucket that stands in a file of Arrow batches with a column of places."""

    @staticmethod
    def load(file: Path) -> InMemory:
        """The same read into memory, where it is small enough for that."""
        schema, rows_B = unit_file.layout_of(file)
        return InMemory([unit_file.read(file, schema, range(len(rows_B)), schema.names)])

    def __init__(self, file: Path) -> None:
        self._file = file
        self._schema, self._rows_B = unit_file.layout_of(file)

    @cached_property
    def places(self) -> I64:
        """See `Bucket`."""
        found = unit_file.read(self._file, self._schema, range(len(self._rows_B)), [PLACE])
        return np.asarray(found[PLACE].to_numpy(), dtype=np.int64)

    def take(self, rows: I64) -> pa.Table:
        """See `Bucket`."""
        import pyarrow as pa

        wanted, back = np.unique(rows, return_inverse=True)
        ends = np.cumsum(self._rows_B)
        names = [name for name in self._schema.names if name != PLACE]
        of_batch = np.searchsorted(ends, wanted, side="right")
        numbers, begins = np.unique(of_batch, return_index=True)
        stops = [*begins[1:].tolist(), len(wanted)]
        parts = [
            pa.Table.from_batches([batch.take(pa.array(wanted[begin:stop] - (ends[n] - self._rows_B[n])))])
            for batch, n, begin, stop in zip(
                unit_file.each(self._file, self._schema, numbers.tolist(), names), numbers, begins, stops
            )
        ]
        if not parts:
            return unit_file.read(self._file, self._schema, [], names)
        return pa.concat_tables(parts).take(back)
