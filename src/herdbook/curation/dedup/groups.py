"""Groups of documents that are deduplicated apart, such as languages: a salt for each, mixed into the keys of bands."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from herdbook.curation.dedup.shingle_kernel import U64
from herdbook.errors import ConfigError


def salt(group: str | None) -> int:
    """64 bits for a group; the same at any time and place. A missing name is a group of its own."""
    return int.from_bytes(blake2b((group or "").encode("utf-8", "replace"), digest_size=8).digest(), "little")


def coded(n: int, groups: Any) -> tuple[Any, Any]:
    """(names of the groups, number of its group for each of n documents [n]); one group without `groups`."""
    import pyarrow as pa

    if groups is None:
        return [""], np.zeros(n, dtype=np.int32)
    column = groups.combine_chunks() if isinstance(groups, pa.ChunkedArray) else groups
    column = column if isinstance(column, pa.Array) else pa.array(list(column), type=pa.large_string())
    if len(column) != n:
        raise ConfigError(f"a group for each of {n} documents is needed.", key="groups", value=len(column))
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode(null_encoding="encode")
    names = column.dictionary.to_pylist()
    numbers = column.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int32)
    return [*names, None], numbers


def salts_of(n: int, groups: Any, old: Sequence[tuple[int, Any]]) -> U64 | None:
    """Salts of n new documents and of the old ones behind them; None where nobody has a group.

    `old`: for each index the number of its documents and their groups, None where it has none."""
    if groups is None and all(names is None for _, names in old):
        return None
    parts = []
    for length, given in [(n, groups), *old]:
        names, numbers = coded(length, given)
        parts.append(np.array([salt(name) for name in names], dtype=np.uint64)[numbers])
    return np.concatenate(parts)
