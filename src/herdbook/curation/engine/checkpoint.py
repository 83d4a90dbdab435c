"""What a global step found, kept from the moment that it is whole: a resumed run takes it up, and looks no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herdbook.storage import atomic_open, atomic_write_json, read_json

if TYPE_CHECKING:
    import pyarrow as pa

Found = tuple["pa.Table", dict[str, Any]]
"""Verdicts and figures."""


def once(folder: Path, name: str, make: Callable[[], Found]) -> tuple[Found, bool]:
    """(verdicts and figures of a step, whether they were there before)."""
    import pyarrow.parquet as pq

    table, figures = folder / f"{name}.parquet", folder / f"{name}.json"
    if figures.exists() and table.exists():  # the figures are written last
        return (pq.read_table(table), read_json(figures)), True
    found = make()
    with atomic_open(table) as file:
        pq.write_table(found[0], file, compression="zstd")
    atomic_write_json(figures, found[1])
    return found, False
