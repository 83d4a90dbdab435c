"""Positives of "would Wikipedia reference this text?": passages of the files that the user gives."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from herdbook.errors import InputError

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet", ".txt", ".txt.gz", ".md")
MIN_WORDS = 20
PASSAGE_WORDS = 200


def reference_files(paths: Sequence[str], key: str = "positives") -> list[Path]:
    """The files meant by paths of files and folders, sorted. Raises InputError for one that is not there or of no
    known kind."""
    found: list[Path] = []
    for name in paths:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and p.name.endswith(SUFFIXES))
            if not inside:
                raise InputError(f"{path} holds no file of {', '.join(SUFFIXES)}.", key=key, value=name)
            found += inside
        elif path.is_file():
            if not path.name.endswith(SUFFIXES):
                raise InputError(f"{path}: its kind is not one of {', '.join(SUFFIXES)}.", key=key, value=name)
            found.append(path)
        else:
            raise InputError(f"There is no file or folder {path}.", key=key, value=name)
    return found


def fingerprint_of(files: Sequence[Path]) -> list[list[Any]]:
    """Path, size and time of the files: what a result depends on."""
    return [[str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns] for path in files]


def rows_of(path: Path, key: str = "positives") -> Iterator[dict[str, Any]]:
    """Rows with at least `text`, from JSON lines, Parquet, or plain text in blocks of about 200 words."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(1024):
                    yield from (_checked(row, path, key) for row in batch.to_pylist())
        except pa.ArrowInvalid as error:
            raise InputError(f"{path} is not Parquet: {error}", key=key, value=str(path)) from None
        return
    try:
        with _open(path) as file:
            if ".jsonl" in path.name:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield _checked(_json(line, path, number, key), path, key)
            else:
                yield from ({"text": text} for text in _blocks(file.read()))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", key=key, value=str(path)) from None


def sample_texts(files: Sequence[Path], n: int, rng: np.random.Generator, key: str = "positives") -> list[str]:
    """At most n distinct texts of at least MIN_WORDS words, drawn evenly from all rows in one pass (reservoir)."""
    kept: dict[str, None] = {}
    reservoir: list[str] = []
    seen = 0
    for path in files:
        for row in rows_of(path, key):
            text = row["text"].strip()
            if len(text.split(None, MIN_WORDS)) < MIN_WORDS or text in kept:
                continue
            kept[text] = None
            seen += 1
            if len(reservoir) < n:
                reservoir.append(text)
            elif (place := int(rng.integers(seen))) < n:
                del kept[reservoir[place]]
                reservoir[place] = text
            else:
                del kept[text]
    return reservoir


def _open(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8")


def _json(line: str, path: Path, number: int, key: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(f"{path}, line {number} is not JSON.", key=key, value=str(path)) from None


def _checked(row: Any, path: Path, key: str) -> dict[str, Any]:
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise InputError(f"{path} has a row without `text`.", key=key, value=str(path))
    return row


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs joined until they have PASSAGE_WORDS words."""
    parts: list[str] = []
    size = 0
    for paragraph in re.split(r"\n\s*\n", text):
        parts.append(paragraph.strip())
        size += len(paragraph.split())
        if size >= PASSAGE_WORDS:
            yield "\n\n".join(parts)
            parts, size = [], 0
    if size:
        yield "\n\n".join(parts)
