"""Mixture: how much of each source is trained on. Weights are shares of the corpus; sources too small for theirs are
repeated.

As in Llama 3's mix, shares are chosen by what the data is good for, not by how much there is. A source that would have
to be repeated more than `max_epochs` times gives the rest of its share to the others. Within a source whole documents
are drawn by lot; the order of the result is a random order over all sources. Both depend on the seed and the ids alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from herdbook.curation.documents import Document
from herdbook.curation.sources import lot

DEFAULT_WEIGHTS = {
    "pydoc-topics": 0.07,
    "stdlib-docstrings": 0.25,
    "packages/prose": 0.38,
    "stdlib-source": 0.20,
    "packages/code": 0.10,
    "user": 0.50,
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Shares of the corpus. Statements are always taken whole, on top of the shares."""

    max_epochs: float = 2.0
    """Most times that a source is repeated."""
    weights: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """Shares by source, or by source/kind ("packages/code"); they need not sum to 1. A source that is not named gets
    0.1.
    """


@dataclass(frozen=True)
class Share:
    """What a source gives: `epochs` times its `available` bytes."""

    source: str
    available: int
    epochs: float


def group_of(document: Document, weights: Mapping[str, float]) -> str:
    """The name by which a document's share is set: "source/kind" where the weights know it, else the source."""
    exact = f"{document.source}/{document.kind}"
    return exact if exact in weights else document.source


def plan(available: Mapping[str, int], config: Config, max_megabytes: float) -> dict[str, Share]:
    """Epochs of each group, by weight, with the cap on repetition; what the cap leaves goes to the others by weight.

    `available`: bytes by group. `max_megabytes` is the size of the result; 0 takes everything once.
    """
    if max_megabytes <= 0:
        return {group: Share(group, size, 1.0 if size else 0.0) for group, size in sorted(available.items())}
    weights = {group: max(0.0, config.weights.get(group, 0.1)) for group in available}
    total, cap = max_megabytes * 1e6, config.max_epochs
    taken = dict.fromkeys(available, 0.0)
    open_groups = {group for group in available if weights[group] > 0 and available[group] > 0}
    while open_groups:
        rest = total - sum(taken[group] for group in taken if group not in open_groups)
        scale = rest / sum(weights[group] for group in open_groups)
        full = {group for group in open_groups if scale * weights[group] >= cap * available[group]}
        if not full:
            for group in open_groups:
                taken[group] = scale * weights[group]
            break
        for group in full:
            taken[group] = cap * available[group]
        open_groups -= full
    return {
        group: Share(group, size, taken[group] / size if size else 0.0) for group, size in sorted(available.items())
    }


def mix(
    documents: Sequence[Document], config: Config, max_megabytes: float, seed: int
) -> tuple[list[Document], list[bool], list[dict[str, Any]]]:
    """(training documents in their final order, repeats included; which documents were drawn; rows of the mixture).

    Rows: source, documents (with repeats), megabytes, share, epochs, unique_documents.
    """
    sizes = [len(document.text.encode("utf-8", "replace")) for document in documents]
    groups: dict[str, list[int]] = defaultdict(list)
    for i, document in enumerate(documents):
        groups["facts" if document.kind == "statement" else group_of(document, config.weights)].append(i)
    available = {g: sum(sizes[i] for i in members) for g, members in groups.items() if g != "facts"}
    shares = plan(available, config, max_megabytes)
    copies: Counter[int] = Counter(dict.fromkeys(groups.get("facts", []), 1))
    for group, share in shares.items():
        target = share.epochs * share.available
        whole = int(share.epochs + 1e-9)
        members = sorted(groups[group], key=lambda i: lot("mixture/" + documents[i].id, seed))
        for i in members:
            copies[i] = whole
        spent = float(whole * share.available)
        for i in members:
            if spent + sizes[i] <= target + 1e-6:
                copies[i] += 1
                spent += sizes[i]
    entries = [(lot(f"order/{copy}/{documents[i].id}", seed), i) for i, n in copies.items() for copy in range(n)]
    ordered = [documents[i] for _, i in sorted(entries)]
    total = sum(sizes[i] * n for i, n in copies.items())
    rows = []
    for group, members in sorted(groups.items()):
        size = sum(sizes[i] * copies[i] for i in members)
        unique = sum(sizes[i] for i in members)
        rows.append(
            {
                "source": group,
                "documents": sum(copies[i] for i in members),
                "unique_documents": sum(copies[i] > 0 for i in members),
                "megabytes": round(size / 1e6, 6),
                "share": round(size / total, 6) if total else 0.0,
                "epochs": round(size / unique, 4) if unique else 0.0,
            }
        )
    return ordered, [copies[i] > 0 for i in range(len(documents))], rows
