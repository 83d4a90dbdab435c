"""What a step says of a document: nothing (it stays), or a `Drop` with the reason. Steps are functions on batches.

A judging step has the form `step(documents, config) -> list[Drop | None]`, a mending one `step(documents, config) ->
list[Document]`; both are pure, keep the order and know nothing of files, so that they can be given batches by any
engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from herdbook.curation.documents import Document


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a document goes: a reason code, the figure that decided, the offending span (characters), its better twin."""

    reason: str
    detail: str = ""
    span: tuple[int, int] | None = None
    kept_instead: str | None = None


Verdicts = list[Drop | None]


def above(value: float, limit: float, reason: str, span: tuple[int, int] | None = None) -> Drop | None:
    """A drop where `value` is over `limit`."""
    return Drop(reason, f"{value:.3f} > {limit:g}", span) if value > limit else None


def below(value: float, limit: float, reason: str, span: tuple[int, int] | None = None) -> Drop | None:
    """A drop where `value` is under `limit`."""
    return Drop(reason, f"{value:.3f} < {limit:g}", span) if value < limit else None


def split(documents: Sequence[Document], verdicts: Verdicts) -> tuple[list[Document], list[tuple[Document, Drop]]]:
    """Documents that stay, and those that go with the reason."""
    kept = [document for document, drop in zip(documents, verdicts) if drop is None]
    return kept, [(document, drop) for document, drop in zip(documents, verdicts) if drop is not None]
