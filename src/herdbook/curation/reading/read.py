"""Reading a unit: `read(unit, config, problems)` gives its documents as tables."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.documents import Document, to_table
from herdbook.curation.extract.second_opinion import SecondOpinion
from herdbook.curation.reading.config import Config
from herdbook.curation.reading.files import is_unchanged, open_file
from herdbook.curation.reading.formats import packing
from herdbook.curation.reading.frames import Frames
from herdbook.curation.reading.jsonl import read_jsonl
from herdbook.curation.reading.lines import first_line
from herdbook.curation.reading.pages import longest_record, read_archive
from herdbook.curation.reading.parquet import document_of, read_parquet
from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.record import Records
from herdbook.curation.reading.rows import Rows
from herdbook.curation.reading.text import read_html, read_text
from herdbook.curation.reading.unfold import DamagedError, unfolded
from herdbook.curation.reading.unit import File, Unit
from herdbook.errors import HerdbookError

if TYPE_CHECKING:
    import pyarrow as pa

_EACH = 500
"""What a document counts for in the size of a table, beside its text."""


def read(unit: Unit, config: Config, problems: Problems, second: SecondOpinion | None = None) -> Iterator[pa.Table]:
    """The documents of a unit as tables with `documents.schema()`, about `config.batch_megabytes` of text each. What
    cannot be read is counted in `problems`; equal units give equal documents, however they are cut.

    `second` reads pages again where extraction is unsure; left out, one is started when the first such page comes and
    stopped at the end of the unit. Raises UserError where a package is missing, and nothing for the state of a file.
    """
    with contextlib.ExitStack() as stack:
        if second is None:
            second = stack.enter_context(SecondOpinion())
        yield from tables(documents_of(unit, config, problems, second), config.batch_megabytes)


def tables(documents: Iterable[Document | Rows], batch_megabytes: float) -> Iterator[pa.Table]:
    """Documents as tables of about so much text; one longer document is a table of its own."""
    limit, gathered = batch_megabytes * 1e6, _Gathered()
    for given in documents:
        if isinstance(given, Rows):
            start = 0
            while start < len(given):
                n = gathered.fitting(given.sizes_R[start:], limit)
                gathered.add(given.table.slice(start, n), int(given.sizes_R[start : start + n].sum()), n)
                start += n
                if start < len(given):
                    yield gathered.take()
        else:
            size = len(given.text) * (1 if given.text.isascii() else 3)
            if not gathered.fitting(np.array([size]), limit):
                yield gathered.take()
            gathered.documents.append(given)
            gathered.count(size, 1)
    if gathered.n:
        yield gathered.take()


class _Gathered:
    """The documents of the next table."""

    def __init__(self) -> None:
        self.n = self.size = 0
        self.documents: list[Document] = []
        self._parts: list[pa.Table] = []

    def fitting(self, sizes: npt.NDArray[np.int64], limit: float) -> int:
        """How many of further documents still fit in; an empty table takes one of any size."""
        before = self.size + np.cumsum(sizes + _EACH) - sizes - _EACH
        over = np.flatnonzero(before + sizes > limit)
        return max(int(over[0]) if len(over) else len(sizes), 1 - min(self.n, 1))

    def count(self, size: int, n: int) -> None:
        """Counts documents with `size` characters or bytes of text."""
        self.n += n
        self.size += size + n * _EACH

    def add(self, table: pa.Table, size: int, n: int) -> None:
        """Adds documents in columns."""
        if n:
            self._close()
            self._parts.append(table)
            self.count(size, n)

    def _close(self) -> None:
        if self.documents:
            self._parts.append(to_table(self.documents))
            self.documents = []

    def take(self) -> pa.Table:
        """The table of all that was added since the last."""
        import pyarrow as pa

        self._close()
        parts = self._parts
        self.n, self.size, self._parts = 0, 0, []
        return parts[0] if len(parts) == 1 else pa.concat_tables(parts).combine_chunks()


def documents_of(
    unit: Unit, config: Config, problems: Problems, second: SecondOpinion | None
) -> Iterator[Document | Rows]:
    """The documents of a unit, one by one or in columns."""
    for file in unit.files:
        try:
            if not is_unchanged(file):
                problems.add("changed", file.name, detail="since the units were planned")
                continue
            yield from _of_file(file, unit, config, problems, second)
        except DamagedError as error:
            problems.add(error.reason, file.name, detail=error.detail)
        except OSError as error:
            problems.add("unreadable", file.name, detail=error.strerror or str(error) or type(error).__name__)
        except (HerdbookError, MemoryError):
            raise
        except Exception as error:  # what an object store or a library raises of its own: one file, not the run
            problems.add("reader_failed", file.name, detail=f"{type(error).__name__}: {error}")


def _of_file(
    file: File, unit: Unit, config: Config, problems: Problems, second: SecondOpinion | None
) -> Iterator[Document | Rows]:
    source, format, start, stop, name = unit.source, unit.format, unit.start, unit.stop, file.name
    if format in ("parquet", "documents"):
        records = Records(source, name, format, problems)
        make = records.document if format == "parquet" else document_of(source, name, problems)
        yield from read_parquet(lambda: open_file(file), start, stop, source, format, make, name, config, problems)
        return
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(open_file(file))
        kind = packing(plain.read(8) or b"")
        stream: Any = plain
        if kind:
            ratio, window = config.max_compression_ratio, config.max_window_megabytes * 1_000_000
            stream = stack.enter_context(unfolded(lambda: open_file(file), kind, ratio, window))
        else:
            plain.seek(start)

        def some(n: int) -> bytes:
            return stream.read(n) or b""

        if format == "jsonl":
            begin = 0 if kind else first_line(plain, start, stop)
            if begin is not None:
                records = Records(source, name, format, problems)
                yield from read_jsonl(some, begin, stop, config.max_document_bytes, records, name, problems)
        elif format in ("warc", "wet", "arc"):
            buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream, 1 << 16)
            frames = Frames(buffered, start, longest_record(config))
            yield from read_archive(frames, stop, source, name, config, problems, second)
        elif format == "html":
            yield from filter(None, [read_html(some, source, name, config, problems, second)])
        else:
            yield from filter(None, [read_text(some, source, name, config, problems)])
