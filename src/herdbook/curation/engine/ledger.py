"""The ledger: a row for every document that was read, from which every count, duplicate and share is asked.

A DuckDB database that keeps to a memory limit and uses the disk beyond it. A document's row says by which step it went,
why, and in whose favour; rows are never removed, so counts add up by construction. Threads may ask it, one at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

STATEMENT = "statement"
"""Kind of documents that no step judges: they are repeated on purpose."""

_COLUMNS = {
    "place": "BIGINT",
    "unit": "INTEGER",
    "id": "VARCHAR",
    "source": "VARCHAR",
    "path": "VARCHAR",
    "license": "VARCHAR",
    "url": "VARCHAR",
    "date": "VARCHAR",
    "kind": "VARCHAR",
    "language": "VARCHAR",
    "n_bytes": "BIGINT",
}
_VERDICT = {
    "step": "VARCHAR",
    "reason": "VARCHAR",
    "detail": "VARCHAR",
    "kept_instead": "BIGINT",
    "similarity": "DOUBLE",
}


class Ledger:
    """The rows of all documents; see the head of this file."""

    def __init__(self, file: Path | None, memory_limit_bytes: int, threads: int) -> None:
        import duckdb

        self._lock = threading.RLock()
        if file is not None:
            for old in (file, file.with_name(file.name + ".wal")):
                old.unlink(missing_ok=True)
        self.db: duckdb.DuckDBPyConnection = duckdb.connect(str(file) if file is not None else ":memory:")
        self.ask("SET enable_progress_bar = false")
        self.ask(f"SET memory_limit = '{max(64, memory_limit_bytes >> 20)}MB'")
        self.ask(f"SET threads = {max(1, threads)}")
        self.ask("SET preserve_insertion_order = true")
        if file is not None:
            self.ask("SET temp_directory = ?", [str(file.with_name(file.name + ".spill"))])
        columns = ", ".join(f"{name} {kind}" for name, kind in {**_COLUMNS, **_VERDICT}.items())
        self.ask(f"CREATE TABLE documents ({columns}, exact_key BLOB, url_key BLOB, quality DOUBLE)")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.db.close()

    def add(self, table: pa.Table) -> None:
        """Adds rows; columns that the table lacks are empty."""
        names = [n for n in table.column_names if n in {*_COLUMNS, *_VERDICT, "exact_key", "url_key", "quality"}]
        with self.given(table):
            self.ask(f"INSERT INTO documents ({', '.join(names)}) SELECT {', '.join(names)} FROM given")

    def unique_ids(self) -> int:
        """Gives documents whose id occurred before a new one ("ID~2"): an id names one document. Returns how many."""
        self.ask(
            "CREATE TEMP TABLE renamed AS SELECT place, id || '~' || n AS id FROM ("
            "SELECT place, id, row_number() OVER (PARTITION BY id ORDER BY place) AS n FROM documents) WHERE n > 1"
        )
        n = self.count("renamed")
        if n:
            self.ask("UPDATE documents SET id = renamed.id FROM renamed WHERE documents.place = renamed.place")
        return n

    def count(self, table: str = "documents", where: str = "true") -> int:
        """Number of rows."""
        return int(self.ask(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])

    def ask(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self._lock:
            return self.db.execute(query, list(parameters)).fetchall()

    def table(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> pa.Table:
        """Rows of a query as an Arrow table."""
        given = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
        with self._lock:
            return self.db.sql(query, params=given).to_arrow_table()

    @contextmanager
    def given(self, table: pa.Table) -> Iterator[None]:
        """While this lasts, queries of this thread know the table as `given`, and other threads wait."""
        with self._lock:
            self.db.register("given", table)
            try:
                yield
            finally:
                self.db.unregister("given")

    def column(self, query: str) -> npt.NDArray[Any]:
        """The one column of a query, as an array."""
        return self.table(query).column(0).to_numpy()

    def ids(self, places: npt.NDArray[np.int64]) -> list[str]:
        """Ids of the documents at `places` (ascending), so that nobody has to hold those of all."""
        import pyarrow as pa

        if not len(places):
            return []
        with self.given(pa.table({"place": places})):
            found = self.table(
                "SELECT documents.id FROM documents JOIN given USING (place) "
                "WHERE documents.place BETWEEN ? AND ? ORDER BY documents.place",
                [int(places[0]), int(places[-1])],
            )
        return found["id"].to_pylist()

    def kept(self, n_documents: int, where: str = "true") -> npt.NDArray[np.bool_]:
        """Which documents no step has dropped so far [N]."""
        mask = np.zeros(n_documents, dtype=bool)
        mask[self.column(f"SELECT place FROM documents WHERE step IS NULL AND ({where})").astype(np.int64)] = True
        return mask

    def drop(self, step: str, verdicts: pa.Table) -> None:
        """Drops documents: `verdicts` has place and reason, and may have detail, kept_instead and similarity."""
        if not verdicts.num_rows:
            return
        names = [name for name in _VERDICT if name != "step" and name in verdicts.column_names]
        sets = ", ".join(f"{name} = given.{name}" for name in names)
        with self.given(verdicts):
            self.ask(
                f"UPDATE documents SET step = ?, {sets} FROM given "
                "WHERE documents.place = given.place AND documents.step IS NULL",
                [step],
            )

    def set_column(self, name: str, places: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> None:
        """Writes a column's values at places."""
        import pyarrow as pa

        with self.given(pa.table({"place": places, "value": values})):
            self.ask(f"UPDATE documents SET {name} = given.value FROM given WHERE documents.place = given.place")
