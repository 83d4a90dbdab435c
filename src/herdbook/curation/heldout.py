"""Held-out documents: chosen by the hash of their text, and only where the rest of the corpus does not give them away.

A document is a candidate when its hash falls into the held-out share. It is held out when at most `max_overlap` of its
shingles occur in ANY other document; else it stays in training. So a near-duplicate of a training document, or a
docstring whose source file is trained on, is never held out; nor are statements of facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from herdbook.curation.documents import Document
from herdbook.curation.exact import text_hash
from herdbook.curation.shingles import ShingleSets


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much is held out."""

    share: float = 0.04
    """Share of documents that are candidates."""
    max_overlap: float = 0.3
    """Largest share of a held-out document's shingles that occur in other documents."""
    max_megabytes: float = 0.6
    """Most text that is held out."""


def choose(documents: Sequence[Document], sets: ShingleSets, config: Config) -> tuple[list[bool], dict[str, int]]:
    """Which documents are held out, and counts: candidates, overlapping (back to training), held_out, over_limit."""
    held = [False] * len(documents)
    counts = {"candidates": 0, "overlapping": 0, "over_limit": 0, "held_out": 0}
    hashes = {i: text_hash(d.text) for i, d in enumerate(documents) if d.kind != "statement"}
    limit = config.share * 2.0**64
    candidates = sorted((i for i, h in hashes.items() if int.from_bytes(h[:8], "big") < limit), key=hashes.__getitem__)
    counts["candidates"] = len(candidates)
    if not candidates:
        return held, counts
    values, n_documents = np.unique(sets.values_S, return_counts=True)
    shared = values[n_documents > 1]
    size = 0
    for i in candidates:
        mine = sets.of(i)
        where = np.searchsorted(shared, mine)
        where[where == len(shared)] = 0
        overlap = float((shared[where] == mine).mean()) if len(shared) and len(mine) else 0.0
        text_size = len(documents[i].text.encode("utf-8", "replace"))
        if overlap > config.max_overlap or not len(mine):
            counts["overlapping"] += 1
        elif size + text_size > config.max_megabytes * 1e6:
            counts["over_limit"] += 1
        else:
            held[i] = True
            size += text_size
            counts["held_out"] += 1
    return held, counts
