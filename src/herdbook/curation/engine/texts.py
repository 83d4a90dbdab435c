"""The texts that global steps and the writer see: those of the measured units, without lines that a step took out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.engine.measured import MeasuredUnits

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Texts:
    """`texts(keep)` gives (places, Arrow texts) of the documents marked in a mask [N], in order of place."""

    def __init__(self, units: MeasuredUnits) -> None:
        self.units = units
        self._store: Any = None
        self._counted: Mask = np.zeros(units.n_documents, dtype=bool)
        self._number: I64 = np.empty(0, np.int64)
        self._shorter: Mask = self._counted

    def __call__(self, keep: Mask) -> Iterator[tuple[I64, Any]]:
        for places, table in self.units.batches(keep):
            yield places, self.shortened(places, table["text"])

    def leave_out_lines(self, store: Any, counted: Mask) -> None:
        """From now on texts lack the frequent lines of `store` (a LineStore), to which the documents marked in
        `counted` [N] were added in order of place. Other texts stay as they are."""
        self._store, self._counted, self._shorter = store, counted, counted
        self._number = np.cumsum(counted) - 1

    def only_these_have_frequent_lines(self, places: I64) -> None:
        """Says of which counted documents `without_lines` drops any: the texts of others need not be copied."""
        self._shorter = np.zeros_like(self._counted)
        self._shorter[places] = True

    def shortened(self, places: I64, texts: Any) -> Any:
        """The texts without frequent lines."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        mine = self._shorter[places]
        if self._store is None or not mine.any():
            return texts
        shorter = self.without_lines(places[mine], texts.filter(pa.array(mine)))[0]
        return pc.replace_with_mask(texts, pa.array(mine), shorter.cast(texts.type))

    def without_lines(self, places: I64, texts: Any) -> tuple[Any, I64]:
        """(texts of counted documents without frequent lines, how many lines went of each); bucket by bucket."""
        import pyarrow as pa

        numbers = self._number[places]
        buckets = numbers // self._store.config.bucket_documents
        bounds = [0, *(np.flatnonzero(np.diff(buckets)) + 1).tolist(), len(places)]
        parts = [
            self._store.without_frequent_lines(texts.slice(a, b - a), int(numbers[a]))
            for a, b in itertools.pairwise(bounds)
        ]
        return pa.concat_arrays([part for part, _ in parts]), np.concatenate([n for _, n in parts])
