"""Line-level deduplication of any number of documents: counts that outgrow memory are written to a folder.

Lines are counted in memory (`lines.py`) until the table reaches the limit; then its rows (64-bit hash of the line, how
often: 12 bytes) go to files by the upper bits of the hash, and counting begins anew. At the end the rows of one file
are added up at a time. Only the frequent lines of one bucket are then held: at most one line in `max_occurrences` + 1.
Results are those of `LineCounts`. Languages are counted apart by giving each a store.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.flat import FlatFile
from herdbook.curation.dedup.lines import Config, LineCounts, Lines, copy_without, hashed_lines, left_of, table_of
from herdbook.curation.heuristics.words import Texts, texts_of
from herdbook.errors import ArtifactError, ConfigError
from herdbook.storage import atomic_write_json, disk_errors, read_json

FORMAT = "herdbook line counts"
VERSION = 2
SAME = ("bucket_documents", "min_characters")
"""Settings that counts are made with. How many are too many may change."""
_PARTS_BITS = 6
_ROW = np.dtype([("key", "<u8"), ("count", "<u4")])
_NAME = "lines.json"
_BLOCK = 1 << 20
_BATCH = 1 << 12
"""Documents that are counted before the memory is looked at."""


class LineStore:
    """How often each line occurs in each bucket of `bucket_documents` documents, in the order in which they are added.

    ::

        with LineStore(folder, Config(), memory_limit_bytes=1 << 30) as store:
            for batch in batches[done(store.n_documents):]:
                store.add(batch)
            first = 0
            for batch in batches:
                shorter, dropped = store.without_frequent_lines(batch, first)
                first += len(batch)

    A folder that holds counts is gone on with: `n_documents` says with which document. After a process was killed that
    is the one after the last that had been written out.
    """

    def __init__(self, folder: Path | str, config: Config | None = None, memory_limit_bytes: int | None = None) -> None:
        self.folder = Path(folder)
        self.config = config or Config()
        self._limit = memory_limit_bytes
        if memory_limit_bytes is not None and memory_limit_bytes < 1 << 20:
            raise ConfigError("at least 1 MiB is needed.", key="memory_limit_bytes", value=memory_limit_bytes)
        with disk_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
        self._written: dict[str, int] = {}
        self._n = self._n_written = 0
        if (self.folder / _NAME).exists():
            self._reopen(read_json(self.folder / _NAME))
        else:
            self._describe()
        self._counts = LineCounts(self.config.min_characters)
        self._frequent: tuple[int, Any] | None = None
        self._lock = threading.Lock()

    def _reopen(self, found: Any) -> None:
        if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("version") != VERSION:
            raise ArtifactError(
                f"{self.folder} holds no counts of lines in version {VERSION}.", key=str(self.folder),
                remedy="Choose another folder.",
            )  # fmt: skip
        for name in SAME:
            if found[name] != getattr(self.config, name):
                raise ConfigError(
                    f"{self.folder} was counted with {name} = {found[name]}.", key=name,
                    value=getattr(self.config, name), remedy="Choose another folder, or the same setting.",
                )  # fmt: skip
        self._written = found["rows"]
        self._n = self._n_written = found["n_documents"]
        for path in self.folder.glob("bucket-*.rows"):
            FlatFile(path, _ROW).cut(self._written.get(path.name, 0))

    def _describe(self) -> None:
        settings = {name: getattr(self.config, name) for name in SAME}
        described = {"format": FORMAT, "version": VERSION, **settings, "n_documents": self._n, "rows": self._written}
        atomic_write_json(self.folder / _NAME, described)
        self._n_written = self._n

    def __enter__(self) -> LineStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Writes out what has been counted."""
        self._spill()

    def finish(self) -> None:
        """No document follows: what memory holds of counts is let go, but for the lines that are too many."""
        if self._n and not self._written and self._n <= self.config.bucket_documents:
            self._table(0)  # of the only bucket
            self._counts = LineCounts(self.config.min_characters)
            self._n_written = self._n
        else:
            self._spill()

    @property
    def n_documents(self) -> int:
        """Documents that were counted, in this process or (written out) in an earlier one."""
        return self._n

    def add(self, texts: Any) -> None:
        """Counts the lines of documents (an Arrow array of strings or a sequence of them)."""
        lines = hashed_lines(texts, self.config.min_characters)
        self.add_lines(lines, np.arange(len(lines)))

    def add_lines(self, lines: Lines, rows_R: npt.NDArray[np.int64]) -> None:
        """Counts the lines of documents that were hashed before (with the same `min_characters`): rows of `lines`."""
        start = 0
        while start < len(rows_R):
            room = self.config.bucket_documents - self._n % self.config.bucket_documents
            stop = min(len(rows_R), start + room, start + _BATCH)
            self._counts.add_lines(lines, rows_R[start:stop])
            self._n += stop - start
            self._frequent = None
            # a table that grows stands beside the one twice as large
            full = self._limit is not None and self._counts.n_bytes * 3 > self._limit
            if full or stop - start == room:
                self._spill()
            start = stop

    def _spill(self) -> None:
        """Appends the counts in memory to the files of their bucket."""
        if self._n == self._n_written:
            return
        bucket = (self._n - 1) // self.config.bucket_documents
        keys, counts = self._counts.rows()
        parts = (keys >> np.uint64(64 - _PARTS_BITS)).astype(np.int64)
        order = np.argsort(parts, kind="stable")
        ends = np.searchsorted(parts[order], np.arange((1 << _PARTS_BITS) + 1))
        for part in range(1 << _PARTS_BITS):
            chosen = order[ends[part] : ends[part + 1]]
            if not len(chosen):
                continue
            rows = np.empty(len(chosen), dtype=_ROW)
            rows["key"], rows["count"] = keys[chosen], counts[chosen]
            file = FlatFile(self._path(bucket, part), _ROW)
            file.append(rows)
            file.close()
            self._written[file.path.name] = file.n_rows
        self._counts = LineCounts(self.config.min_characters)
        self._describe()

    def _path(self, bucket: int, part: int) -> Path:
        return self.folder / f"bucket-{bucket:05d}-{part:02d}.rows"

    def _frequent_lines(self, bucket: int) -> npt.NDArray[np.uint64]:
        """Hashes of the lines that occur too often in a bucket."""
        most = self.config.max_occurrences
        if bucket == (self._n - 1) // self.config.bucket_documents:
            if not any(name.startswith(f"bucket-{bucket:05d}-") for name in self._written):
                keys, counts = self._counts.rows()  # never written out
                return keys[counts > most]
            self._spill()
        found = [np.empty(0, dtype=np.uint64)]
        for part in range(1 << _PARTS_BITS):
            view = FlatFile(self._path(bucket, part), _ROW).view()
            # rows, their order and the sums: about 4 times the rows
            slices = 1 if self._limit is None else 1 + 4 * view.nbytes // self._limit
            for number in range(slices):
                keys, counts = _slice(view, number, slices)
                order = np.argsort(keys)
                keys = keys[order]
                first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else order
                if len(first):
                    total = np.add.reduceat(counts[order].astype(np.int64), first)
                    found.append(keys[first[total > most]])
        return np.concatenate(found)

    def without_frequent_lines(self, texts: Any, first_document: int = 0) -> tuple[Any, npt.NDArray[np.int64]]:
        """(the texts without lines that are frequent in their bucket as an Arrow array, lines dropped of each [N]).

        `first_document`: the place of the first of these texts among those added. Batches may differ from those of
        `add`. Buckets are taken one after the other most cheaply: the frequent lines of one are held at a time.
        """
        given = texts_of(texts)
        lines = hashed_lines(given, self.config.min_characters)
        numbers = np.arange(first_document, first_document + len(given))
        return self.shortened(given, lines, np.arange(len(given)), numbers)

    def shortened(
        self, given: Texts, lines: Lines, rows_N: npt.NDArray[np.int64], numbers_N: npt.NDArray[np.int64]
    ) -> tuple[Any, npt.NDArray[np.int64]]:
        """The same of texts that were hashed before: rows of `lines`. `numbers_N`: the place of each among the
        documents added, ascending."""
        import pyarrow as pa

        shorter, dropped = [pa.array([], pa.large_string())], [np.empty(0, np.int64)]
        for a, b, table in self._by_bucket(numbers_N):
            part = Texts(given.data, given.offsets_N1[a : b + 1])
            text, n = copy_without(part, lines, rows_N[a:b], table, self.config)
            shorter.append(text)
            dropped.append(n)
        return (shorter[1], dropped[1]) if len(shorter) == 2 else (pa.concat_arrays(shorter), np.concatenate(dropped))

    def left(
        self, lines: Lines, rows_R: npt.NDArray[np.int64], numbers_R: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """What is left of texts, without reading one: `lines.left_of`, each by the counts of its bucket."""
        parts = [left_of(lines, rows_R[a:b], table, self.config) for a, b, table in self._by_bucket(numbers_R)]
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, bool)
        dropped, n_bytes, blank = (np.concatenate(column) for column in zip(*parts))
        return dropped, n_bytes, blank

    def _by_bucket(self, numbers: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, Any]]:
        """(first, stop, table of frequent lines) of each run of documents of one bucket."""
        if len(numbers) and (numbers[0] < 0 or numbers[-1] >= self._n):
            raise ConfigError(
                f"of {self._n} counted documents none is number {numbers[-1]}.",
                key="first_document", value=int(numbers[0]),
            )  # fmt: skip
        buckets = numbers // self.config.bucket_documents
        start = 0
        while start < len(numbers):
            stop = int(np.searchsorted(buckets, buckets[start], side="right"))
            yield start, stop, self._table(int(buckets[start]))
            start = stop

    def _table(self, bucket: int) -> Any:
        """The frequent lines of a bucket; several threads may ask."""
        with self._lock:
            if self._frequent is None or self._frequent[0] != bucket:
                self._frequent = (bucket, table_of(self._frequent_lines(bucket)))
            return self._frequent[1]


def _slice(view: Any, number: int, slices: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
    """Rows of a file whose hash falls into one of `slices` classes."""
    if slices == 1:
        return view["key"].copy(), view["count"].copy()
    keys, counts = [], []
    for start in range(0, len(view), _BLOCK):
        block = view[start : start + _BLOCK]
        chosen = (block["key"] >> np.uint64(8)) % np.uint64(slices) == number
        keys.append(block["key"][chosen])
        counts.append(block["count"][chosen])
    return np.concatenate(keys), np.concatenate(counts)
