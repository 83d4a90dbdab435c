"""Documents in columns: those of many records at once, of which no text has become a string of Python's."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.documents import schema
from herdbook.curation.reading import json_kernel
from herdbook.curation.reading.record import FIELDS, Records, lookup, place_id, word

if TYPE_CHECKING:
    import pyarrow as pa

I64 = npt.NDArray[np.int64]
_ROWS = 4096
"""Records that are taken apart at once."""


@dataclass(frozen=True)
class Rows:
    """R documents: `table` with `documents.schema()`, and how much text of each counts for the size of a batch."""

    table: pa.Table
    sizes_R: I64

    def __len__(self) -> int:
        return len(self.sizes_R)


class Block:
    """Lines that stand together at `position` of a file."""

    def __init__(self, lines: bytes, position: int) -> None:
        self.lines, self.position = lines, position
        self.data = np.frombuffer(lines, dtype=np.uint8)

    @functools.cached_property
    def marks_M(self) -> I64:
        """Places where strings may end."""
        return json_kernel.marks_of(self.data)

    @functools.cached_property
    def is_sound(self) -> bool:
        """Whether all of it is UTF-8."""
        import pyarrow as pa

        ends = pa.py_buffer(np.array([0, len(self.data)], dtype=np.int64))
        text = pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(self.lines)])
        try:
            text.validate(full=True)
        except pa.ArrowInvalid:
            return False
        return True


class Scanner:
    """Takes lines of JSON apart by the kernel and makes documents of them, the same as `Records.document`."""

    def __init__(self, records: Records, longest: int) -> None:
        self._records, self._longest = records, longest
        texts = [".".join(parts) for parts in records.text]
        self.useful = all(len(parts) == 1 for parts in records.text)
        """Whether the text is looked for at the top of a record: the kernel looks nowhere else."""
        names = dict.fromkeys(texts)
        for alternatives in records.fields.values():
            for parts in alternatives:
                names.update(dict.fromkeys((".".join(parts), parts[0])))
        self._names, self._n_texts = list(names), len(dict.fromkeys(texts))
        encoded = [name.encode("utf-8", "replace") for name in self._names]
        self._joined = np.frombuffer(b"".join(encoded) + b"\0", dtype=np.uint8)
        self._bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        self._stack = np.empty(json_kernel.DEPTH, np.uint8)
        self._spans = np.empty((_ROWS, len(self._names), 2), np.int64)
        self._starts = np.empty(_ROWS, np.int64)
        self._sought = functools.cache(self._fields_in)

    def scan(self, block: Block, at: int) -> tuple[Rows | None, int]:
        """The documents of lines from place `at` of a block on, and the place behind the last: there a line begins that
        the kernel does not know, or one that waits for the next call."""
        out, offsets = np.empty(len(block.data) - at, np.uint8), np.zeros(_ROWS + 1, np.int64)
        n, at = json_kernel.records(
            block.data, np.int64(at), block.marks_M, self._longest, self._joined, self._bounds, self._n_texts,
            self._stack, self._spans, self._starts, out, offsets,
        )  # fmt: skip
        return (self._rows(block, out, offsets[: n + 1].copy(), n) if n else None), int(at)

    def _rows(self, block: Block, out: npt.NDArray[np.uint8], offsets: I64, n: int) -> Rows:
        import pyarrow as pa
        import pyarrow.compute as pc

        records = self._records
        fields = self._fields(block.lines, n)
        ids = [
            found or place_id(records.source, records.name, block.position + place)
            for found, place in zip(fields["id"], self._starts[:n].tolist())
        ]
        constant = {"source": records.title, "path": records.path, "kind": records.kind, "meta": "{}"}
        licences = [found or records.source.license for found in fields["license"]]
        columns: dict[str, Any] = {**fields, "id": ids, "license": licences}
        arrays = []
        for field in schema():
            if field.name == "text":
                buffers = [None, pa.py_buffer(offsets), pa.py_buffer(out[: offsets[-1]])]
                arrays.append(pa.Array.from_buffers(pa.large_string(), n, buffers))
            elif field.name in constant:
                arrays.append(pa.repeat(pa.scalar(constant[field.name], field.type), n))
            else:
                arrays.append(pa.array(columns[field.name], field.type))
        table = pa.table(arrays, schema=schema())
        lengths, characters = np.diff(offsets), pc.utf8_length(table["text"]).to_numpy()
        return Rows(table, np.where(lengths == characters, characters, 3 * characters))

    def _fields(self, block: bytes, n: int) -> dict[str, list[str | None]]:
        """The short fields of n records."""
        found: dict[str, list[str | None]] = {name: [None] * n for name in FIELDS}
        spans = self._spans[:n]
        there = np.packbits(spans[:, :, 0] >= 0, axis=1)
        kinds, kind_of_row = np.unique(there, axis=0, return_inverse=True)
        for kind, bits in enumerate(kinds):  # which names a record has: few different ones, as a rule
            rows = np.flatnonzero(kind_of_row == kind)
            for name, numbers in self._sought(bits.tobytes()):
                names, alternatives = [self._names[i] for i in numbers], self._records.fields[name]
                column, places = found[name], [spans[rows, i].tolist() for i in numbers]
                if len(names) == 1 and (names[0],) in alternatives:
                    for row, (begin, end) in zip(rows.tolist(), places[0]):
                        column[row] = word(_value(block, begin, end))
                    continue
                for row, *ends in zip(rows.tolist(), *places):
                    record = {key: _value(block, *place) for key, place in zip(names, ends)}
                    column[row] = word(lookup(record, alternatives))
        return found

    def _fields_in(self, packed: bytes) -> list[tuple[str, list[int]]]:
        """(field, numbers of the names in which it may stand) for records that have the marked names."""
        there = np.unpackbits(np.frombuffer(packed, np.uint8), count=len(self._names)).tolist()
        found = []
        for name, alternatives in self._records.fields.items():
            wanted = dict.fromkeys(part for parts in alternatives for part in (".".join(parts), parts[0]))
            numbers = [self._names.index(part) for part in wanted]
            numbers = [number for number in numbers if there[number]]
            if numbers:
                found.append((name, numbers))
        return found


def _value(block: bytes, begin: int, end: int) -> Any:
    """The JSON value that stands there."""
    raw = block[begin:end]
    if raw[0] == 0x22 and b"\\" not in raw:
        return raw[1:-1].decode()
    return json.loads(raw)
