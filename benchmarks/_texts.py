"""Real texts that the tokenizer's benchmarks share: English, code, many languages."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

KINDS: dict[str, tuple[str, ...]] = {
    "English": ("text/enwiki-2015/*.jsonl.gz",),
    "code": ("code/permissive-mix/*.jsonl.gz",),
    "multilingual": (
        "text/libreoffice-help-7.4/*.jsonl.gz",
        "text/kowiki/*.jsonl.gz",
        "text/zhwiki-2024/*.jsonl.gz",
        "text/viwiki-2022/*.jsonl.gz",
    ),
}


def documents(data: Path, kind: str, max_bytes: float) -> list[str]:
    """Documents of one kind, the files of it taken in turns, up to `max_bytes` of UTF-8."""
    files = [file for pattern in KINDS[kind] for file in sorted(data.glob(pattern))]
    if not files:
        print(f"herdbook: no {kind} text below {data}: set --data or HERDBOOK_TEST_DATA", file=sys.stderr)
        sys.exit(2)
    found: list[str] = []
    size = 0
    for together in zip_longest(*map(_texts, files)):
        for text in together:
            if text:
                found.append(text)
                size += len(text.encode("utf-8"))
        if size >= max_bytes:
            break
    return found


def _texts(file: Path) -> Iterator[str]:
    with gzip.open(file, "rt", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = json.loads(line).get("text")
            if isinstance(text, str):
                yield text.encode("utf-8", "replace").decode("utf-8")


def n_bytes(texts: list[str]) -> int:
    """Their size in UTF-8."""
    return sum(len(text.encode("utf-8")) for text in texts)
