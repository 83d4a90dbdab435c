"""Mixture: how much of each source and language is trained on, and in which order.

As in Llama 3's mix, shares are chosen by what the data is good for, not by how much there is: weights by source (or
source/kind), within a source by language, with a temperature that lifts small languages. What would have to be repeated
more than `max_epochs` times gives the rest of its share to the others. Within a group whole documents are drawn by lot;
the order of the result is a random order over all groups. Both depend on the seed and the ids alone. Statements of
facts are taken whole, on top of the shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from herdbook.errors import ConfigError

if TYPE_CHECKING:
    from herdbook.curation.engine.ledger import Ledger

I64 = npt.NDArray[np.int64]
FACTS = "facts"
"""Group of the statements."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Shares of the corpus. Statements are always taken whole, on top of the shares."""

    max_epochs: float = 2.0
    """Most times that a group is repeated."""
    weights: dict[str, float] = field(default_factory=dict)
    """Shares by source, or by source/kind ("packages/code"); they need not sum to 1. Without any, each source counts by
    its size; with some, one that is not named gets `other_weight`.
    """
    other_weight: float = 0.1
    """Share of a source that `weights` does not name."""
    languages: dict[str, float] = field(default_factory=dict)
    """Shares of prose by language code, over all sources ("ko" = 0.3); languages that are not named share the rest."""
    temperature: float = 1.0
    """Exponent of the sizes by which languages share within a source: 1 as they are, 0 all alike, 0.3 is usual."""
    anneal_source: str = ""
    """Source whose worth is to be probed: a second, small corpus for annealing is drawn (Llama 3, section 3.1.3)."""
    anneal_share: float = 0.3
    """Share of that source in the annealing corpus (published: 0.3, the default mix 0.7)."""
    anneal_megabytes: float = 0.0
    """Size of the annealing corpus (million bytes)."""

    def __post_init__(self) -> None:
        for name in ("max_epochs", "other_weight", "temperature", "anneal_megabytes"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative.", key=name, value=getattr(self, name))
        if not 0 <= self.anneal_share <= 1:
            raise ConfigError("a share lies between 0 and 1.", key="anneal_share", value=self.anneal_share)
        for key, value in {**self.weights, **self.languages}.items():
            if value < 0:
                raise ConfigError(f"the weight of {key!r} must not be negative.", key="weights", value=value)
        if sum(self.languages.values()) > 1 + 1e-9:
            raise ConfigError("shares of languages sum to more than 1.", key="languages", value=self.languages)


class Group(NamedTuple):
    """What shares one weight: a source (or source/kind) in one language."""

    source: str
    language: str


@dataclass(frozen=True)
class Mix:
    """The drawn corpus: E entries, a place for each, in order; and the rows of the report."""

    places_E: I64
    rows: list[dict[str, Any]]


def fill(targets: Mapping[Any, float], available: Mapping[Any, int], total: float, cap: float) -> dict[Any, float]:
    """Bytes of each group: `total` by the weights `targets`, at most `cap` times what is available; what the cap leaves
    goes to the others by weight."""
    taken = dict.fromkeys(available, 0.0)
    free = {group for group in available if targets.get(group, 0) > 0 and available[group] > 0}
    while free:
        rest = total - sum(taken[group] for group in taken if group not in free)
        scale = rest / sum(targets[group] for group in sorted(free))
        full = {group for group in free if scale * targets[group] >= cap * available[group]}
        if not full:
            for group in free:
                taken[group] = scale * targets[group]
            break
        for group in full:
            taken[group] = cap * available[group]
        free -= full
    return taken


def weights_of(available: Mapping[Group, int], config: Config) -> dict[Group, float]:
    """The weight of each group: its source's, shared among its languages."""
    by_source: dict[str, int] = {}
    for group, size in available.items():
        by_source[group.source] = by_source.get(group.source, 0) + size
    total = sum(by_source.values()) or 1
    found: dict[Group, float] = {}
    for source, size in by_source.items():
        weight = config.weights.get(source, config.other_weight) if config.weights else size / total
        members = {g: max(0, n) ** config.temperature if n else 0.0 for g, n in available.items() if g.source == source}
        sum_of = sum(members.values()) or 1.0
        found.update({group: weight * part / sum_of for group, part in members.items()})
    if config.languages:
        found = _with_quotas(found, config.languages)
    return found


def _with_quotas(weights: dict[Group, float], quotas: Mapping[str, float]) -> dict[Group, float]:
    """Weights scaled so that each named language has its share of all, the others share the rest as they did."""
    total = sum(weights.values()) or 1.0
    present = {code: sum(w for g, w in weights.items() if g.language == code) for code in quotas}
    rest = total - sum(present.values())
    left = 1.0 - sum(share for code, share in quotas.items() if present[code] > 0)
    return {
        group: (
            weight * quotas[group.language] * total / present[group.language]
            if group.language in quotas and present[group.language] > 0
            else weight * left * total / rest if rest > 0 else weight
        )
        for group, weight in weights.items()
    }  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _draw(sizes, target, whole):  # type: ignore[no-untyped-def]
    """Copies of each document, taken in the order of the lot: `whole` of all, and one more where it still fits."""
    copies = np.full(len(sizes), whole, np.int64)
    spent = 0.0
    for i in range(len(sizes)):
        spent += whole * sizes[i]
    for i in range(len(sizes)):
        if spent + sizes[i] <= target + 1e-6:
            copies[i] += 1
            spent += sizes[i]
    return copies


def _group_sql(config: Config) -> str:
    """The source under which a document's share is set: source/kind where the weights know it, else the source."""
    known = [name for name in config.weights if "/" in name]
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in known) or "''"
    by_kind = f"CASE WHEN source || '/' || kind IN ({quoted}) THEN source || '/' || kind ELSE source END"
    return f"CASE WHEN kind = 'statement' THEN '{FACTS}' ELSE {by_kind} END"


LANGUAGE = "CASE WHEN kind = 'prose' THEN coalesce(language, 'unknown') ELSE '' END"
"""Of prose the language; code and statements have none."""


def mix(ledger: Ledger, config: Config, max_megabytes: float, seed: int, *, lot: str = "mixture") -> Mix:
    """Draws the corpus from what the ledger has left. `max_megabytes` is its size without statements; 0 takes
    everything once. Rows: source, language, documents (with repeats), unique_documents, megabytes, share, epochs.
    """
    groups = f"{_group_sql(config)} AS source_group, {LANGUAGE} AS language_group"
    sizes = ledger.ask(
        f"SELECT {groups}, sum(n_bytes), count(*) FROM documents WHERE step IS NULL "
        "GROUP BY source_group, language_group ORDER BY source_group, language_group"
    )
    available = {Group(source, language): int(size) for source, language, size, _ in sizes}
    counted = {group: size for group, size in available.items() if group.source != FACTS}
    if max_megabytes > 0:
        taken = fill(weights_of(counted, config), counted, max_megabytes * 1e6, config.max_epochs)
    else:
        taken = {group: float(size) for group, size in counted.items()}
    taken |= {group: float(size) for group, size in available.items() if group.source == FACTS}
    lots = ledger.table(
        f"SELECT place, n_bytes FROM (SELECT place, n_bytes, id, {groups} FROM documents WHERE step IS NULL) "
        "ORDER BY source_group, language_group, md5(? || '/' || id), id",
        [f"{lot}/{seed}"],
    )
    all_places, all_bytes = lots["place"].to_numpy(), lots["n_bytes"].to_numpy()
    ends = np.cumsum([n for *_, n in sizes]).tolist()
    places: list[I64] = []
    rows = []
    for (group, size), begin, end in zip(available.items(), [0, *ends], ends):
        drawn, row = _draw_group(group, all_places[begin:end], all_bytes[begin:end], size, taken[group])
        places.append(drawn)
        rows.append(row)
    total = sum(row["megabytes"] for row in rows) or 1.0
    for row in rows:
        row["share"] = round(row["megabytes"] / total, 6)
    entries = np.concatenate(places) if places else np.empty(0, np.int64)
    return Mix(_shuffled(ledger, entries, seed, lot), rows)


def _draw_group(group: Group, place: I64, size: I64, available: int, target: float) -> tuple[I64, dict[str, Any]]:
    """(entries drawn from the documents of a group, which are given in the order of the lot, the row of the report)."""
    whole = int(target / available + 1e-9) if available else 1
    copies = _draw(size, target, whole)
    bytes_taken = int((copies * size).sum())
    row = {
        "source": group.source if not group.language else f"{group.source} ({group.language})",
        "documents": int(copies.sum()),
        "unique_documents": int((copies > 0).sum()),
        "megabytes": round(bytes_taken / 1e6, 6),
        "share": 0.0,
        "epochs": round(bytes_taken / available, 4) if available else 0.0,
    }
    return np.repeat(place, copies), row


def _shuffled(ledger: Ledger, entries: I64, seed: int, lot: str) -> I64:
    """The entries in a random order that depends on the seed and the ids alone."""
    import pyarrow as pa

    if not len(entries):
        return entries
    first = np.concatenate([[True], entries[1:] != entries[:-1]])
    starts = np.flatnonzero(first)
    copy = np.arange(len(entries)) - starts[np.cumsum(first) - 1]
    with ledger.given(pa.table({"place": entries, "copy": copy})):
        ordered = ledger.table(
            "SELECT given.place AS place FROM given JOIN documents USING (place) "
            "ORDER BY md5(? || '/' || given.copy || '/' || documents.id), documents.id, given.copy",
            [f"order/{lot}/{seed}"],
        )
    return np.asarray(ordered["place"].to_numpy(), dtype=np.int64)


def anneal(ledger: Ledger, config: Config, seed: int) -> Mix | None:
    """The annealing corpus: `anneal_share` of the source that is probed, the rest as the default mix has it."""
    if not config.anneal_source or config.anneal_megabytes <= 0:
        return None
    import dataclasses

    known = ledger.ask("SELECT DISTINCT source FROM documents WHERE step IS NULL ORDER BY source")
    names = [name for (name,) in known]
    if config.anneal_source not in names:
        raise ConfigError(
            f"there is no source {config.anneal_source!r} left to anneal on.", key="mixture.anneal_source",
            value=config.anneal_source, remedy=f"Sources: {', '.join(names)}.",
        )  # fmt: skip
    weights = config.weights or {
        name: float(size)
        for name, size in ledger.ask("SELECT source, sum(n_bytes) FROM documents WHERE step IS NULL GROUP BY source")
    }
    others = {name: value for name, value in weights.items() if name.split("/")[0] != config.anneal_source}
    total = sum(others.values()) or 1.0
    shares = {name: (1 - config.anneal_share) * value / total for name, value in others.items()}
    shares[config.anneal_source] = config.anneal_share
    probe = dataclasses.replace(config, weights=shares, other_weight=0.0)
    return mix(ledger, probe, config.anneal_megabytes, seed, lot="anneal")
