"""Batches of documents: which rows a pattern touches, and new texts for some of them.

A step asks a compiled expression (RE2, inside Arrow) of the whole column first and looks closer at the rows that it
finds, so that documents without anything to do cost one pass over their bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Mask = npt.NDArray[np.bool_]


def matching(column: Any, pattern: str, *, ignore_case: bool = False) -> Mask:
    """Which texts of an Arrow column hold a match of `pattern` (RE2's syntax), bool [N]; missing texts do not."""
    import pyarrow.compute as pc

    found = pc.match_substring_regex(column, pattern, ignore_case=ignore_case)
    return np.asarray(pc.fill_null(found, False).to_numpy(zero_copy_only=False), dtype=bool)


def is_one_of(column: Any, values: Sequence[str]) -> Mask:
    """Which values of an Arrow column are among `values`, bool [N]."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.is_in(column, value_set=pa.array(list(values), type=column.type))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def texts_at(table: pa.Table, rows: Mask) -> list[str]:
    """The texts of the rows that are marked."""
    import pyarrow as pa

    if not rows.any():
        return []
    return [text or "" for text in table["text"].filter(pa.array(rows)).to_pylist()]


def with_texts(table: pa.Table, rows: Mask, texts: Sequence[str]) -> pa.Table:
    """The table with new texts in the marked rows, in order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not rows.any():
        return table
    column = table["text"]
    new = pc.replace_with_mask(column, pa.array(rows), pa.array(texts, type=column.type))
    return with_column(table, "text", new)


def with_column(table: pa.Table, name: str, column: Any) -> pa.Table:
    """The table with a column in the place of the one of that name."""
    return table.set_column(table.column_names.index(name), table.schema.field(name), column)


def mended(table: pa.Table, rows: Mask, mend: Callable[[str], str]) -> tuple[pa.Table, int]:
    """The table with `mend(text)` in the marked rows, and how many texts that changed."""
    before = texts_at(table, rows)
    after = [mend(text) for text in before]
    changed = np.array([a != b for a, b in zip(before, after)], dtype=bool)
    if not changed.any():
        return table, 0
    where = np.zeros(table.num_rows, dtype=bool)
    where[np.flatnonzero(rows)[changed]] = True
    return with_texts(table, where, [text for text, new in zip(after, changed) if new]), int(changed.sum())
