"""Items of benchmarks out of the files that the user names, for decontamination.

A benchmark is given as `PATH` or `PATH#FIELD+FIELD`: JSONL, JSON (a list, or an object with one list), CSV, TSV,
Parquet, or plain text (an item a paragraph); with .gz, too. Fields of objects within objects are written with dots;
several fields are joined with a blank, lists of strings likewise.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from herdbook.errors import InputError

USUAL_FIELDS = ("question", "prompt", "text", "problem", "input", "query", "instruction", "context")
"""Asked in this order where no field is named."""


def _rows(path: Path) -> list[Any]:
    """The records of a file: mappings, or strings."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        import pyarrow.parquet as pq

        return list(pq.read_table(path).to_pylist())
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.name.lower().endswith(".gz") else data).decode("utf-8-sig")
    if name.endswith((".jsonl", ".ndjson")):
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    if name.endswith(".json"):
        found = json.loads(text)
        if isinstance(found, dict):
            lists = [value for value in found.values() if isinstance(value, list)]
            found = lists[0] if len(lists) == 1 else [found]
        return list(found)
    if name.endswith((".csv", ".tsv")):
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if name.endswith(".tsv") else ","))
    return [part for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]


def _value(row: Any, field: str) -> str:
    for part in field.split("."):
        row = row[part]
    if isinstance(row, list):
        return " ".join(str(part) for part in row)
    return "" if row is None else str(row)


def read_items(benchmark: str, given: str) -> list[str]:
    """The items of one benchmark, in the order of the file, given as `PATH#FIELD+FIELD`.

    Raises InputError, naming the benchmark, where the file cannot be read or lacks the fields.
    """
    name, _, wanted = given.partition("#")
    try:
        rows = _rows(Path(name).expanduser())
    except (OSError, EOFError, ValueError, UnicodeError) as error:  # Arrow's errors are ValueErrors
        raise InputError(
            f"cannot read the benchmark {benchmark} from {name}: {error}", key=benchmark, value=given
        ) from error
    fields = wanted.split("+") if wanted else []
    if not fields and rows and isinstance(rows[0], Mapping):
        fields = [field for field in USUAL_FIELDS if field in rows[0]][:1]
        if not fields:
            raise InputError(
                f"{name} has no field that is known to hold the items of {benchmark}.",
                key=benchmark, value=given, remedy=f"Name it: {name}#FIELD. Fields: {', '.join(map(str, rows[0]))}.",
            )  # fmt: skip
    items = []
    for number, row in enumerate(rows):
        if isinstance(row, str):
            items.append(row)
            continue
        try:
            items.append(" ".join(_value(row, field) for field in fields))
        except (KeyError, TypeError) as error:
            present = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
            raise InputError(
                f"item {number} of {name} lacks the field {'+'.join(fields)}.",
                key=benchmark, value=given, remedy=f"Name fields of the file after #. It has: {present}.",
            ) from error  # fmt: skip
    if not items:
        raise InputError(f"{name} holds no item of {benchmark}.", key=benchmark, value=given)
    return items


def read_benchmarks(given: Mapping[str, str]) -> dict[str, list[str]]:
    """The items of every benchmark by name: `read_benchmarks({"gsm8k": "test.jsonl#question"})`."""
    return {name: read_items(name, where) for name, where in given.items()}
