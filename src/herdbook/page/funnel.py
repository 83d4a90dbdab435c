"""The funnel of curation as charts and tables: what was left after each step, and why documents went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from markupsafe import Markup

from herdbook import figures
from herdbook.figures import format_number, format_percent
from herdbook.page import Chart, Table


@dataclass(frozen=True)
class Step:
    """One step of curation: documents kept by source, and reasons with the documents dropped by source."""

    name: str
    kept: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, dict[str, float]] = field(default_factory=dict)
    megabytes: float | None = None
    """Text left after the step."""


def funnel_chart(steps: Sequence[Step]) -> Chart | None:
    """Documents left after each step, by source."""
    if not steps:
        return None
    first = steps[0].kept
    sources = sorted({source for step in steps for source in step.kept}, key=lambda s: -first.get(s, 0))
    rows = [(step.name, [step.kept.get(source, 0) for source in sources]) for step in steps]
    table = [
        [step.name, *(_whole(n) for n in counts), _whole(sum(counts)), _megabytes(step.megabytes)]
        for step, (_, counts) in zip(steps, rows, strict=True)
    ]
    said = "; ".join(f"{name}: {_whole(sum(counts))}" for name, counts in rows)
    description = f"Documents after each step. {said}. Table below."
    drawn = [row for i, row in enumerate(rows) if not i or row[1] != rows[i - 1][1]]
    svg = figures.stacked_bars(drawn, sources, name="funnel", description=description)
    note = "Documents left after each step of curation, by source"
    note += "; steps that dropped nothing stand in the table only." if len(drawn) < len(rows) else "."
    first_size, last_size = steps[0].megabytes, steps[-1].megabytes
    if first_size is not None and last_size is not None:
        note += f" {first_size:.1f} MB of text at the start, {last_size:.1f} MB at the end."
    head = ["Step", *sources, "All", "MB left"]
    return Chart("The funnel", Markup(svg), note, Table("Documents by step and source", head, table))


def _megabytes(size: float | None) -> str:
    return "–" if size is None else f"{size:,.2f}"


class Drops(NamedTuple):
    """Why documents were dropped: a sentence and the whole table."""

    summary: str
    table: Table


def drop_table(steps: Sequence[Step]) -> Drops | None:
    """Every reason for which documents were dropped, with how many of which source."""
    sources = sorted({s for step in steps for by_source in step.dropped.values() for s in by_source})
    rows, totals = [], []
    for step in steps:
        for reason, by_source in sorted(step.dropped.items(), key=lambda item: -sum(item[1].values())):
            counts = [_whole(by_source.get(source, 0)) for source in sources]
            what = reason.replace("_", " ")
            what = what if what.startswith(step.name.removesuffix("s")) else f"{step.name}: {what}"
            totals.append((sum(by_source.values()), what))
            rows.append([what, *counts, _whole(totals[-1][0])])
    if not rows:
        return None
    most = ", ".join(f"{what} ({_whole(n)})" for n, what in sorted(totals, reverse=True)[:4])
    summary = (
        f"{_whole(sum(n for n, _ in totals))} documents left the corpus, for {len(rows)} reasons; most of them: {most}."
    )
    return Drops(summary, Table("Why documents were dropped", ["Step: reason", *sources, "All"], rows))


def mixture_table(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    """What the model is trained on, by source."""
    body = [
        [
            str(row.get("source", "–")),
            _whole(row["documents"]) if "documents" in row else "–",
            _megabytes(row.get("megabytes")),
            format_percent(row["share"]) if "share" in row else "–",
            format_number(row["epochs"]) if "epochs" in row else "–",
        ]
        for row in rows
    ]
    head = ["Source", "Documents", "MB", "Share of the text", "Epochs"]
    return Table("Training mixture", head, body) if body else None


def _whole(value: float) -> str:
    return f"{value:,.0f}"
