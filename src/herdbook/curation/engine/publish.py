"""What stands beside the texts of a corpus: a row for every document that was read, what could not be read, and the
index that later runs deduplicate against.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herdbook.curation.engine.ledger import Ledger
from herdbook.curation.engine.measured import MeasuredUnits
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
    with disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
        verdicts, first = _verdicts(book, 0, _AT_ONCE), 0
        for number, unit in enumerate(units.units):
            writer: pq.ParquetWriter | None = None
            try:
                for start, signals in units.signals(unit):
                    stop = start + signals.num_rows
                    if stop > first + verdicts.num_rows:
                        verdicts, first = _verdicts(book, start, max(stop, start + _AT_ONCE)), start
                    rows = verdicts.slice(start - first, signals.num_rows)
                    for name in signals.column_names:
                        kind = signals[name].type
                        nested = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_struct(kind)
                        if name not in rows.column_names and name not in _LEFT_OUT and not nested:
                            rows = rows.append_column(name, signals[name])
                    writer = writer or pq.ParquetWriter(
                        folder / f"part-{number:05d}.parquet", rows.schema, compression="zstd", store_schema=False
                    )
                    writer.write_table(rows, row_group_size=16384)
            finally:
                if writer is not None:
                    writer.close()


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
