"""Reads what curation wrote about itself, funnel.json and dropped_samples.json, into the report's steps and samples.

The reading is forgiving, so that a corpus from an older or a foreign curation still gets its picture:

- funnel.json: a list of steps, or `{"steps": [...]}`. A step has a name (`step` or `name`), documents kept (`kept`,
  `after` or `documents`: `{source: n}` or a number) and documents dropped (`dropped` or `reasons`: `{reason: n}` or
  `{reason: {source: n}}`, also the other way round). A count may itself be an object with `documents`.
- dropped_samples.json: a list of `{"step", "reason", "source", "text", ...}`, or the same grouped under step or reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from herdbook.evaluate.report_views import Step

ALL = "all sources"


class Sample(NamedTuple):
    """A dropped document: where it came from, why it went, and how it begins."""

    reason: str
    source: str
    text: str


def read_funnel(data: Any) -> list[Step]:
    """The steps of funnel.json; entries that cannot be understood are passed over."""
    rows = data.get("steps", []) if isinstance(data, Mapping) else data
    rows = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    kept = [_by_source(_first(row, "kept", "after", "documents", "out")) for row in rows]
    sources = {source for counts in kept for source in counts}
    steps = []
    for number, (row, counts) in enumerate(zip(rows, kept, strict=True), 1):
        name = str(_first(row, "step", "name") or f"step {number}")
        steps.append(Step(name, counts, _reasons(_first(row, "dropped", "reasons", "removed"), sources)))
    before = _by_source(_first(rows[0], "before", "in")) if rows else {}
    if before and before != kept[0]:
        steps.insert(0, Step("collected", before))
    return steps


def read_samples(data: Any, per_reason: int = 2, text_limit: int = 400) -> list[Sample]:
    """At most `per_reason` samples of each reason, each cut to `text_limit` characters."""
    taken: dict[str, int] = {}
    samples = []
    for labels, row in _rows(data, ()):
        given = [str(row[key]) for key in ("step", "reason") if row.get(key)]
        reason = ": ".join(dict.fromkeys([*(label for label in labels if label not in given), *given])) or "dropped"
        text = str(_first(row, "text", "excerpt", "sample", "beginning") or "")
        if text and taken.get(reason, 0) < per_reason:
            taken[reason] = taken.get(reason, 0) + 1
            cut = text if len(text) <= text_limit else text[:text_limit].rstrip() + " …"
            samples.append(Sample(reason, str(_first(row, "source", "path", "id") or ""), cut))
    return samples


def _rows(data: Any, labels: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if isinstance(data, list):
        for item in data:
            yield from _rows(item, labels)
    elif isinstance(data, str):
        yield labels, {"text": data}
    elif isinstance(data, Mapping):
        if any(key in data for key in ("text", "excerpt", "sample", "beginning")):
            yield labels, data
        else:
            for key, value in data.items():
                if isinstance(value, list | Mapping):
                    yield from _rows(value, labels if key in ("samples", "dropped") else (*labels, str(key)))


def _first(row: Mapping[str, Any], *keys: str) -> Any:
    return next((row[key] for key in keys if key in row), None)


def _number(value: Any) -> float | None:
    if isinstance(value, Mapping):
        value = _first(value, "documents", "n_documents", "count")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _by_source(value: Any) -> dict[str, float]:
    number = _number(value)
    if number is not None:
        return {ALL: number}
    if not isinstance(value, Mapping):
        return {}
    return {str(k): n for k, v in value.items() if (n := _number(v)) is not None}


def _reasons(value: Any, sources: set[str]) -> dict[str, dict[str, float]]:
    """{reason: {source: n}} from that, from {reason: n}, or from {source: {reason: n}}."""
    if not isinstance(value, Mapping):
        return {}
    nested = {str(key): _by_source(inner) for key, inner in value.items()}
    if nested and set(nested) <= sources and not any(ALL in inner for inner in nested.values()):
        turned: dict[str, dict[str, float]] = {}
        for source, by_reason in nested.items():
            for reason, n in by_reason.items():
                turned.setdefault(reason, {})[source] = n
        nested = turned
    return {reason: inner for reason, inner in nested.items() if sum(inner.values())}
