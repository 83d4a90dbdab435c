"""Shingles and signatures of the documents that are left when lines were cut: made once, for several steps.

The texts are read once for the quality score and for these. Near-duplicates are then judged on the files of the store,
and so are the overlaps of the held-out documents.
Shape letters: N documents of the run, M documents of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.shingle_kernel import Shingles, sets_of
from herdbook.curation.dedup.store import NearDuplicateStore, Signed, signed
from herdbook.curation.dedup.verified import Config
from herdbook.curation.engine.texts import Texts

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Shingled:
    """The documents marked in `mask` [N], in order of place, in a `NearDuplicateStore` below `folder`; what an
    interrupted run had added to it is there."""

    def __init__(self, folder: Path, config: Config, mask: Mask, memory_limit_bytes: int) -> None:
        self.config = config
        self.mask = mask
        self.places_M: I64 = np.flatnonzero(mask)
        self.store = NearDuplicateStore(folder, config, memory_limit_bytes)

    def sign(self, places: I64, texts: Any) -> Signed | None:
        """Shingles and signatures of a batch of documents of the mask; None where the store has them all. Threads may
        call it."""
        if not len(places) or int(self.position(places[-1:])[0]) < self.store.n_documents:
            return None
        return signed(texts, self.config)

    def add(self, places: I64, found: Signed | None) -> None:
        """Appends a batch, those documents of it that the store lacks; batches come in order of place."""
        if found is not None:
            self.store.append(found, int(np.searchsorted(self.position(places), self.store.n_documents)))

    def complete(self, texts: Texts, stop: Callable[[], bool] = lambda: False, threads: int | None = None) -> None:
        """Adds the documents that are missing, or some of them: until `stop()`, which is asked after each batch. By
        `threads`, or those of the units."""
        missing = np.zeros_like(self.mask)
        missing[self.places_M[self.store.n_documents :]] = True
        for places, found in texts.each(missing, lambda places, batch: (places, self.sign(places, batch)), threads):
            self.add(places, found)
            if stop():
                return

    def position(self, places: I64) -> I64:
        """Where documents of the mask stand in the store."""
        return np.searchsorted(self.places_M, places)

    def sets(self, places: I64) -> Iterator[npt.NDArray[np.uint64]]:
        """The different shingles of each document, sorted."""
        found = sets_of(self.store.shingles, self.position(places))
        return (found.of(i) for i in range(len(found)))

    @property
    def shingles(self) -> Shingles:
        """Those of all documents of the mask."""
        return self.store.shingles

    def close(self) -> None:
        """Brings everything to the disk."""
        self.store.close()
