"""Rules on stored signals: every document of every unit enters the ledger, with the first rule that it breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.engine.ledger import STATEMENT, Ledger
from herdbook.curation.engine.measured import MeasuredUnits
from herdbook.curation.engine.steps import MODULES, step
from herdbook.curation.engine.threads import behind

if TYPE_CHECKING:
    import pyarrow as pa


class _Columns(Mapping[str, Any]):
    """Columns of a table by name, each converted when it is asked for first: most text columns never are."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._found: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            import pyarrow as pa

            column = self._table[name]  # KeyError where there is none
            kind = column.type
            nested = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_struct(kind)
            self._found[name] = column if nested else column.to_numpy()
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._table.column_names

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.column_names)

    def __len__(self) -> int:
        return self._table.num_columns


def arrays_of(table: pa.Table) -> Mapping[str, Any]:
    """Columns as rules read them: plain ones as numpy arrays, text as arrays of objects, lists as Arrow columns."""
    return _Columns(table)


def first_rules(table: pa.Table, configs: Mapping[str, Any]) -> tuple[Any, Any]:
    """(step, reason) of the first rule that each row breaks, in the order of the steps; None where it stays.

    Statements break no rule. Raises nothing of its own.
    """
    n = table.num_rows
    steps = np.full(n, None, dtype=object)
    reasons = np.full(n, None, dtype=object)
    signals = arrays_of(table)
    free = np.asarray(signals["kind"] != STATEMENT)
    for name in MODULES:
        if name not in configs:
            continue
        module = step(name).module
        if not hasattr(module, "rules"):
            continue
        for reason, broken in module.rules(signals, configs[name]):
            hit = free & np.asarray(broken, dtype=bool)
            if hit.any():
                steps[hit], reasons[hit] = name, reason
                free &= ~hit
    return steps, reasons


def enter(ledger: Ledger, units: MeasuredUnits, configs: Mapping[str, Any], at_once: int = 32_768) -> None:
    """Enters the documents of all units into the ledger, judged, about `at_once` of them at a time.

    Judged by one thread: rules are Python's and NumPy's work on objects, and several threads took longer than one.
    Where there are several, another one adds the rows of before meanwhile.
    """

    def add(tables: Sequence[pa.Table]) -> None:
        import pyarrow as pa

        ledger.add(pa.concat_tables(tables))

    def judged() -> Iterator[list[pa.Table]]:
        waiting: list[pa.Table] = []
        for number, unit in enumerate(units.units):
            for start, table in units.signals(unit):
                waiting.append(_rows(table, start, number, configs))
                if sum(rows.num_rows for rows in waiting) >= at_once:
                    yield waiting
                    waiting = []
        if waiting:
            yield waiting

    behind(add, judged(), units.threads)


def _rows(table: pa.Table, start: int, number: int, configs: Mapping[str, Any]) -> pa.Table:
    """Rows of the ledger for documents of unit `number`, of which the first has the place `start`."""
    import pyarrow as pa

    steps, reasons = first_rules(table, configs)
    columns = {
        "place": pa.array(np.arange(start, start + table.num_rows)),
        "unit": pa.array(np.full(table.num_rows, number, dtype=np.int32)),
        "step": pa.array(steps, type=pa.string()),
        "reason": pa.array(reasons, type=pa.string()),
    }
    for name in ("id", "source", "path", "license", "url", "date", "kind", "language", "n_bytes"):
        columns[name] = table[name]
    for name, given in (
        ("exact_key", "exact_key"), ("url_key", "url_key"),
        ("quality", "quality_reference"), ("quality", "quality_judged"),
    ):  # fmt: skip
        if given in table.column_names:
            columns[name] = table[given]
    return pa.table(columns)
