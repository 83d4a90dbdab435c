"""The data statement that is written beside a corpus: what is in it, from where, under which licences, and what was
done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from herdbook.curation.documents import Document


def data_statement(
    train: Sequence[Document],
    heldout: Sequence[Document],
    funnel: dict[str, Any],
    masked: int,
    settings: dict[str, Any],
) -> str:
    """Markdown text. Depends on its arguments only."""
    steps = funnel["steps"]
    lines = [
        "# Data statement",
        "",
        f"{len(train):,} training documents, {_megabytes(train)} of text (repeats included), and {len(heldout):,} "
        f"held-out documents, {_megabytes(heldout)}.",
        "",
        "## Sources",
        "",
        "| source | documents | MB | share | epochs |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['source']} | {row['documents']:,} | {row['megabytes']:.2f} "
        f"| {row['share']:.1%} | {row['epochs']:.2f} |"
        for row in funnel["mixture"]
    ]
    lines += ["", "## Licences", "", "As declared by the sources; `unknown` where nothing was declared.", ""]
    lines += ["| licence | documents | MB |", "|---|---:|---:|"]
    unique = {document.id: document for document in train}.values()
    licenses = Counter(document.license for document in unique)
    sizes: Counter[str] = Counter()
    for document in unique:
        sizes[document.license] += len(document.text)
    lines += [
        f"| {name.replace('|', '/')} | {n:,} | {sizes[name] / 1e6:.2f} |"
        for name, n in sorted(licenses.items(), key=lambda item: (-sizes[item[0]], item[0]))
    ]
    lines += ["", "## Languages of prose", "", "| language | documents |", "|---|---:|"]
    lines += [f"| {code} | {n:,} |" for code, n in funnel["languages"].items()]
    lines += ["", "## What was done", "", "| step | documents in | out | reasons |", "|---|---:|---:|---|"]
    for step in steps:
        reasons = ", ".join(f"{reason} {sum(by.values()):,}" for reason, by in step["reasons"].items())
        lines.append(f"| {step['name']} | {step['in']:,} | {step['out']:,} | {reasons or '-'} |")
    auc = funnel["quality"]["auc"]
    lines += [
        "",
        f"Personal data: {masked:,} e-mail addresses were replaced by a placeholder; other kinds were not looked for.",
        "Statements of facts (kind `statement`) pass every step unjudged and are never held out.",
        "Near-duplicates: "
        + f"{funnel['dedup']['pairs_true']:,} of {funnel['dedup']['pairs_checked']:,} compared pairs are true.",
        "Quality classifier: "
        + ("not trained (too little prose)." if auc is None else f"held-out AUC {auc:.3f} on synthetic noise."),
        "",
        "## Settings",
        "",
        *[f"- `{key}` = `{value}`" for key, value in sorted(_flat(settings).items())],
        "",
    ]
    return "\n".join(lines)


def _megabytes(documents: Sequence[Document]) -> str:
    return f"{sum(len(document.text) for document in documents) / 1e6:.2f} million characters"


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
