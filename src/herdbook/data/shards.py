"""Token shards on disk: ids in flat little-endian files, document ends beside them.

    train-00000.bin    uint16 (vocabulary up to 65,536 rows) or uint32, ids of all documents one after another
    train-00000.idx    uint64, end offset in ids of each document (the first document starts at 0)
    heldout-00000.*    the same for held-out documents
    index.json         dtype, special ids; for each split: files, n_tokens, n_documents, n_bytes (UTF-8 of the texts)

Each document is `<|begin_of_text|>` ids `<|end_of_text|>`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from herdbook.errors import ArtifactError
from herdbook.lineage import Artifact
from herdbook.storage import disk_errors, read_json

INDEX = "index.json"
FORMAT_VERSION = 1


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """The narrowest of uint16 and uint32 that holds every id."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


class ShardWriter:
    """Writes one pair of `.bin` and `.idx`. The `.idx` comes last: a shard with one is complete."""

    def __init__(self, stem: Path, dtype: np.dtype[Any]) -> None:
        self.stem = stem
        self.dtype = dtype
        self.ends: list[int] = []
        self.n_tokens = 0
        self._file: BinaryIO = open(stem.with_suffix(".bin.part"), "wb")  # noqa: SIM115 (closed by `close`)

    def add(self, ids: Iterable[int] | np.ndarray) -> None:
        """Append one document (ids with its begin and end tokens)."""
        array = np.asarray(ids, dtype=self.dtype)
        with disk_errors():
            self._file.write(array.tobytes())
        self.n_tokens += array.size
        self.ends.append(self.n_tokens)

    def add_all(self, flat: np.ndarray, offsets: np.ndarray, bos_id: int, eos_id: int) -> None:
        """Append the documents `flat[offsets[i]:offsets[i + 1]]` (`Tokenizer.encode_flat`), each between `bos_id` and
        `eos_id`, in one write."""
        begins = offsets[:-1] + 2 * np.arange(len(offsets) - 1)
        ends = offsets[1:] + 2 * np.arange(1, len(offsets))
        array = np.empty(int(ends[-1]) if len(ends) else 0, dtype=self.dtype)
        array[begins], array[ends - 1] = bos_id, eos_id
        for to, (start, end) in zip(begins.tolist(), pairwise(offsets.tolist())):
            array[to + 1 : to + 1 + end - start] = flat[start:end]
        with disk_errors():
            self._file.write(array.data)
        self.ends.extend((ends + self.n_tokens).tolist())
        self.n_tokens += array.size

    def close(self) -> None:
        """Make the shard visible under its final names."""
        with disk_errors():
            self._file.close()
            self.stem.with_suffix(".bin.part").replace(self.stem.with_suffix(".bin"))
            part = self.stem.with_suffix(".idx.part")
            part.write_bytes(np.asarray(self.ends, dtype="<u8").tobytes())
            part.replace(self.stem.with_suffix(".idx"))

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()


class TokenShards:
    """One split of token shards, read through memory maps: a long array of ids and the documents in it."""

    def __init__(self, source: Path | str | Artifact, split: str = "train") -> None:
        folder = source.path if isinstance(source, Artifact) else Path(source)
        if not (folder / INDEX).exists():
            raise ArtifactError(f"{folder} holds no token shards ({INDEX} is missing).", key=str(folder))
        self.index: dict[str, Any] = read_json(folder / INDEX)
        if split not in self.index["splits"]:
            raise ArtifactError(
                f"{folder} has no split {split!r}.",
                key="split",
                value=split,
                remedy=f"It has {', '.join(self.index['splits'])}.",
            )
        self.folder = folder
        self.split = split
        about = self.index["splits"][split]
        self.n_tokens: int = about["n_tokens"]
        self.n_documents: int = about["n_documents"]
        self.n_bytes: int = about["n_bytes"]
        """UTF-8 bytes of the texts: what bits per byte are divided by."""
        self.n_targets: int = self.n_tokens - self.n_documents
        """Places that carry loss: all but each document's last."""
        self.vocab_size: int = self.index["vocab_size"]
        dtype = np.dtype(self.index["dtype"])
        self._parts: list[np.ndarray] = []
        ends, offset = [np.zeros(1, dtype=np.int64)], 0
        for name in about["files"]:
            bin_path, idx_path = folder / f"{name}.bin", folder / f"{name}.idx"
            if not bin_path.exists() or not idx_path.exists():
                raise ArtifactError(f"{folder} lacks the token shard {name}.", key=name)
            part_ends = np.fromfile(idx_path, dtype="<u8").astype(np.int64)
            size = bin_path.stat().st_size // dtype.itemsize
            if (part_ends[-1] if len(part_ends) else 0) != size:
                raise ArtifactError(
                    f"The token shard {bin_path} is cut short or does not belong to its .idx file.", key=name
                )
            self._parts.append(np.memmap(bin_path, dtype=dtype, mode="r") if size else np.zeros(0, dtype=dtype))
            ends.append(part_ends + offset)
            offset += size
        self._part_starts = np.cumsum([0, *(len(part) for part in self._parts)])
        bounds = np.concatenate(ends)
        self.starts, self.ends = bounds[:-1], bounds[1:]
        """int64 (n_documents,): first id of each document, and one past its last."""
        if len(self.starts) != self.n_documents or offset != self.n_tokens:
            raise ArtifactError(f"{folder / INDEX} does not belong to the shards beside it.", key=INDEX)

    def take(self, index: np.ndarray) -> np.ndarray:
        """int64 ids at the given places of the long array (any shape)."""
        if len(self._parts) == 1:
            return self._parts[0][index].astype(np.int64)
        out = np.empty(index.shape, dtype=np.int64)
        part_of = np.searchsorted(self._part_starts, index, side="right") - 1
        for part in np.unique(part_of):
            here = part_of == part
            out[here] = self._parts[part][index[here] - self._part_starts[part]]
        return out

    def document(self, number: int) -> np.ndarray:
        """int64 ids of one document."""
        return self.take(np.arange(self.starts[number], self.ends[number]))
