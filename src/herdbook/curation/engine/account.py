"""The account of a run: what went into each step, what came out, and the reason for every document that went.

Every count is a question to the ledger, in which each document is one row, so counts add up exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from herdbook.curation.engine.ledger import STATEMENT, Ledger
from herdbook.curation.engine.measured import MeasuredUnits

EXCERPT = 300


def funnel_steps(ledger: Ledger, steps: Sequence[str], extra: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each step in order: documents and bytes in and out, by source, and reasons by source and language."""
    gone: dict[str, list[tuple[str, str, str, int, int]]] = {}
    before: Counter[str] = Counter()
    bytes_left = 0
    for step, source, language, reason, n, size in ledger.ask(
        "SELECT step, source, coalesce(language, 'unknown') AS code, reason, count(*), sum(n_bytes) FROM documents "
        "GROUP BY step, source, code, reason ORDER BY step, source, code, reason"
    ):
        before[source] += n
        bytes_left += int(size)
        if step is not None:
            gone.setdefault(step, []).append((source, language, reason, n, int(size)))
    rows = []
    for step in steps:
        kept = Counter(before)
        reasons: dict[str, Counter[str]] = {}
        languages: dict[str, Counter[str]] = {}
        bytes_in = bytes_left
        for source, language, reason, n, size in gone.get(step, []):
            kept[source] -= n
            reasons.setdefault(reason, Counter())[source] += n
            languages.setdefault(reason, Counter())[language] += n
            bytes_left -= size
        rows.append({
            "name": step,
            "in": sum(before.values()),
            "out": sum(kept.values()),
            "before": dict(sorted(before.items())),
            "kept": dict(sorted(kept.items())),
            "reasons": {reason: dict(sorted(by.items())) for reason, by in sorted(reasons.items())},
            "reasons_by_language": {reason: dict(sorted(by.items())) for reason, by in sorted(languages.items())},
            "bytes_in": bytes_in,
            "bytes_out": bytes_left,
            **extra.get(step, {}),
        })  # fmt: skip
        before = kept
    return rows


def adds_up(steps: Sequence[dict[str, Any]]) -> list[str]:
    """What does not add up in a funnel, in words: empty where for every step and source in = kept + drops, and steps
    join.
    """
    problems = []
    for number, step in enumerate(steps):
        for source in set(step["before"]) | set(step["kept"]):
            dropped = sum(by.get(source, 0) for by in step["reasons"].values())
            if step["before"].get(source, 0) != step["kept"].get(source, 0) + dropped:
                problems.append(f"{step['name']}: {source} does not add up")
        if sum(step["before"].values()) != step["in"] or sum(step["kept"].values()) != step["out"]:
            problems.append(f"{step['name']}: totals differ from the sums over sources")
        if number and steps[number - 1]["kept"] != step["before"]:
            problems.append(f"{step['name']}: starts with other documents than the step before it left")
    return problems


def languages_of(ledger: Ledger) -> dict[str, int]:
    """Documents of prose that are left, by language, most frequent first."""
    rows = ledger.ask(
        "SELECT coalesce(language, 'unknown') AS code, count(*) AS n FROM documents "
        "WHERE step IS NULL AND kind = 'prose' "
        "GROUP BY code ORDER BY n DESC, code"
    )
    return {code: int(n) for code, n in rows}


def excerpt(text: str, span: tuple[int, int] | None) -> dict[str, Any]:
    """The text around a span, and the span within that excerpt."""
    start = 0
    if span is not None:
        start = max(0, min(span[0] - EXCERPT // 3, len(text) - EXCERPT))
        span = (span[0] - start, min(span[1] - start, EXCERPT))
    return {"excerpt": text[start : start + EXCERPT], "span": list(span) if span else None}


def dropped_samples(
    ledger: Ledger,
    units: MeasuredUnits,
    per_reason: int,
    seed: int,
    span_of: Callable[[str, str, str], tuple[int, int] | None],
    leave_out: Sequence[str],
) -> list[dict[str, Any]]:
    """A few dropped documents of each step and reason, drawn by lot, each with the offending span and the document that
    stayed instead. `span_of(step, reason, text)`."""
    quoted = ", ".join("'" + name + "'" for name in leave_out) or "''"
    rows = ledger.ask(
        "SELECT d.place, d.step, d.reason, d.source, d.id, d.detail, d.similarity, k.id, d.kept_instead FROM ("
        "SELECT *, row_number() OVER (PARTITION BY step, reason ORDER BY md5(? || id), id) AS number FROM documents "
        f"WHERE step IS NOT NULL AND step NOT IN ({quoted})) AS d "
        "LEFT JOIN documents AS k ON k.place = d.kept_instead WHERE d.number <= ? ORDER BY d.step, d.reason, d.number",
        [f"{seed}/", per_reason],
    )
    texts = units.rows(sorted({row[0] for row in rows} | {row[8] for row in rows if row[8] is not None}))
    samples = []
    for place, step, reason, source, name, detail, similarity, twin, twin_place in rows:
        text = texts[place]["text"]
        sample = {
            "step": step, "reason": reason, "source": source, "id": name, "detail": detail or "",
            **excerpt(text, span_of(step, reason, text)),
        }  # fmt: skip
        if twin is not None:
            sample |= {
                "kept_instead": twin,
                "similarity": None if similarity is None else round(similarity, 4),
                "kept_excerpt": texts[twin_place]["text"][:EXCERPT],
            }
        samples.append(sample)
    return samples


def kept_samples(ledger: Ledger, units: MeasuredUnits, n: int, seed: int) -> list[dict[str, Any]]:
    """A few documents that stayed, of each source, drawn by lot."""
    rows = ledger.ask(
        "SELECT place, source, id, language FROM (SELECT *, row_number() OVER "
        "(PARTITION BY source ORDER BY md5(? || id), id) AS number FROM documents "
        f"WHERE step IS NULL AND kind <> '{STATEMENT}') WHERE number <= ? ORDER BY source, number",
        [f"kept/{seed}/", n],
    )
    texts = units.rows([row[0] for row in rows])
    return [
        {"source": source, "id": name, "language": language, **excerpt(texts[place]["text"], None)}
        for place, source, name, language in rows
    ]
