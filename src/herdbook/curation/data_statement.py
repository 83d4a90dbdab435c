"""The data statement that is written beside a corpus: what is in it, from where, under which licences, and what was
done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIMITS = (
    "Licences are those that sources declare or texts state; nobody checked them, and they are no legal advice.",
    "Languages are the guess of a small model, best for long texts in one language.",
    "Personal data is found by its form: names, and addresses of houses, are not.",
    "Rules, scores and classifiers judge form and likeness. They do not tell truth from falsehood.",
)
"""What a reader has to know of every corpus of this kind."""


def statement(report: Mapping[str, Any]) -> str:
    """The data statement as Markdown text, from aggregated figures alone; a pure function, equal figures give equal
    text.

    `report` has `train` (what `corpus_counts.CorpusCounts.report` gives) and, each if there is one: `heldout` (the
    same), `epochs` (by source), `steps` (rows of the funnel: name, in, out, reasons by source, `counts` of what was
    mended), `settings` (by step), `limits` (further sentences).
    """
    train, held = report["train"], report.get("heldout") or {"documents": 0, "bytes": 0}
    lines = [
        "# Data statement",
        "",
        f"{train['documents']:,} training documents, {_mb(train['bytes'])} of text (repeats included), and "
        f"{held['documents']:,} held-out documents, {_mb(held['bytes'])}.",
    ]
    epochs = report.get("epochs") or {}
    for title, name, note in (
        ("Sources", "sources", ""),
        ("Licences", "licences", "Declared by the sources or stated in the texts, as SPDX expressions."),
        ("Languages", "languages", ""),
        ("Kinds", "kinds", ""),
    ):
        more = [" epochs |", "---:|"] if name == "sources" and epochs else ["", ""]
        lines += ["", f"## {title}", "", *([note, ""] if note else [])]
        lines += [f"| {name} | documents | MB | share |{more[0]}", f"|---|---:|---:|---:|{more[1]}"]
        for key, row in train[name].items():
            share = row["bytes"] / max(1, train["bytes"])
            last = f" {epochs.get(key, 1.0):.2f} |" if more[0] else ""
            lines.append(f"| {_cell(key)} | {row['documents']:,} | {row['bytes'] / 1e6:.2f} | {share:.1%} |{last}")
    years = train["dates"]
    known = f"{min(years)} to {max(years)}" if years else "none known"
    lines += ["", "## Dates", "", f"Years: {known}; {train['undated']:,} documents without a date.", ""]
    if years:
        lines += ["| year | documents |", "|---|---:|", *[f"| {_cell(y)} | {n:,} |" for y, n in years.items()], ""]
    lines += ["## What was done", "", "| step | documents in | out | dropped for | mended |", "|---|---:|---:|---|---|"]
    for step in report.get("steps", ()):
        reasons = ", ".join(f"{reason} {sum(by.values()):,}" for reason, by in step["reasons"].items())
        mended = ", ".join(f"{what} {n:,}" for what, n in (step.get("counts") or {}).items() if n)
        lines.append(f"| {step['name']} | {step['in']:,} | {step['out']:,} | {reasons or '-'} | {mended or '-'} |")
    lines += ["", "## Known limits", "", *[f"- {limit}" for limit in (*LIMITS, *report.get("limits", ()))]]
    lines += ["", "## Settings", ""]
    lines += [f"- `{key}` = `{value}`" for key, value in sorted(_flat(dict(report.get("settings", {}))).items())]
    return "\n".join([*lines, ""])


def _mb(size: int) -> str:
    return f"{size / 1e6:.2f} MB"


def _cell(text: str) -> str:
    return str(text).replace("|", "/").replace("\n", " ")


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
