"""Near-duplicates of any number of documents: shingles and signatures in files, verdicts in bounded memory.

A document's text is read once, by `add`. What stays of it lies in flat files of the folder: `values.u64` (shingles,
about 1.5 bytes for each byte of text), `offsets.i64` and `signatures.u32` (408 bytes). Another threshold, order or
group judges the files again. Memory of `select`: `memory_limit_bytes`, and about 70 bytes for each document (order and
rank, components, verdicts, groups). Without a limit all that a batch needs lies in memory; verdicts are the same.

A process that was killed leaves whole documents behind: rows after the last complete one are cut off at the next start.
After a loss of power begin anew unless the store had been closed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup import recall as recall_of
from herdbook.curation.dedup.flat import FlatFile
from herdbook.curation.dedup.groups import salts_of
from herdbook.curation.dedup.index import Index, write_index
from herdbook.curation.dedup.layout import check_layout, layout, open_files
from herdbook.curation.dedup.recall import Recall
from herdbook.curation.dedup.selection import Part, select
from herdbook.curation.dedup.shingle_kernel import Shingles, shingles
from herdbook.curation.dedup.signature import sign
from herdbook.curation.dedup.verified import Config, NearDuplicates
from herdbook.curation.heuristics.words import texts_of
from herdbook.errors import ConfigError
from herdbook.storage import atomic_write_json, disk_errors, read_json

I64 = npt.NDArray[np.int64]
_NAME = "store.json"


@dataclass(frozen=True)
class Signed:
    """Shingles and signatures of some documents."""

    shingles: Shingles
    signature_NH: npt.NDArray[np.uint32]


def signed(texts: Any, config: Config) -> Signed:
    """What a store keeps of texts (an Arrow array of strings or a sequence of them): a function of them alone, so that
    several threads may work on several batches."""
    found = shingles(texts_of(texts), config.words)
    return Signed(found, sign(found, config.bands * config.rows, config.seed))


class NearDuplicateStore:
    """Documents of a corpus, added batch by batch, then judged at once.

    ::

        with NearDuplicateStore(folder, Config(), memory_limit_bytes=2 << 30) as store:
            for batch in batches[done(store.n_documents):]:
                store.add(batch["text"])
            found = store.select(best_first, groups=languages)

    A folder that holds documents already is gone on with, provided that shingles and signatures are made alike
    (`words`, `bands`, `rows`, `seed`); otherwise a ConfigError. One process at a time.
    """

    def __init__(self, folder: Path | str, config: Config | None = None, memory_limit_bytes: int | None = None) -> None:
        self.folder = Path(folder)
        self.config = config or Config()
        self._limit = memory_limit_bytes
        if memory_limit_bytes is not None and memory_limit_bytes < 1 << 20:
            raise ConfigError("at least 1 MiB is needed.", key="memory_limit_bytes", value=memory_limit_bytes)
        with disk_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / _NAME).exists():
            check_layout(read_json(self.folder / _NAME), self.config, self.folder)
        else:
            atomic_write_json(self.folder / _NAME, layout(self.config))
        self._values, self._offsets, self._signatures = open_files(self.folder, self.config)
        self._last: tuple[NearDuplicates, I64, Any] | None = None
        self._mend()

    def _mend(self) -> None:
        """Cuts what a killed process had not written to its end."""
        if self._offsets.n_rows == 0:
            self._offsets.cut(0)
            self._offsets.append(np.zeros(1, dtype=np.int64))
        n = min(self._offsets.n_rows - 1, self._signatures.n_rows)
        offsets = self._offsets.view(n + 1)
        n = min(n, int(np.searchsorted(offsets, self._values.n_rows, side="right")) - 1)
        self._n = max(n, 0)
        end = int(offsets[self._n])
        del offsets
        self._offsets.cut(self._n + 1)
        self._signatures.cut(self._n)
        self._values.cut(end)

    def __enter__(self) -> NearDuplicateStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Brings everything to the disk."""
        for file in self._files:
            file.close()

    @property
    def _files(self) -> tuple[FlatFile, FlatFile, FlatFile]:
        return self._values, self._signatures, self._offsets

    @property
    def n_documents(self) -> int:
        """Documents that were added, in this process or an earlier one: add goes on with the next."""
        return self._n

    def add(self, texts: Any) -> None:
        """Appends documents (an Arrow array of strings or a sequence of them). How they are put into batches does not
        matter."""
        self.append(signed(texts, self.config))

    def append(self, found: Signed, first: int = 0) -> None:
        """Appends documents that were signed before with the same settings, from the one numbered `first` on."""
        offsets = found.shingles.offsets_N1[first:]
        if len(offsets) < 2:
            return
        begin = self._values.n_rows
        self._values.append(found.shingles.values_S[offsets[0] : offsets[-1]])
        self._signatures.append(found.signature_NH[first:])
        self._offsets.append(offsets[1:] - offsets[0] + begin)  # last: now the documents are there
        self._n += len(offsets) - 1

    @property
    def shingles(self) -> Shingles:
        """The shingles of all documents, mapped from the disk."""
        return Shingles(self._values.view(), self._offsets.view(self._n + 1))

    def _part(self) -> Part:
        n = self._n
        return Part(self._values.view(), self._offsets.view(n + 1), self._signatures.view(n))

    def select(
        self,
        order: Sequence[int] | I64 | None = None,
        against: Sequence[Path | str] = (),
        groups: Any = None,
    ) -> NearDuplicates:
        """Verdicts on all documents of the store.

        `order` [M] holds places of documents, best first; those that it lacks take no part and stay. Without it all
        take part, the earlier preferred. `groups` [N]: a string for each document (its language); only documents of one
        group are compared. `against`: folders that `index` wrote; their documents come first and are never removed.
        """
        n = self._n
        taken = np.arange(n, dtype=np.int64) if order is None else np.asarray(order, dtype=np.int64)
        check_order(taken, n)
        old = [Index(folder, self.config) for folder in against]
        salts = salts_of(n, groups, [(len(index), index.groups()) for index in old])
        found = select(
            [self._part(), *(index.part for index in old)], n, self.config, taken, salts,
            self._limit, self.folder / "scratch",
        )  # fmt: skip
        if old:
            found = dataclasses.replace(found, kept_instead_old=ids_of_old(found.kept_instead, n, old))
        self._last = (found, taken, groups)
        return found

    def measured_recall(self, sample: int = 3000, seed: int = 0) -> Recall:
        """Of the pairs at or over the threshold among some documents drawn by lot from those of the last `select`, the
        share of which not both stayed. The pairs are found by an exact join that uses no signatures."""
        found, taken, groups = self._selected()
        return recall_of.measured_recall(self._part(), found, taken, groups, self.config.threshold, sample, seed)

    def index(self, folder: Path | str, ids: Any = None) -> None:
        """Writes the documents that the last `select` kept, for `against` of later runs: shingles, signatures, their
        groups and `ids` [N] (strings, or a function from rows to theirs as an Arrow array; without it their places).
        Documents that took no part are left out."""
        found, taken, groups = self._selected()
        stays = np.zeros(self._n, dtype=np.bool_)
        stays[taken] = True
        stays &= found.kept
        write_index(Path(folder), self._part(), np.flatnonzero(stays), self.config, ids, groups)

    def _selected(self) -> tuple[NearDuplicates, I64, Any]:
        if self._last is None:
            raise ConfigError("documents are selected first.", key="select", remedy="Call select(...) before.")
        return self._last


def check_order(order: I64, n_documents: int) -> None:
    """An order names documents that are there, each at most once; otherwise a ConfigError."""
    if len(order) and (order.min() < 0 or order.max() >= n_documents):
        raise ConfigError(f"the order names a document that is not among the {n_documents}.", key="order")
    if np.bincount(order, minlength=1).max() > 1:
        raise ConfigError("the order names a document twice.", key="order")


def ids_of_old(kept_instead: I64, n_new: int, old: Sequence[Index]) -> Any:
    """For each document the id of its old twin, or null: an Arrow array of strings [N]."""
    import pyarrow as pa
    import pyarrow.compute as pc

    result = pa.nulls(n_new, pa.large_string())
    places = np.flatnonzero(kept_instead >= n_new)
    if not len(places):
        return result
    starts = np.cumsum([0, *map(len, old)])
    numbers = kept_instead[places] - n_new
    which = np.searchsorted(starts, numbers, side="right") - 1
    names = np.empty(len(places), dtype=object)
    for number, index in enumerate(old):
        here = np.flatnonzero(which == number)
        if len(here):
            names[here] = index.ids().take(pa.array(numbers[here] - starts[number])).to_pylist()
    mask = np.zeros(n_new, dtype=np.bool_)
    mask[places] = True
    return pc.replace_with_mask(result, pa.array(mask), pa.array(names.tolist(), type=pa.large_string()))
