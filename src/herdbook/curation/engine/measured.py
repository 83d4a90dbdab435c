"""Measured units on disk: `UNITS/KEY/documents.arrow`, texts with all signals (`unit_file.py`), `problems.json`, and
the hashes of the documents' lines (`dedup/line_files.py`).

A folder is written aside and renamed when it is whole, so it is there or it is not. Rows are numbered through all units
in their order; that number is a document's **place**.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from herdbook.curation.engine import unit_file
from herdbook.curation.engine.threads import in_order
from herdbook.errors import ArtifactError
from herdbook.storage import read_json

if TYPE_CHECKING:
    import pyarrow as pa

    from herdbook.curation.dedup.lines import Lines

Result = TypeVar("Result")
DOCUMENTS = "documents.arrow"
PROBLEMS = "problems.json"


@dataclass(frozen=True)
class MeasuredUnit:
    """One finished unit: its folder, the place of its first document, and what its file holds."""

    folder: Path
    start: int
    schema: pa.Schema = field(repr=False, compare=False)
    rows_B: npt.NDArray[np.int64] = field(repr=False, compare=False)
    """Documents of each batch of the file."""

    @property
    def file(self) -> Path:
        """The file of texts and signals."""
        return self.folder / DOCUMENTS

    @cached_property
    def n_documents(self) -> int:
        """Documents of the unit."""
        return int(self.rows_B.sum())


class MeasuredUnits:
    """All units of a run, in order."""

    def __init__(self, folders: Sequence[Path], threads: int = 1) -> None:
        self.threads = threads
        """Batches that are read at once."""
        self.units: list[MeasuredUnit] = []
        start = 0
        schema: pa.Schema | None = None
        for folder in folders:
            found, rows = unit_file.layout_of(folder / DOCUMENTS)
            schema = schema if schema is not None and found.equals(schema) else found  # one for all of them, as a rule
            self.units.append(MeasuredUnit(folder, start, schema, rows))
            start += int(rows.sum())
        self.n_documents = start
        self._lines = lru_cache(maxsize=2 * threads + 2)(_lines_of)

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
        columns = [name for name in unit.schema.names if name != "text"]
        start, numbers, waiting = unit.start, list[int](), 0
        for number, n in enumerate(unit.rows_B.tolist()):
            numbers.append(number)
            waiting += n
            if waiting >= max_rows or number == len(unit.rows_B) - 1:
                if waiting:
                    yield start, unit_file.read(unit.file, unit.schema, numbers, columns)
                start, numbers, waiting = start + waiting, [], 0

    def lines(self, unit: MeasuredUnit) -> Lines:
        """The hashed lines of a unit's documents, mapped from the disk. ArtifactError where they are not those of its
        documents."""
        return self._lines(unit.folder, unit.n_documents)

    def unit_of(self, place: int) -> MeasuredUnit:
        """The unit that a document belongs to."""
        return self.units[int(np.searchsorted(self._starts, place, side="right")) - 1]

    def batches(
        self, keep: npt.NDArray[np.bool_], columns: Sequence[str] = ("text",)
    ) -> Iterator[tuple[npt.NDArray[np.int64], pa.Table]]:
        """(places [B], their rows) of the documents marked in `keep` [N], in order of place, as the files have them
        in batches."""
        return self.each(keep, _as_they_are, columns)

    def each(
        self,
        keep: npt.NDArray[np.bool_],
        work: Callable[[npt.NDArray[np.int64], pa.Table], Result],
        columns: Sequence[str] = ("text",),
        threads: int | None = None,
    ) -> Iterator[Result]:
        """`work(places [B], their rows)` for each of the `batches`, in order; `threads` read and work at once (those
        of the units where none are given)."""
        import pyarrow as pa

        def one(batch: tuple[MeasuredUnit, int, int, int]) -> Result:
            unit, number, start, n = batch
            table = unit_file.read(unit.file, unit.schema, [number], columns)
            marked = keep[start : start + n]
            if not marked.all():
                table = table.filter(pa.array(marked))
            return work(start + np.flatnonzero(marked), table)

        return in_order(one, self._batches(keep), threads or self.threads)

    def _batches(self, keep: npt.NDArray[np.bool_]) -> Iterator[tuple[MeasuredUnit, int, int, int]]:
        """(unit, number of the batch in its file, place of its first document, documents) of the batches that hold any
        of `keep`."""
        for unit in self.units:
            start = unit.start
            for number, n in enumerate(unit.rows_B.tolist()):
                if keep[start : start + n].any():
                    yield unit, number, start, n
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


def _lines_of(folder: Path, n_documents: int) -> Lines:
    from herdbook.curation.dedup.line_files import lines_of

    found = lines_of(folder)
    if len(found) != n_documents:
        raise ArtifactError(
            f"{folder} holds the lines of {len(found)} documents and not of {n_documents}.",
            key=str(folder), remedy="Remove this folder: the unit is then measured again.",
        )  # fmt: skip
    return found
