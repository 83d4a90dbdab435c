"""Near-duplicates of texts that fit into memory, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.selection import Part, select
from herdbook.curation.dedup.shingle_kernel import shingles
from herdbook.curation.dedup.signature import sign
from herdbook.curation.dedup.verified import Config, NearDuplicates
from herdbook.curation.heuristics.words import texts_of


def near_duplicates(
    texts: Any, config: Config | None = None, order: Sequence[int] | npt.NDArray[np.int64] | None = None
) -> NearDuplicates:
    """Finds near-duplicates among `texts` (an Arrow array of strings or a sequence of them).

    `order` holds the places of the documents, best first: the first of several twins stays. Without it the earlier one
    stays. Memory: about 1.5 bytes for each byte of text (shingles) and 0.6 kB for each document (signature, bands), and
    1 GB at most for a batch of those that share bands.
    Example: `near_duplicates(table["text"]).kept`.
    """
    config = config or Config()
    found = shingles(texts_of(texts), config.words)
    part = Part(found.values_S, found.offsets_N1, sign(found, config.bands * config.rows, config.seed))
    return select([part], len(found), config, None if order is None else np.asarray(order, dtype=np.int64))
