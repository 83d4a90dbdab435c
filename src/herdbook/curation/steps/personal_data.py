"""Personal data of batches is masked, or drops the document, by kind: e-mail, phone, IP, card, IBAN, identity numbers.

What counts and how check digits are verified stands in `personal_data_forms.py`. A kernel finds the lines that can hold
any, and of which kinds (`personal_data_lines.py`); only those are searched. `emails_only()` masks e-mail addresses
alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.steps.personal_data_forms import FORMS, Config, Finding, find, masked
from herdbook.curation.steps.personal_data_lines import possible_lines
from herdbook.curation.steps.rows import texts_at, with_texts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Config", "emails_only", "measure", "mend", "rules", "span"]


def emails_only() -> Config:
    """Masks e-mail addresses and nothing else."""
    return Config(mask=("email",))


def _kinds(config: Config) -> list[str]:
    return [kind for kind in FORMS if kind in config.mask or kind in config.drop]


def measure(table: pa.Table, config: Config | None = None) -> pa.Table:
    """Columns `personal_data_KIND` with the number of findings, int32. Of the text as it came: before `mend`."""
    config = config or Config()
    return _counted(table.num_rows, _findings(table, config), config)


def _findings(table: pa.Table, config: Config) -> dict[int, list[Finding]]:
    """What was found in each row where anything was. No form spans lines, so only lines that can hold one are searched
    for it.
    """
    kinds = _kinds(config)
    found: dict[int, list[Finding]] = {}
    for line in possible_lines(texts_of(table["text"])) if kinds else ():
        here = find(line.text, [kind for kind in kinds if kind in line.kinds])
        if here:
            shifted = [Finding(f.kind, f.start + line.before, f.end + line.before) for f in here]
            found.setdefault(line.document, []).extend(shifted)
    return found


def _counted(n: int, found: Mapping[int, list[Finding]], config: Config) -> pa.Table:
    import pyarrow as pa

    columns = {kind: np.zeros(n, dtype=np.int32) for kind in _kinds(config)}
    for row, findings in found.items():
        for finding in findings:
            columns[finding.kind][row] += 1
    return pa.table({f"personal_data_{kind}": values for kind, values in columns.items()})


def mend(table: pa.Table, config: Config | None = None) -> tuple[pa.Table, dict[str, int]]:
    """The table with placeholders for the kinds of `mask`; how many of each kind were masked."""
    mended, measured, _ = mend_and_measure(table, config)
    wanted = (config or Config()).mask
    sums = {name.removeprefix("personal_data_"): measured[name].to_numpy().sum() for name in measured.column_names}
    return mended, {kind: int(n) for kind, n in sums.items() if kind in wanted}


def mend_and_measure(table: pa.Table, config: Config | None = None) -> tuple[pa.Table, pa.Table, dict[str, int]]:
    """`mend` and `measure` by one search: (the mended table, the columns of the text as it came, masked by kind)."""
    config = config or Config()
    found = _findings(table, config)
    measured = _counted(table.num_rows, found, config)
    hidden = {row: [f for f in findings if f.kind in config.mask] for row, findings in found.items()}
    rows = np.zeros(table.num_rows, dtype=bool)
    rows[[row for row, findings in hidden.items() if findings]] = True
    before = texts_at(table, rows)
    texts = [masked(text, hidden[row]) for row, text in zip(np.flatnonzero(rows).tolist(), before)]
    counts = {kind: int(measured[f"personal_data_{kind}"].to_numpy().sum()) for kind in config.mask}
    return with_texts(table, rows, texts), measured, counts


def rules(signals: Mapping[str, Any], config: Config) -> list[tuple[str, Any]]:
    """Documents with a kind of `drop` ("personal_KIND"), and lists of people ("personal_list")."""
    kinds = _kinds(config)
    columns = {kind: np.asarray(signals[f"personal_data_{kind}"]) for kind in kinds}
    found = [(f"personal_{kind}", columns[kind] > 0) for kind in config.drop]
    if config.max_findings and kinds:
        found.append(("personal_list", np.sum(list(columns.values()), axis=0) > config.max_findings))
    return found


def span(text: str, reason: str, config: Config) -> tuple[int, int] | None:
    """The first finding of the kind that the reason names; of a list its first finding."""
    kind = reason.removeprefix("personal_")
    found = find(text, [kind] if kind in FORMS else _kinds(config))
    return (found[0].start, found[0].end) if found else None
