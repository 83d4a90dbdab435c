"""Reads what curation wrote about itself, funnel.json and dropped_samples.json, into the report's steps and samples.

The reading is forgiving, so that a corpus from an older or a foreign curation still gets its picture:

- funnel.json: `{"steps": [...], "mixture": [...], ...}`, or a list of steps. A step has a name, documents kept (`kept`
  or `after`: `{source: n}` or a number), documents dropped (`reasons` or `dropped`: `{reason: {source: n}}`, also the
  other way round, or `{reason: n}`) and the size of what is left (`bytes_out`).
- dropped_samples.json: a list of `{"step", "reason", "source", "id", "detail", "excerpt"}` (or `text`), or the same
  grouped under step or reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from herdbook.page.funnel import Step

ALL = "all sources"


class Sample(NamedTuple):
    """A dropped document: where it came from, why it went, and how it begins."""

    reason: str
    source: str
    detail: str
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
        size = _number(_first(row, "bytes_out", "bytes"))
        reasons = _reasons(_first(row, "dropped", "reasons", "removed"), sources)
        steps.append(Step(name.replace("_", " "), counts, reasons, None if size is None else size / 1e6))
    before = _by_source(_first(rows[0], "before", "in")) if rows else {}
    if before:
        size = _number(rows[0].get("bytes_in"))
        steps.insert(0, Step("collected", before, {}, None if size is None else size / 1e6))
    return steps


def read_mixture(data: Any) -> list[dict[str, Any]]:
    """Rows of the mixture: source, documents, megabytes, share of the bytes, epochs; empty where there is none."""
    rows = data.get("mixture") if isinstance(data, Mapping) else None
    return [dict(row) for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def read_measures(data: Any) -> dict[str, Any]:
    """What curation measured of itself: quality classifier, duplicates, held-out documents, masked addresses."""
    keys = ("quality", "dedup", "heldout", "emails_masked")
    return {key: data[key] for key in keys if key in data} if isinstance(data, Mapping) else {}


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
            source = ", ".join(str(row[key]) for key in ("source", "id") if row.get(key))
            samples.append(Sample(reason.replace("_", " "), source, str(row.get("detail") or ""), cut))
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
