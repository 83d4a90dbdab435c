"""Held-out documents: chosen by the hash of their text, and only where the rest of the corpus does not give them away.

A document is a candidate when its hash falls into the held-out share. It is held out when at most `max_overlap` of its
shingles occur in ANY other document; else it stays in training. So a near-duplicate of a training document, or a
docstring whose source file is trained on, is never held out; nor are statements of facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.dedup.flat import release
from herdbook.curation.dedup.shingle_kernel import Shingles, shingles
from herdbook.curation.dedup.shingle_kernel import sets_of as different
from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.kernel import inner
from herdbook.errors import ConfigError

if TYPE_CHECKING:
    from herdbook.curation.engine.ledger import Ledger
    from herdbook.curation.engine.shingled import Shingled

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
_BLOCK = 1 << 13
"""Documents whose mapped shingles are in memory at once."""
_LOOKED_UP = 14
"""Bytes of memory for each byte of a candidate's text: a shingle for each 5 bytes, and 40 to 65 bytes for a shingle."""
LOOKED_FOR = 20
"""Times the most text that is held out: so much text of candidates is looked for. Where so much of it occurs elsewhere
that it does not do, less is held out."""


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


def candidates(ledger: Ledger, config: Config) -> tuple[I64, I64]:
    """(places of the candidates, bytes of their texts) in the order of their hashes."""
    found = ledger.table(
        "SELECT place, n_bytes FROM documents WHERE step IS NULL AND kind <> 'statement' AND exact_key IS NOT NULL "
        "AND exact_key < ? ORDER BY exact_key, id LIMIT ?",
        [_limit(config.share), config.max_candidates],
    )
    return found["place"].to_numpy().astype(np.int64), found["n_bytes"].to_numpy().astype(np.int64)


def _limit(share: float) -> bytes:
    """The hash below which a share of all hashes lies."""
    return min(int(share * 2.0**64), 2**64 - 1).to_bytes(8, "big")


def sets_of(texts: Any, words: int) -> list[U64]:
    """The different shingles of each text, sorted."""
    found = shingles(texts_of(texts), words)
    found = different(found, np.arange(len(found)))
    return [found.of(i) for i in range(len(found))]


def overlaps(mine: dict[int, U64], everything: Iterable[tuple[Shingles, I64]]) -> dict[int, float]:
    """For each candidate the share of its shingles that occur in any other document.

    `mine`: shingle sets by place; `everything`: shingles, and the rows of them that are documents of the corpus, each
    document once, the candidates among them.
    """
    number, wanted = _numbered(np.concatenate([np.empty(0, np.uint64), *mine.values()]))
    n_wanted, room = len(wanted), 16
    while room < 2 * n_wanted:
        room *= 2
    keys, numbers = np.zeros(room, dtype=np.uint64), np.full(room, -1, dtype=np.int32)
    bits = np.zeros(min(4 * room, 1 << 23), dtype=np.uint8)
    _enter(wanted, keys, numbers, bits)
    del wanted
    n_documents, last = np.zeros(n_wanted, dtype=np.uint8), np.full(n_wanted, -1, dtype=np.int32)
    done = 0
    for found, rows in everything:
        if n_wanted:
            _count(found.values_S, found.offsets_N1, rows, done, keys, numbers, bits, n_documents, last)
            done += len(rows)
    ends = np.cumsum([0, *map(len, mine.values())])
    shared = np.append(0, np.cumsum(n_documents[number] > 1))
    counts = zip(mine, (shared[ends[1:]] - shared[ends[:-1]]).tolist(), np.diff(ends).tolist())
    return {place: n / size if size else 1.0 for place, n, size in counts}


def _numbered(asked: U64) -> tuple[npt.NDArray[np.int32], U64]:
    """(the number of each shingle among the different ones, those, sorted)."""
    order = np.argsort(asked)
    wanted = asked[order]
    new = np.append(np.ones(min(1, len(wanted)), dtype=bool), wanted[1:] != wanted[:-1])
    number = np.empty(len(asked), dtype=np.int32)
    number[order] = np.cumsum(new, dtype=np.int32) - 1
    return number, wanted[new]


@inner
def _enter(wanted, keys, numbers, bits):  # type: ignore[no-untyped-def]
    """Puts the wanted shingles into an open table, and sets a bit for each."""
    mask = np.uint64(len(keys) - 1)
    for number in range(len(wanted)):
        bit = wanted[number] & np.uint64(8 * len(bits) - 1)
        bits[bit >> np.uint64(3)] |= np.uint8(1) << np.uint8(bit & np.uint64(7))
        at = (wanted[number] ^ (wanted[number] >> np.uint64(31))) & mask
        while numbers[at] >= 0:
            at = (at + np.uint64(1)) & mask
        keys[at] = wanted[number]
        numbers[at] = number


@inner
def _count(values, offsets, rows, first, keys, numbers, bits, n_documents, last):  # type: ignore[no-untyped-def]
    """Counts for each wanted shingle the documents that have it, up to 2; the first of these rows is document `first`
    of all. Most shingles have no bit: the bits lie in the cache, the table does not."""
    mask = np.uint64(len(keys) - 1)
    last_bit = np.uint64(8 * len(bits) - 1)
    for row in range(len(rows)):
        document = rows[row]
        for s in range(offsets[document], offsets[document + 1]):
            value = values[s]
            bit = value & last_bit
            if not bits[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7)) & np.uint8(1):
                continue
            at = (value ^ (value >> np.uint64(31))) & mask
            while numbers[at] >= 0:
                if keys[at] == value:
                    number = numbers[at]
                    if last[number] != first + row:
                        last[number] = first + row
                        n_documents[number] = min(n_documents[number] + 1, 2)
                    break
                at = (at + np.uint64(1)) & mask


def choose(
    ledger: Ledger,
    texts: Callable[[Any], Iterable[tuple[I64, Any]]],
    n_documents: int,
    config: Config,
    shingled: Shingled | None = None,
    memory_limit_bytes: int | None = None,
) -> tuple[I64, dict[str, int]]:
    """(places of the held-out documents, counts: candidates, overlapping (back to training), over_limit, held_out).

    Once so much is held out that no later candidate fits, or so much has been looked for (`LOOKED_FOR`), the later ones
    are over the limit.
    `texts(keep)` gives (places, texts) of the documents marked in a mask [N]. `shingled`: those of which the shingles
    are known, where they have as many words as `config` asks for; their texts are not read. Beyond
    `memory_limit_bytes` (about) candidates are looked for a part at a time.
    """
    counts = {"candidates": 0, "overlapping": 0, "over_limit": 0, "held_out": 0}
    order = sizes = np.empty(0, np.int64)
    if config.share and config.max_megabytes:
        order, sizes = candidates(ledger, config)
    counts["candidates"] = len(order)
    if not len(order):
        return order, counts
    if shingled is not None and shingled.config.words != config.words:
        shingled = None
    known = np.zeros(n_documents, dtype=bool) if shingled is None else shingled.mask
    left = ledger.kept(n_documents)

    def sets(places: I64) -> dict[int, U64]:
        keep = np.zeros(n_documents, dtype=bool)
        keep[places] = True
        found: dict[int, U64] = {}
        if shingled is not None:
            there = places[known[places]]
            found.update(zip(there.tolist(), shingled.sets(there)))
        for some, batch in texts(keep & ~known):
            found.update(zip(some.tolist(), sets_of(batch, config.words)))
        return found

    def everything() -> Iterator[tuple[Shingles, I64]]:
        if shingled is not None:
            found, rows = shingled.shingles, np.flatnonzero(left[shingled.places_M])
            for start in range(0, len(rows), _BLOCK):
                yield found, rows[start : start + _BLOCK]
                release(found.values_S)
        for _, batch in texts(left & ~known):
            found = shingles(texts_of(batch), config.words)
            yield found, np.arange(len(found))

    held: list[int] = []
    room = config.max_megabytes * 1e6
    smallest = np.minimum.accumulate(sizes[::-1])[::-1]  # of a candidate and all later ones
    some = max(1, int(np.searchsorted(np.cumsum(sizes), LOOKED_FOR * room, side="right")))
    start = 0
    for part in _parts(order[:some], sizes[:some], memory_limit_bytes):
        if smallest[start] > room:
            break
        overlap = overlaps(sets(part), everything())
        for number, place in enumerate(part.tolist(), start):
            if smallest[number] > room:
                break
            if overlap[place] > config.max_overlap:
                counts["overlapping"] += 1
            elif sizes[number] <= room:
                held.append(place)
                room -= sizes[number]
        start += len(part)
    counts["held_out"] = len(held)
    counts["over_limit"] = len(order) - len(held) - counts["overlapping"]
    return np.array(sorted(held), dtype=np.int64), counts


def _parts(places: I64, sizes: I64, memory_limit_bytes: int | None) -> list[I64]:
    """The places in parts, each a document at least, whose look-up takes about the limit. `sizes`: bytes of text."""
    if memory_limit_bytes is None:
        return [places]
    number = (np.cumsum(sizes) - sizes) * _LOOKED_UP // max(1, memory_limit_bytes)
    return np.split(places, np.flatnonzero(np.diff(number)) + 1)
