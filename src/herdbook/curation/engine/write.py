"""The corpus on disk: documents in their final order, a bounded number in memory at a time.

The entries of a corpus lie scattered over the units. One pass over the units puts each into the bucket of the shards
that it belongs to; the documents of a shard are then taken from its bucket, a row group at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.documents import schema
from herdbook.curation.engine.bucket import PLACE, Bucket, InFile, InMemory
from herdbook.curation.engine.measured import MeasuredUnits
from herdbook.curation.engine.memory import give_back
from herdbook.curation.engine.threads import in_order
from herdbook.storage import disk_errors

if TYPE_CHECKING:
    import pyarrow as pa

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
Finish = Callable[[I64, "pa.Table"], "pa.Table"]
"""Gives a batch its final texts and ids: (places, rows of `schema()` as measured) -> rows as they are written. Threads
call it."""

ROW_GROUP = 4096
"""Documents of a row group."""


def shard_of(sizes_E: I64, shard_bytes: int) -> I32:
    """The shard of each entry in order: a new one begins when the one before holds `shard_bytes`."""
    numbers = np.cumsum(sizes_E)
    numbers -= sizes_E
    numbers //= max(1, shard_bytes)
    found = np.zeros(len(numbers), dtype=np.int32)
    np.cumsum(numbers[1:] != numbers[:-1], out=found[1:])
    return found


def write_shards(
    units: MeasuredUnits,
    places_E: I64,
    sizes_E: I64,
    finish: Finish,
    out: Path,
    aside: Path,
    shard_bytes: int,
    bucket_bytes: int,
    written: Callable[[pa.Table], None],
) -> int:
    """Writes `out/train-00000.parquet` and so on; returns the number of shards (at least one, which may be empty).

    `aside` is a folder for the buckets, removed at the end; `written` is given every row group that was written, by
    several threads. The threads of the units read and finish batches, and write the shards of a bucket.
    """
    import pyarrow.parquet as pq

    shutil.rmtree(aside, ignore_errors=True)
    shards_E = shard_of(sizes_E, shard_bytes)
    n_shards = int(shards_E[-1]) + 1 if len(shards_E) else 0
    per_bucket = max(1, bucket_bytes // max(1, shard_bytes))
    with disk_errors():
        out.mkdir(parents=True, exist_ok=True)
        if not n_shards:
            write_table(out / "train-00000.parquet", schema().empty_table())
            return 1
        n_buckets = (n_shards + per_bucket - 1) // per_bucket
        in_memory = n_buckets == 1 and int(sizes_E.sum()) <= bucket_bytes
        buckets = _buckets(units, places_E, shards_E // per_bucket, n_buckets, finish, aside, bucket_bytes, in_memory)
        for number, bucket in buckets:
            shards = range(number * per_bucket, min(n_shards, (number + 1) * per_bucket))

            def one(shard: int, bucket: Bucket = bucket) -> None:
                begin, end = np.searchsorted(shards_E, [shard, shard + 1])
                rows = np.searchsorted(bucket.places, places_E[begin:end])
                taken = in_order(bucket.take, groups(rows), min(2, units.threads))
                write_groups(out / f"train-{shard:05d}.parquet", taken, written)

            for _ in in_order(one, shards, units.threads):
                pass
            del bucket, one  # before the next one is read
            give_back()
    shutil.rmtree(aside, ignore_errors=True)
    assert pq.read_metadata(out / "train-00000.parquet").num_rows
    return n_shards


def _buckets(
    units: MeasuredUnits, places_E: I64, bucket_E: I32, n_buckets: int, finish: Finish, aside: Path, bucket_bytes: int,
    in_memory: bool,
) -> Iterator[tuple[int, Bucket]]:  # fmt: skip
    """(number, the documents of a bucket once each). Those over `bucket_bytes` stay in their file; `in_memory`: there
    is one, and needs none."""
    import pyarrow as pa

    keep = np.zeros(units.n_documents, dtype=bool)
    keep[places_E] = True
    if in_memory:
        yield 0, InMemory([_placed(rows, places) for places, rows in _finished(units, keep, finish)])
        return
    pairs_P = np.unique(places_E * n_buckets + bucket_E)  # each document once for each bucket that it belongs to
    aside.mkdir(parents=True)
    writers: dict[int, Any] = {}
    try:
        for places, rows in _finished(units, keep, finish):
            finished = _placed(rows, places)
            begin, end = np.searchsorted(pairs_P, [places[0] * n_buckets, (places[-1] + 1) * n_buckets])
            place_P, into_P = np.divmod(pairs_P[begin:end], n_buckets)
            row_P = np.searchsorted(places, place_P)
            for number in np.unique(into_P).tolist():
                if number not in writers:
                    writers[number] = pa.ipc.new_file(str(aside / f"{number:05d}.arrow"), finished.schema)
                writers[number].write_table(finished.take(pa.array(row_P[into_P == number])).combine_chunks())
    finally:
        for writer in writers.values():
            writer.close()
    del keep, pairs_P
    give_back()
    for number in range(n_buckets):
        file = aside / f"{number:05d}.arrow"
        yield number, InFile.load(file) if file.stat().st_size <= bucket_bytes else InFile(file)
        file.unlink()


def _finished(units: MeasuredUnits, keep: npt.NDArray[np.bool_], finish: Finish) -> Iterator[tuple[I64, pa.Table]]:
    return units.each(keep, lambda places, rows: (places, finish(places, rows)), schema().names)


def _placed(table: pa.Table, places: I64) -> pa.Table:
    import pyarrow as pa

    return table.append_column(PLACE, pa.array(places))


def write_some(units: MeasuredUnits, places: I64, finish: Finish, file: Path) -> pa.Table:
    """Writes the documents at `places`, in order of place, to one file; returns them."""
    import pyarrow as pa

    keep = np.zeros(units.n_documents, dtype=bool)
    keep[places] = True
    parts = [rows for _, rows in _finished(units, keep, finish)]
    table = pa.concat_tables(parts) if parts else schema().empty_table()
    with disk_errors():
        write_table(file, table)
    return table


def groups(rows: I64) -> Iterator[I64]:
    """The rows of each row group of a file, one group at least."""
    for begin in range(0, max(1, len(rows)), ROW_GROUP):
        yield rows[begin : begin + ROW_GROUP]


def write_table(file: Path, table: pa.Table) -> None:
    """Documents as Parquet; the same rows give the same bytes."""
    write_groups(file, (table.take(part) for part in groups(np.arange(table.num_rows))))


def write_groups(
    file: Path, row_groups: Iterable[pa.Table], written: Callable[[pa.Table], None] = lambda rows: None
) -> None:
    """Documents as Parquet (zstd) with exactly `schema()`, a row group at a time: one of them is in memory. Each is
    given to `written` afterwards."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, schema(), compression="zstd", store_schema=False) as writer:
        for rows in row_groups:
            rows = rows.select(schema().names).cast(schema()).combine_chunks()
            writer.write_table(rows)
            written(rows)


def with_columns(table: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    """The table with columns replaced."""
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    return table
