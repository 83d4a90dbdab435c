"""The funnel: what went into each step, what came out, and for every document that went the reason. Counts add up
exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from herdbook.curation.documents import Document
from herdbook.curation.verdict import Drop, Verdicts, split

EXCERPT = 300


def size_of(documents: Sequence[Document]) -> int:
    """Bytes of UTF-8 text."""
    return sum(len(d.text) if d.text.isascii() else len(d.text.encode("utf-8", "replace")) for d in documents)


@dataclass
class Funnel:
    """Collects the rows of funnel.json and the samples of dropped_samples.json."""

    samples_per_reason: int = 3
    steps: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)

    def step(
        self,
        name: str,
        before: Sequence[Document],
        verdicts: Verdicts,
        after: Sequence[Document] | None = None,
        **extra: Any,
    ) -> list[Document]:
        """Records a step and returns the documents that stay. `after`: their texts where the step changed them."""
        kept, dropped = split(before if after is None else after, verdicts)
        reasons: dict[str, Counter[str]] = {}
        for document, drop in dropped:
            of_reason = reasons.setdefault(drop.reason, Counter())
            if sum(of_reason.values()) < self.samples_per_reason:
                self.samples.append(sample(name, document, drop))
            of_reason[document.source] += 1
        self.steps.append(
            {
                "name": name,
                "in": len(before),
                "out": len(kept),
                "before": _by_source(before),
                "kept": _by_source(kept),
                "reasons": {reason: dict(sorted(by.items())) for reason, by in sorted(reasons.items())},
                "bytes_in": size_of(before),
                "bytes_out": size_of(kept),
                **extra,
            }
        )
        return kept


def _by_source(documents: Sequence[Document]) -> dict[str, int]:
    return dict(sorted(Counter(document.source for document in documents).items()))


def sample(step: str, document: Document, drop: Drop) -> dict[str, Any]:
    """A dropped document for the report: the text around the offending span, and the span within that excerpt."""
    text = document.text
    start = 0
    span = drop.span
    if span is not None:
        start = max(0, min(span[0] - EXCERPT // 3, len(text) - EXCERPT))
        span = (span[0] - start, min(span[1] - start, EXCERPT))
    row: dict[str, Any] = {
        "step": step,
        "reason": drop.reason,
        "source": document.source,
        "id": document.id,
        "detail": drop.detail,
        "excerpt": text[start : start + EXCERPT],
        "span": list(span) if span else None,
    }
    if drop.kept_instead is not None:
        row["kept_instead"] = drop.kept_instead
    return row


def adds_up(steps: Sequence[dict[str, Any]]) -> list[str]:
    """What does not add up in a funnel, in words: empty where for every step and source in = kept + drops, and steps
    join.
    """
    problems = []
    for number, step in enumerate(steps):
        for source in set(step["before"]) | set(step["kept"]):
            gone = sum(by.get(source, 0) for by in step["reasons"].values())
            if step["before"].get(source, 0) != step["kept"].get(source, 0) + gone:
                problems.append(f"{step['name']}: {source} does not add up")
        if sum(step["before"].values()) != step["in"] or sum(step["kept"].values()) != step["out"]:
            problems.append(f"{step['name']}: totals differ from the sums over sources")
        if number and steps[number - 1]["kept"] != step["before"]:
            problems.append(f"{step['name']}: starts with other documents than the step before it left")
    return problems
