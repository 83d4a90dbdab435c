"""Measured units on disk: `UNITS/KEY/documents.parquet`, texts with all signals, `problems.json`, and the hashes of the
documents' lines (`dedup/line_files.py`).

A folder is written aside and renamed when it is whole, so it is there or it is not. Rows are numbered through all units
in their order; that number is a document's **place**.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from herdbook.curation.engine.threads import in_order
from herdbook.errors import ArtifactError
from herdbook.storage import read_json

if TYPE_CHECKING:
    import pyarrow as pa

    from herdbook.curation.dedup.lines import Lines

Result = TypeVar("Result")
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

    def __init__(self, folders: Sequence[Path], threads: int = 1) -> None:
        import pyarrow.parquet as pq

        self.threads = threads
        """Row groups that are read at once."""
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

    def lines(self, unit: MeasuredUnit) -> Lines:
        """The hashed lines of a unit's documents, mapped from the disk. ArtifactError where they are not those of its
        documents."""
        from herdbook.curation.dedup.line_files import lines_of

        found = lines_of(unit.folder)
        if len(found) != unit.n_documents:
            raise ArtifactError(
                f"{unit.folder} holds the lines of {len(found)} documents and not of {unit.n_documents}.",
                key=str(unit.folder), remedy="Remove this folder: the unit is then measured again.",
            )  # fmt: skip
        return found

    def unit_of(self, place: int) -> MeasuredUnit:
        """The unit that a document belongs to."""
        return self.units[int(np.searchsorted(self._starts, place, side="right")) - 1]

    def batches(
        self, keep: npt.NDArray[np.bool_], columns: Sequence[str] = ("text",)
    ) -> Iterator[tuple[npt.NDArray[np.int64], pa.Table]]:
        """(places [B], their rows) of the documents marked in `keep` [N], in order of place, a row group at a time."""
        return self.each(keep, _as_they_are, columns)

    def each(
        self,
        keep: npt.NDArray[np.bool_],
        work: Callable[[npt.NDArray[np.int64], pa.Table], Result],
        columns: Sequence[str] = ("text",),
    ) -> Iterator[Result]:
        """`work(places [B], their rows)` for each of the `batches`, in order; `threads` read and work at once."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        def one(group: tuple[MeasuredUnit, Any, int, int, int]) -> Result:
            unit, metadata, number, start, n = group
            with pq.ParquetFile(unit.file, metadata=metadata) as file:
                table = file.read_row_group(number, columns=list(columns), use_threads=False)
            marked = keep[start : start + n]
            if not marked.all():
                table = table.filter(pa.array(marked))
            return work(start + np.flatnonzero(marked), table)

        return in_order(one, self._groups(keep), self.threads)

    def _groups(self, keep: npt.NDArray[np.bool_]) -> Iterator[tuple[MeasuredUnit, Any, int, int, int]]:
        """(unit, metadata of its file, row group, place of its first document, documents) of the groups that hold any
        of `keep`."""
        import pyarrow.parquet as pq

        for unit in self.units:
            if not keep[unit.start : unit.start + unit.n_documents].any():
                continue
            metadata = pq.read_metadata(unit.file)
            start = unit.start
            for number in range(metadata.num_row_groups):
                n = metadata.row_group(number).num_rows
                if keep[start : start + n].any():
                    yield unit, metadata, number, start, n
                start += n

    def rows(self, places: Sequence[int], columns: Sequence[str] = ("text",)) -> dict[int, dict[str, Any]]:
        """Single documents by place."""
        keep = np.zeros(self.n_documents, dtype=bool)
        keep[list(places)] = True
        found: dict[int, dict[str, Any]] = {}
        for where, table in self.batches(keep, columns):
            found.update(zip(where.tolist(), table.to_pylist()))
        return found


def _as_they_are(places: npt.NDArray[np.int64], table: pa.Table) -> tuple[npt.NDArray[np.int64], pa.Table]:
    return places, table
