"""Parquet, a row group at a time and a batch of rows at a time, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from herdbook.curation.documents import Document, schema
from herdbook.curation.reading.config import Config
from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.record import alternatives, clean
from herdbook.curation.reading.source import Source
from herdbook.curation.reading.unfold import DamagedError

BUFFER = 1 << 20
_MOST_ROWS = 1024
_MOST_ROWS_OF_DICTIONARY = 128
_DICTIONARY_BYTES = 1_000_000
_RATIO_OF_DICTIONARY = 20
_FEW_BYTES = 256

Make = Callable[[Mapping[str, Any], int], Document | None]


def open_parquet(file: BinaryIO, as_dictionary: list[str] | None = None) -> Any:
    """The Parquet file. DamagedError where its footer cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False, read_dictionary=as_dictionary)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise DamagedError("damaged_file", f"no Parquet: {error}") from error


def columns_of(present: Any, source: Source, format: str) -> list[str]:
    """The columns of an Arrow schema that a source asks for; leaves of nested ones by their path."""
    if format == "documents":
        return [name for name in schema().names if name in present.names]
    wanted: dict[str, None] = {}
    for field in ("text", "id", "url", "date", "language", "license"):
        for parts in alternatives(getattr(source, f"{field}_field")):
            if ".".join(parts) in present.names or parts[0] in present.names:
                wanted[".".join(parts)] = None
    return list(wanted)


def document_of(source: Source, name: str, problems: Problems) -> Make:
    """Makes documents of rows that herdbook wrote: every column as it stands. Counts no_text, empty."""

    def make(row: Mapping[str, Any], position: int) -> Document | None:
        text, id = row.get("text"), row.get("id")
        if not isinstance(text, str) or not isinstance(id, str):
            problems.add("no_text", name, position, "a row without text or id")
            return None
        if not text or text.isspace():
            problems.add("empty", name, position)
            return None
        given = {key: str(value) for key, value in row.items() if value is not None and key != "text"}
        defaults = {"source": source.title, "path": name, "license": source.license, "kind": "prose"}
        return Document(**{**defaults, **given, "text": clean(text)})

    return make


def read_parquet(
    open_it: Callable[[], BinaryIO], start: int, stop: int | None, source: Source, format: str, make: Make, name: str,
    config: Config, problems: Problems,
) -> Iterator[Document]:  # fmt: skip
    """The documents of the row groups [start, stop). A row's position is its number in the file. A damaged row group is
    counted (damaged_record); the next one is read all the same."""
    with open_it() as file:
        parquet = open_parquet(file)
        names = columns_of(parquet.schema_arrow, source, format)
        texts = ["text"] if format == "documents" else [".".join(p) for p in alternatives(source.text_field)]
        meta = parquet.metadata
        groups = range(meta.num_row_groups)
        first = [0]
        for group in groups:
            first.append(first[-1] + max(0, meta.row_group(group).num_rows))
        if not any(text in names for text in texts):
            n = first[-1 if stop is None else min(stop, len(groups))] - first[min(start, len(groups))]
            problems.add("no_text", name, None, "columns: " + ", ".join(parquet.schema_arrow.names), n=n)
            return
        for group in groups[start:stop]:
            rows, as_dictionary, bomb = _size(meta.row_group(group), texts, config)
            if bomb:
                problems.add("compression_bomb", name, first[group], bomb)
                continue
            if as_dictionary:
                with open_it() as again:
                    careful = open_parquet(again, as_dictionary)
                    yield from _group(careful, group, rows, names, first[group], make, name, config, problems)
            else:
                yield from _group(parquet, group, rows, names, first[group], make, name, config, problems)


def _size(group: Any, texts: list[str], config: Config) -> tuple[int, list[str], str]:
    """(rows of a batch, columns to be read as dictionaries, why the group is not read). A column whose values stand in
    a large dictionary, or of which a few bytes may be a long text, is not unfolded before its texts are measured."""
    rows, careful = _MOST_ROWS, []
    for i in range(group.num_columns):
        column = group.column(i)
        if column.path_in_schema not in texts:
            continue
        packed, size = max(1, column.total_compressed_size), column.total_uncompressed_size
        if size > 32_000_000 and size > config.max_compression_ratio * packed:
            return 1, [], f"{packed} bytes unfold to {size}"
        average = size / max(1, column.num_values)
        rows = min(rows, max(1, int(config.batch_megabytes * 1e6 / max(1.0, average))))
        if column.has_dictionary_page:
            rows = min(rows, _MOST_ROWS_OF_DICTIONARY)
            dictionary = column.data_page_offset - (column.dictionary_page_offset or 0)
            if dictionary > _DICTIONARY_BYTES or size > _RATIO_OF_DICTIONARY * packed or average < _FEW_BYTES:
                careful.append(column.path_in_schema)
    return rows, careful, ""


def _batches(parquet: Any, group: int, rows: int, names: list[str]) -> Iterator[Any]:
    return iter(parquet.iter_batches(batch_size=rows, row_groups=[group], columns=names, use_threads=False))


def _group(
    parquet: Any, group: int, rows: int, names: list[str], first: int, make: Make, name: str, config: Config,
    problems: Problems,
) -> Iterator[Document]:  # fmt: skip
    import pyarrow as pa

    errors = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, RuntimeError, NotImplementedError)
    done = 0
    try:
        for batch in _batches(parquet, group, rows, names):
            yield from _documents(batch, first + done, make, name, config, problems)
            done += batch.num_rows
        return
    except errors as error:
        why = str(error)
    try:  # the rows of the batch that failed, one by one, to where the damage is
        seen = 0
        for batch in _batches(parquet, group, 1, names):
            if seen >= done:
                yield from _documents(batch, first + seen, make, name, config, problems)
                done += batch.num_rows
            seen += batch.num_rows
    except errors:
        pass
    problems.add("damaged_record", name, first + done, f"row group {group}: {why}")


def _documents(batch: Any, first: int, make: Make, name: str, config: Config, problems: Problems) -> Iterator[Document]:
    import pyarrow as pa

    careful = any(pa.types.is_dictionary(field.type) for field in batch.schema)
    try:
        rows: Any = None if careful else batch.to_pylist()
    except UnicodeDecodeError:
        rows = None
    for i in range(batch.num_rows):
        if rows is not None:
            row = rows[i]
        else:
            try:
                row = _row(batch, i, config.max_document_bytes)
            except UnicodeDecodeError as error:
                problems.add("not_utf8", name, first + i, str(error))
                continue
        if row is None or any(
            isinstance(value, (str, bytes)) and len(value) > config.max_document_bytes for value in row.values()
        ):
            problems.add("too_large", name, first + i, f"a value of over {config.max_document_bytes} bytes")
            continue
        document = make(row, first + i)
        if document is not None:
            yield document


def _row(batch: Any, i: int, longest: int) -> dict[str, Any] | None:
    """A row as a dictionary; None where a value of a dictionary column is longer than `longest` bytes."""
    import pyarrow as pa

    row = {}
    for field, column in zip(batch.schema, batch.columns):
        value = column[i]
        if pa.types.is_dictionary(field.type):
            value = value.value
            if value.is_valid and hasattr(value, "as_buffer") and value.as_buffer().size > longest:
                return None
        row[field.name] = value.as_py()
    return row
