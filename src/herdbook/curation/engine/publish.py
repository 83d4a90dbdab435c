"""What stands beside the texts of a corpus: a row for every document that was read, what could not be read, and the
index that later runs deduplicate against.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herdbook.curation.engine.ledger import Ledger
from herdbook.curation.engine.measured import MeasuredUnit, MeasuredUnits
from herdbook.curation.engine.threads import in_order
from herdbook.storage import disk_errors, write_jsonl

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE = 32_768
"""Rows that the ledger is asked for together."""
_LEFT_OUT = ("text", "exact_key", "url_key", "n_bytes")


def ledger(book: Ledger, units: MeasuredUnits, folder: Path) -> None:
    """`ledger/part-00000.parquet` and so on, one for each unit: every document with all plain signals, the step and
    reason by which it went, and the id of the document that stayed instead."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    book.ask(
        "CREATE OR REPLACE TEMP TABLE twins AS SELECT d.place, k.id FROM documents AS d "
        "JOIN documents AS k ON k.place = d.kept_instead ORDER BY d.place"
    )
    lock = threading.Lock()

    @lru_cache(maxsize=units.threads + 1)
    def block(number: int) -> pa.Table:
        return _verdicts(book, number * _AT_ONCE, (number + 1) * _AT_ONCE)

    def verdicts(start: int, stop: int) -> pa.Table:
        first, last = start // _AT_ONCE, (stop - 1) // _AT_ONCE
        with lock:  # one thread asks the ledger
            found = [block(number) for number in range(first, last + 1)]
        return pa.concat_tables(found).slice(start - first * _AT_ONCE, stop - start)

    def one(numbered: tuple[int, MeasuredUnit]) -> None:
        number, unit = numbered
        writer: pq.ParquetWriter | None = None
        try:
            for start, signals in units.signals(unit):
                rows = _with_signals(verdicts(start, start + signals.num_rows), signals)
                writer = writer or pq.ParquetWriter(
                    folder / f"part-{number:05d}.parquet", rows.schema, compression="zstd", store_schema=False
                )
                writer.write_table(rows, row_group_size=16384)
        finally:
            if writer is not None:
                writer.close()

    with disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
        for _ in in_order(one, enumerate(units.units), units.threads):
            pass


def _with_signals(rows: pa.Table, signals: pa.Table) -> pa.Table:
    """Rows of the ledger with all plain signals beside them."""
    import pyarrow as pa

    columns = dict(zip(rows.column_names, rows.columns))
    for name, column in zip(signals.column_names, signals.columns):
        kind = column.type
        nested = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_struct(kind)
        if name not in columns and name not in _LEFT_OUT and not nested:
            columns[name] = column
    return pa.table(columns)


def _verdicts(book: Ledger, start: int, stop: int) -> pa.Table:
    return book.table(
        "SELECT d.id, d.n_bytes, d.quality, d.step, d.reason, d.detail, k.id AS kept_instead, d.similarity "
        "FROM (SELECT * FROM documents WHERE place >= $start AND place < $stop) AS d "
        "LEFT JOIN (SELECT * FROM twins WHERE place >= $start AND place < $stop) AS k USING (place) ORDER BY d.place",
        {"start": start, "stop": stop},
    )


def problems(found: Iterable[Mapping[str, Any]], file: Path) -> None:
    """`not_read.jsonl`: examples of what gave no text, with path, position and reason. Nothing where all was read."""
    rows = [row for of_unit in found for row in of_unit.get("rows", [])]
    if rows:
        write_jsonl(file, rows)


def index(book: Ledger, near: Path, folder: Path) -> None:
    """`index/`: keys and signatures of the documents that stayed: what later runs are deduplicated against."""
    with disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
        target = str(folder / "keys.parquet").replace("'", "''")
        book.ask(
            "COPY (SELECT id, exact_key, url_key FROM documents "
            "WHERE (step IS NULL OR step IN ('held_out', 'mixture')) "
            f"AND kind <> 'statement' ORDER BY place) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        )
        if near.is_dir():
            shutil.copytree(near, folder / "near")
