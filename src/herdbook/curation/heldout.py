"""Held-out documents: chosen by the hash of their text, and only where the rest of the corpus does not give them away.

A document is a candidate when its hash falls into the held-out share. It is held out when at most `max_overlap` of its
shingles occur in ANY other document; else it stays in training. So a near-duplicate of a training document, or a
docstring whose source file is trained on, is never held out; nor are statements of facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.shingle_kernel import shingles
from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.kernel import inner
from herdbook.errors import ConfigError

if TYPE_CHECKING:
    from herdbook.curation.engine.ledger import Ledger

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much is held out."""

    share: float = 0.04
    """Share of documents that are candidates."""
    max_overlap: float = 0.3
    """Largest share of a held-out document's shingles that occur in other documents."""
    max_megabytes: float = 0.6
    """Most text that is held out (million bytes)."""
    words: int = 5
    """Words of a shingle."""
    max_candidates: int = 100_000
    """Most documents that are looked at; of more, those with the lowest hashes."""

    def __post_init__(self) -> None:
        for name in ("share", "max_overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie between 0 and 1.", key=name, value=getattr(self, name))


def candidates(ledger: Ledger, config: Config) -> I64:
    """Places of the candidates in the order of their hashes."""
    rows = ledger.ask(
        "SELECT place, exact_key FROM documents WHERE step IS NULL AND kind <> 'statement' AND exact_key IS NOT NULL "
        "AND exact_key < ? ORDER BY exact_key, id LIMIT ?",
        [_limit(config.share), config.max_candidates],
    )
    return np.array([place for place, _ in rows], dtype=np.int64)


def _limit(share: float) -> bytes:
    """The hash below which a share of all hashes lies."""
    return min(int(share * 2.0**64), 2**64 - 1).to_bytes(8, "big")


def sets_of(texts: Any, words: int) -> list[U64]:
    """The different shingles of each text, sorted."""
    found = shingles(texts_of(texts), words)
    bounds = found.offsets_N1
    return [np.unique(found.values_S[bounds[i] : bounds[i + 1]]) for i in range(len(found))]


def overlaps(mine: dict[int, U64], everything: Iterable[tuple[I64, Any]], words: int) -> dict[int, float]:
    """For each candidate the share of its shingles that occur in any other document.

    `mine`: shingle sets by place; `everything`: (places, texts) of all documents, the candidates among them.
    """
    wanted = np.unique(np.concatenate(list(mine.values()))) if mine else np.empty(0, np.uint64)
    room = 16
    while room < 4 * len(wanted):
        room *= 2
    keys, numbers = np.zeros(room, dtype=np.uint64), np.full(room, -1, dtype=np.int64)
    _enter(wanted, keys, numbers)
    n_documents, last = np.zeros(len(wanted), dtype=np.int32), np.full(len(wanted), -1, dtype=np.int64)
    done = 0
    for _, texts in everything:
        if len(wanted):
            found = shingles(texts_of(texts), words)
            _count(found.values_S, found.offsets_N1, done, keys, numbers, n_documents, last)
            done += len(found)
    shares = {}
    for place, part in mine.items():
        shared = n_documents[np.searchsorted(wanted, part)] > 1
        shares[place] = float(shared.mean()) if len(part) else 1.0
    return shares


@inner
def _enter(wanted, keys, numbers):  # type: ignore[no-untyped-def]
    """Puts the wanted shingles into an open table."""
    mask = np.uint64(len(keys) - 1)
    for number in range(len(wanted)):
        at = (wanted[number] ^ (wanted[number] >> np.uint64(31))) & mask
        while numbers[at] >= 0:
            at = (at + np.uint64(1)) & mask
        keys[at] = wanted[number]
        numbers[at] = number


@inner
def _count(values, offsets, first, keys, numbers, n_documents, last):  # type: ignore[no-untyped-def]
    """Counts for each wanted shingle the documents that have it; the first of these is document `first` of all."""
    mask = np.uint64(len(keys) - 1)
    for document in range(len(offsets) - 1):
        for s in range(offsets[document], offsets[document + 1]):
            value = values[s]
            at = (value ^ (value >> np.uint64(31))) & mask
            while numbers[at] >= 0:
                if keys[at] == value:
                    number = numbers[at]
                    if last[number] != first + document:
                        last[number] = first + document
                        n_documents[number] += 1
                    break
                at = (at + np.uint64(1)) & mask


def choose(
    ledger: Ledger, texts: Callable[[Any], Iterable[tuple[I64, Any]]], n_documents: int, config: Config
) -> tuple[I64, dict[str, int]]:
    """(places of the held-out documents, counts: candidates, overlapping (back to training), over_limit, held_out).

    `texts(keep)` gives (places, texts) of the documents marked in a mask [N].
    """
    counts = {"candidates": 0, "overlapping": 0, "over_limit": 0, "held_out": 0}
    order = candidates(ledger, config) if config.share and config.max_megabytes else np.empty(0, np.int64)
    counts["candidates"] = len(order)
    if not len(order):
        return order, counts
    keep = np.zeros(n_documents, dtype=bool)
    keep[order] = True
    mine: dict[int, U64] = {}
    for places, batch in texts(keep):
        mine.update(zip(places.tolist(), sets_of(batch, config.words)))
    overlap = overlaps(mine, texts(ledger.kept(n_documents)), config.words)
    sizes = dict(ledger.ask("SELECT place, n_bytes FROM documents WHERE list_contains(?, place)", [order.tolist()]))
    held: list[int] = []
    size = 0
    for place in order.tolist():
        if overlap[place] > config.max_overlap:
            counts["overlapping"] += 1
        elif size + sizes[place] > config.max_megabytes * 1e6:
            counts["over_limit"] += 1
        else:
            held.append(place)
            size += sizes[place]
            counts["held_out"] += 1
    return np.array(sorted(held), dtype=np.int64), counts
