"""Source code of batches: licence headers are cut, and generated, minified and data files and what does not parse go.

Rules and thresholds are those of `curation/code_rules.py` (The Stack: Kocetkov et al. 2022; StarCoder: Li et al. 2023),
judged from signals; further, files that hold data and no program are known by their names, and JSON and tables of
values by their form.
"""

from __future__ import annotations

import json
import re
import symtable
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation import code_rules
from herdbook.curation.code_rules import generated_in, without_license_header
from herdbook.curation.python_names import parse
from herdbook.curation.steps.rows import is_one_of, matching, mended, texts_at

if TYPE_CHECKING:
    import pyarrow as pa

_NOT_ALPHANUMERIC = bytes(b for b in range(256) if not (chr(b).isalnum() and b < 128))
_LICENCE_WORDS = "copyright|licen[sc]e|all rights reserved|SPDX-"
NUMERIC_COLUMNS = (
    "code_characters", "code_lines", "code_filled_lines", "code_longest_line", "code_alphanumeric",
    "code_data_characters",
)  # fmt: skip

MEASURED_BY = ("data_names", "max_table_share", "strip_license_header", "check_syntax", "generated_head_lines")
"""Settings that `mend` and `measure` read; the others are thresholds."""


@dataclass(frozen=True, kw_only=True)
class Config(code_rules.Config):
    """Thresholds for code."""

    data_names: tuple[str, ...] = (
        ".json", ".jsonl", ".geojson", ".csv", ".tsv", ".lock", "package-lock.json", "go.sum", ".min.js", ".min.css",
        ".map", ".svg", ".ipynb", ".po", ".pot", ".sql.dump", ".bib", ".pem",
    )  # fmt: skip
    """Ends of names of files that hold data or are made by a machine."""
    max_table_share: float = 0.9
    """Largest share of lines with the same number (3 and more) of commas, semicolons or tabs, from 20 lines on."""


def mend(table: pa.Table, config: Config | None = None) -> tuple[pa.Table, dict[str, int]]:
    """The table with code without its licence headers; `licence_headers` counts them."""
    config = config or Config()
    if not config.strip_license_header:
        return table, {"licence_headers": 0}
    rows = is_one_of(table["kind"], ["code"]) & matching(table["text"], _LICENCE_WORDS, ignore_case=True)
    done, n = mended(table, rows, without_license_header)
    return done, {"licence_headers": n}


def _alphanumeric(text: str) -> int:
    if text.isascii():
        return len(text.encode("ascii").translate(None, _NOT_ALPHANUMERIC))
    return len(re.sub(r"[\W_]+", "", text))


def parses(source: str) -> bool:
    """Whether a source is Python of this version. The compiler's table of symbols is made without a tree of Python
    objects, which takes half the time of `ast.parse`; what it refuses, `ast.parse` decides.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            symtable.symtable(source, "source", "exec")
            return True
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return parse(source) is not None


def data_kind(text: str, path: str, config: Config) -> str | None:
    """Why a file is data and no program: "name", "json" or "table"; None for programs."""
    if path.lower().endswith(config.data_names):
        return "name"
    if text[:200].lstrip()[:1] in ("{", "[") and text[-200:].rstrip()[-1:] in ("}", "]"):
        try:
            json.loads(text)
            return "json"
        except (ValueError, RecursionError):
            pass
    lines = [line for line in text.split("\n") if line]
    if len(lines) >= 20:
        for mark in ",;\t":
            if text.count(mark) < 3 * config.max_table_share * len(lines):
                continue
            counts = Counter(line.count(mark) for line in lines)
            if max((n for marks, n in counts.items() if marks >= 3), default=0) > config.max_table_share * len(lines):
                return "table"
    return None


def measure(table: pa.Table, config: Config | None = None) -> pa.Table:
    """Columns of code (0, false and null for other kinds): int64 `NUMERIC_COLUMNS`, bool `code_generated` and
    `code_syntax_error`, string `code_data_kind`.
    """
    import pyarrow as pa

    config = config or Config()
    n = table.num_rows
    code = is_one_of(table["kind"], ["code"])
    numbers = {name: np.zeros(n, dtype=np.int64) for name in NUMERIC_COLUMNS}
    generated, broken = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    kinds: list[str | None] = [None] * n
    paths = table["path"].filter(pa.array(code)).to_pylist()
    for row, text, path in zip(np.flatnonzero(code).tolist(), texts_at(table, code), paths):
        lines = text.split("\n")
        values = (
            len(text), len(lines), sum(map(bool, map(str.strip, lines))), max(map(len, lines)), _alphanumeric(text),
            sum(map(len, code_rules.DATA.findall(text))),
        )  # fmt: skip
        for name, value in zip(NUMERIC_COLUMNS, values):
            numbers[name][row] = value
        generated[row] = generated_in(lines, config) is not None
        kinds[row] = data_kind(text, path or "", config)
        if config.check_syntax and (path or "").endswith(".py"):
            broken[row] = not parses(text)
    return pa.table(
        {**numbers, "code_generated": generated, "code_syntax_error": broken}
        | {"code_data_kind": pa.array(kinds, pa.string())}
    )


def rules(signals: Mapping[str, Any], config: Config) -> list[tuple[str, Any]]:
    """The rules in the order in which they are judged, on code alone. Needs the column `kind`."""
    code = np.asarray(signals["kind"]) == "code"
    size = np.maximum(1, np.asarray(signals["code_characters"]))
    is_data = np.array([kind is not None for kind in signals["code_data_kind"]], dtype=bool)
    return [
        ("too_few_lines", code & (np.asarray(signals["code_filled_lines"]) < config.min_lines)),
        ("generated", code & np.asarray(signals["code_generated"])),
        ("long_line", code & (np.asarray(signals["code_longest_line"]) > config.max_line_length)),
        ("long_lines", code & (size / np.maximum(1, signals["code_lines"]) > config.max_mean_line_length)),
        ("few_alphanumeric", code & (np.asarray(signals["code_alphanumeric"]) / size < config.min_alphanumeric)),
        ("data_file", code & ((np.asarray(signals["code_data_characters"]) / size > config.max_data_share) | is_data)),
        ("syntax_error", code & np.asarray(signals["code_syntax_error"])),
    ]


def span(text: str, reason: str, config: Config) -> tuple[int, int] | None:
    """The words that say "generated", or the longest line."""
    lines = text.split("\n")
    part = ""
    if reason == "generated":
        part = generated_in(lines, config) or ""
    elif reason in ("long_line", "long_lines"):
        part = max(lines, key=len)
    elif reason == "too_few_lines":
        part = text
    at = text.find(part) if part else -1
    return (at, at + len(part)) if at >= 0 else None
