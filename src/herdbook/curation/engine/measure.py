"""One unit measured: read, mended, and every signal that a rule may ask for computed, a batch in memory at a time."""

from __future__ import annotations

import functools
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herdbook.curation.dedup.line_files import LineFiles
from herdbook.curation.dedup.lines import Lines, hashed_lines
from herdbook.curation.documents import schema
from herdbook.curation.engine.measured import DOCUMENTS, PROBLEMS
from herdbook.curation.engine.steps import Settings, measuring_steps
from herdbook.curation.engine.unit_file import UnitWriter
from herdbook.storage import atomic_write_json, disk_errors, publish, remove_tree

if TYPE_CHECKING:
    import pyarrow as pa

    from herdbook.curation.extract.second_opinion import SecondOpinion

BATCH_MEGABYTES = 4.0
LINES = "frequent_lines"
"""The global step for which lines are hashed, where it is on."""
OWN_FORMAT = "documents"
"""Format of units that are row groups of a documents.parquet of ours: its columns are taken as they are."""


def measure_unit(job: Mapping[str, Any]) -> dict[str, Any]:
    """Measures the unit of a job and publishes its folder; returns counts and seconds by step.

    `job`: "unit" (a unit as JSON), "settings" (what steps need, `Settings.to_json`), "folder" (where the measured unit
    is to stand). A folder that stands there already is left as it is.
    """
    folder = Path(job["folder"])
    if folder.exists():
        return {"folder": job["folder"], "documents": 0, "bytes": 0, "seconds": {}}
    settings = Settings.from_json(job["settings"])
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    remove_tree(aside)
    n_documents = n_bytes = 0
    seconds: defaultdict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    with disk_errors():
        aside.mkdir(parents=True)
        writer: UnitWriter | None = None
        lines = LineFiles(aside) if LINES in settings.steps else None
        tables, problems = _read(job["unit"], settings)
        try:
            last = time.thread_time()
            for table in tables:
                seconds["read"] += time.thread_time() - last
                table = _measured(table, settings, seconds, counts)
                n_documents += table.num_rows
                n_bytes += int(table["n_bytes"].to_numpy().sum())
                last = time.thread_time()
                writer = writer or UnitWriter(aside / DOCUMENTS, table.schema)
                writer.write(table)
                seconds["store"] += time.thread_time() - last
                if lines is not None:
                    last = time.thread_time()
                    lines.append(_lines(table, settings.steps[LINES]))
                    seconds["lines"] += time.thread_time() - last
                last = time.thread_time()
            if writer is None:  # a unit without a document still has its columns
                table = _measured(schema().empty_table(), settings, seconds, counts)
                writer = UnitWriter(aside / DOCUMENTS, table.schema)
        finally:
            if writer is not None:
                writer.close()
            if lines is not None:
                lines.close()
        atomic_write_json(aside / PROBLEMS, {**problems(), "mended": dict(sorted(counts.items()))})
        publish(aside, folder)
    rounded = {name: round(value, 4) for name, value in seconds.items()}
    return {"folder": job["folder"], "documents": n_documents, "bytes": n_bytes, "seconds": rounded}


def _lines(table: pa.Table, config: Any) -> Lines:
    """The hashed lines of a batch's prose; other kinds lose no lines."""
    import pyarrow.compute as pc

    return hashed_lines(table["text"], config.min_characters, pc.equal(table["kind"], "prose").to_numpy())


def _read(unit: Mapping[str, Any], settings: Settings) -> tuple[Iterator[pa.Table], Any]:
    """(the unit's documents in tables, a function that tells afterwards what could not be read)."""
    if unit["format"] == OWN_FORMAT:
        return _own_documents(unit), dict
    from herdbook.curation.reading import Problems, Unit, read

    found = Problems()
    return read(Unit.from_json(dict(unit)), settings.reading, found, _second_opinion()), found.to_json


@functools.cache
def _second_opinion() -> SecondOpinion:
    """One for all units of this process: it starts with the first page that needs it, and ends with the process."""
    from herdbook.curation.extract.second_opinion import SecondOpinion

    return SecondOpinion()


def _own_documents(unit: Mapping[str, Any]) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    columns = schema()
    with pq.ParquetFile(unit["path"]) as file:
        for group in range(unit["start"], unit["stop"]):
            table = _complete(file.read_row_group(group), columns)
            yield from _cut(table, int(BATCH_MEGABYTES * 1e6))


def _complete(table: pa.Table, columns: pa.Schema) -> pa.Table:
    """The table with exactly `columns`; those that it lacks are empty."""
    import pyarrow as pa

    given = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in columns
    ]
    return pa.table(given, schema=columns)


def _cut(table: pa.Table, size: int) -> Iterator[pa.Table]:
    """The table in parts of about `size` bytes of text."""
    import numpy as np
    import pyarrow.compute as pc

    if not table.num_rows:
        return
    ends = np.cumsum(pc.fill_null(pc.binary_length(table["text"]), 0).to_numpy())
    start = 0
    while start < table.num_rows:
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + size, side="right")))
        yield table.slice(start, stop - start)
        start = stop


def _measured(table: pa.Table, settings: Settings, seconds: defaultdict[str, float], counts: Counter[str]) -> pa.Table:
    """A batch with every step's changes and columns."""
    import pyarrow.compute as pc

    table = table.combine_chunks()
    for step, config in measuring_steps(settings):
        began = time.thread_time()
        table, changed, columns = _applied(step.module, table, config)
        counts.update({f"{step.name}/{name}": n for name, n in changed.items() if n})
        for name, column in zip(columns.column_names, columns.columns):
            place = table.schema.get_field_index(name)
            table = table.append_column(name, column) if place < 0 else table.set_column(place, name, column)
        seconds[step.name] += time.thread_time() - began
    return table.append_column("n_bytes", pc.cast(pc.binary_length(table["text"]), "int64"))


def _applied(module: Any, table: pa.Table, config: Any) -> tuple[pa.Table, Mapping[str, int], pa.Table]:
    """(the table as the step leaves it, counts of what it mended, its new columns).

    A module that can do both at once has `mend_and_measure`; one that knows better what a document is has `labelled`.
    """
    import pyarrow as pa

    changed: Mapping[str, int]
    if hasattr(module, "mend_and_measure"):
        table, columns, changed = module.mend_and_measure(table, config)
        return table, changed, columns
    columns = pa.table({})
    changed = {}
    if hasattr(module, "mend"):
        table, changed = module.mend(table, config)
    if hasattr(module, "measure"):
        columns = module.measure(table, config)
        if hasattr(module, "labelled"):
            table = module.labelled(table, columns)
    return table, changed, columns
