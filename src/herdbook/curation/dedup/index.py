"""Kept documents of a run, published so that later documents can be judged against them without their texts.

A folder: `values.u64`, `offsets.i64`, `signatures.u32` as in a store, `documents.parquet` (columns `id` and `group`),
and `index.json`, written last: format, version, settings, counts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.flat import release
from herdbook.curation.dedup.layout import check_layout, layout, open_files
from herdbook.curation.dedup.selection import Part, gather
from herdbook.curation.dedup.verified import Config
from herdbook.errors import ArtifactError, ConfigError, InputError
from herdbook.storage import atomic_write_json, disk_errors, read_json

NAME = "index.json"
_BLOCK = 1 << 13
_ROWS = 1 << 16
"""Rows of a row group of ids and groups."""


def _column(name: str, given: Any, n: int) -> Callable[[npt.NDArray[np.int64]], Any]:
    """A function from rows to their strings, an Arrow array. `given`: that function, all strings, or None."""
    import pyarrow as pa

    if callable(given):
        function: Callable[[npt.NDArray[np.int64]], Any] = given
        return function
    if given is None:
        if name == "id":
            return lambda rows: pa.array(rows).cast(pa.large_string())
        return lambda rows: pa.nulls(len(rows), pa.large_string())
    if len(given) != n:
        raise ConfigError(f"one for each of {n} documents is needed.", key=name, value=len(given))
    column = given if isinstance(given, (pa.Array, pa.ChunkedArray)) else pa.array(list(given))

    def taken(rows: npt.NDArray[np.int64]) -> Any:
        found = column.take(pa.array(rows)).cast(pa.large_string())
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found

    return taken


def write_index(folder: Path, part: Part, kept: npt.NDArray[np.int64], config: Config, ids: Any, groups: Any) -> None:
    """Writes the documents `kept` of a part; `ids` and `groups` are those of all its documents, or None. `ids` may be
    a function that gives those of some rows, so that not all are in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if (folder / NAME).exists():
        raise InputError(f"{folder} holds an index already.", key=str(folder), remedy="Choose another folder.")
    id_of, group_of = _column("id", ids, len(part)), _column("group", groups, len(part))
    with disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
        files = open_files(folder, config)
        values, offsets, signatures = files
        for file in files:
            file.cut(0)
        offsets.append(np.zeros(1, dtype=np.int64))
        end = 0
        for start in range(0, len(kept), _BLOCK):
            rows = kept[start : start + _BLOCK]
            ends = np.cumsum(part.offsets_N1[rows + 1] - part.offsets_N1[rows])
            shingles = np.empty(int(ends[-1]), dtype=np.uint64)
            gather(part.values_S, part.offsets_N1, rows, shingles, 0)
            values.append(shingles)
            signatures.append(part.signature_NH[rows])
            offsets.append(end + ends)
            end += int(ends[-1])
            for array in (part.values_S, part.offsets_N1, part.signature_NH):
                release(array)
        for file in files:
            file.close()
        names = pa.schema([("id", pa.large_string()), ("group", pa.large_string())])
        with pq.ParquetWriter(folder / "documents.parquet", names, compression="zstd") as writer:
            for start in range(0, len(kept), _ROWS):
                rows = kept[start : start + _ROWS]
                writer.write_table(pa.table([id_of(rows), group_of(rows)], schema=names))
    atomic_write_json(folder / NAME, layout(config, n_documents=len(kept), n_shingles=end, grouped=groups is not None))


class Index:
    """An index that `write_index` wrote; the files are mapped. Damaged or made otherwise: an error that says so."""

    def __init__(self, folder: Path | str, config: Config) -> None:
        self.folder = Path(folder)
        if not (self.folder / NAME).exists():
            raise InputError(
                f"{self.folder} holds no index of documents ({NAME}).", key=str(self.folder),
                remedy="Name a folder that an earlier run published.",
            )  # fmt: skip
        described = read_json(self.folder / NAME)
        check_layout(described, config, self.folder)
        values, offsets, signatures = open_files(self.folder, config)
        n, n_shingles = described.get("n_documents"), described.get("n_shingles")
        whole = (values.n_rows, offsets.n_rows - 1, signatures.n_rows) == (n_shingles, n, n)
        if not whole or not (self.folder / "documents.parquet").exists():
            raise ArtifactError(f"The index {self.folder} is damaged: sizes do not agree.", key=str(self.folder))
        self._grouped = bool(described.get("grouped"))
        self.part = Part(values.view(), offsets.view(), signatures.view())
        if n and (self.part.offsets_N1[0] != 0 or self.part.offsets_N1[-1] != n_shingles):
            raise ArtifactError(f"The index {self.folder} is damaged: offsets do not fit.", key=str(self.folder))

    def __len__(self) -> int:
        return len(self.part)

    def _column(self, name: str) -> Any:
        import pyarrow.parquet as pq

        column = pq.read_table(self.folder / "documents.parquet", columns=[name])[name].combine_chunks()
        if len(column) != len(self):
            raise ArtifactError(f"The index {self.folder} is damaged: ids are missing.", key=str(self.folder))
        return column

    def ids(self) -> Any:
        """Ids of the documents: an Arrow array of strings [O]."""
        return self._column("id")

    def groups(self) -> Any:
        """Their groups, or None where the run had none."""
        return self._column("group") if self._grouped else None
