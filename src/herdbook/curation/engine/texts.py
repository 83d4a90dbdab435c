"""The texts that global steps and the writer see: those of the measured units, without lines that a step took out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.engine.measured import MeasuredUnits, Result
from herdbook.curation.heuristics.words import texts_of

if TYPE_CHECKING:
    from herdbook.curation.dedup.line_store import LineStore

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Texts:
    """`texts(keep)` gives (places, Arrow texts) of the documents marked in a mask [N], in order of place. The units'
    threads read and shorten ahead."""

    def __init__(self, units: MeasuredUnits) -> None:
        self.units = units
        self._store: LineStore | None = None
        self._number: I64 = np.empty(0, np.int64)
        self._shorter: Mask = np.zeros(units.n_documents, dtype=bool)

    def __call__(self, keep: Mask) -> Iterator[tuple[I64, Any]]:
        return self.each(keep, lambda places, texts: (places, texts))

    def each(self, keep: Mask, work: Callable[[I64, Any], Result], threads: int | None = None) -> Iterator[Result]:
        """`work(places, texts)` for each batch that a call gives, in order, on `threads` or those of the units."""

        def one(places: I64, table: Any) -> Result:
            return work(places, self.shortened(places, table["text"]))

        return self.units.each(keep, one, threads=threads)

    def leave_out_lines(self, store: LineStore, counted: Mask) -> tuple[I64, I64, Mask, int]:
        """From now on texts lack the frequent lines of `store`, to which the documents marked in `counted` [N] were
        added in order of place; others stay as they are.

        Returns (places of those that lose lines, their bytes without them, whether white space is all that is left,
        lines that go of all together). No text is read.
        """
        self._store = store
        self._number = np.cumsum(counted) - 1
        self._shorter = np.zeros_like(counted)
        places, sizes, blank = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, bool)]
        n_lines = 0
        for unit in self.units.units:
            rows = np.flatnonzero(counted[unit.start : unit.start + unit.n_documents])
            if not len(rows):
                continue
            dropped, n_bytes, nothing = store.left(self.units.lines(unit), rows, self._number[unit.start + rows])
            loses = dropped > 0
            places.append(unit.start + rows[loses])
            sizes.append(n_bytes[loses])
            blank.append(nothing[loses])
            n_lines += int(dropped.sum())
        shorter = np.concatenate(places)
        self._shorter[shorter] = True
        return shorter, np.concatenate(sizes), np.concatenate(blank), n_lines

    def shortened(self, places: I64, texts: Any) -> Any:
        """The texts of documents of one unit without frequent lines."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        mine = self._shorter[places]
        if self._store is None or not mine.any():
            return texts
        unit = self.units.unit_of(int(places[0]))
        given = texts_of(texts if mine.all() else texts.filter(pa.array(mine)))
        rows, numbers = places[mine] - unit.start, self._number[places[mine]]
        shorter = self._store.shortened(given, self.units.lines(unit), rows, numbers)[0].cast(texts.type)
        return shorter if mine.all() else pc.replace_with_mask(texts, pa.array(mine), shorter)
