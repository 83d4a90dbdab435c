"""Measured units on disk: `UNITS/KEY/documents.parquet`, texts with all signals, and `problems.json`.

A folder is written aside and renamed when it is whole, so it is there or it is not. Rows are numbered through all units
in their order; that number is a document's **place**.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.storage import read_json

if TYPE_CHECKING:
    import pyarrow as pa

DOCUMENTS = "documents.parquet"
PROBLEMS = "problems.json"


@dataclass(frozen=True)
class MeasuredUnit:
    """One finished unit: its folder and the place of its first document."""

    folder: Path
    start: int
    n_documents: int

    @property
    def file(self) -> Path:
        """The Parquet file of texts and signals."""
        return self.folder / DOCUMENTS


class MeasuredUnits:
    """All units of a run, in order."""

    def __init__(self, folders: Sequence[Path]) -> None:
        import pyarrow.parquet as pq

        self.units: list[MeasuredUnit] = []
        start = 0
        for folder in folders:
            n = pq.read_metadata(folder / DOCUMENTS).num_rows
            self.units.append(MeasuredUnit(folder, start, n))
            start += n
        self.n_documents = start

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        return np.array([unit.start for unit in self.units], dtype=np.int64)

    def problems(self) -> Iterator[Any]:
        """What could not be read, by unit."""
        for unit in self.units:
            yield read_json(unit.folder / PROBLEMS)

    def signals(self, unit: MeasuredUnit, max_rows: int = 32_768) -> Iterator[tuple[int, pa.Table]]:
        """(place of the first row, all columns but the text) of a unit's documents, about `max_rows` at a time: a unit
        that is one compressed file may be larger than memory."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(unit.file) as file:
            columns = [name for name in file.schema_arrow.names if name != "text"]
            start, groups, waiting = unit.start, list[int](), 0
            for group in range(file.num_row_groups):
                groups.append(group)
                waiting += file.metadata.row_group(group).num_rows
                if waiting >= max_rows or group == file.num_row_groups - 1:
                    if waiting:
                        yield start, file.read_row_groups(groups, columns=columns)
                    start, groups, waiting = start + waiting, [], 0

    def batches(
        self, keep: npt.NDArray[np.bool_], columns: Sequence[str] = ("text",)
    ) -> Iterator[tuple[npt.NDArray[np.int64], pa.Table]]:
        """(places [B], their rows) of the documents marked in `keep` [N], in order of place, a row group at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for unit in self.units:
            if not keep[unit.start : unit.start + unit.n_documents].any():
                continue
            with pq.ParquetFile(unit.file) as file:
                start = unit.start
                for group in range(file.num_row_groups):
                    n = file.metadata.row_group(group).num_rows
                    marked = keep[start : start + n]
                    if marked.any():
                        table = file.read_row_group(group, columns=list(columns))
                        if not marked.all():
                            table = table.filter(pa.array(marked))
                        yield start + np.flatnonzero(marked), table
                    start += n

    def rows(self, places: Sequence[int], columns: Sequence[str] = ("text",)) -> dict[int, dict[str, Any]]:
        """Single documents by place."""
        keep = np.zeros(self.n_documents, dtype=bool)
        keep[list(places)] = True
        found: dict[int, dict[str, Any]] = {}
        for where, table in self.batches(keep, columns):
            found.update(zip(where.tolist(), table.to_pylist()))
        return found
