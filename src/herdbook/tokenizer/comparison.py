"""How efficiently do tokenizers encode the same text? Characters, bytes and words per token, side by side."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from herdbook.errors import InputError
from herdbook.tokenizer.tokenizer import Tokenizer

NOT_TEXT = {"LICENSE", "LICENSES.txt", "LICENSE.txt", "LICENSE.md", "SOURCE", "README", "README.md"}
"""Files that speak of the texts beside them."""

MAX_BYTES = 2_000_000
"""Text read of each kind unless told otherwise."""


def compare(
    tokenizers: Mapping[str, Tokenizer | str | Path],
    texts: Mapping[str, Sequence[str]] | str | Path,
    *,
    max_bytes: int = MAX_BYTES,
) -> list[dict[str, Any]]:
    """One row per (kind of text, tokenizer).

    `tokenizers`: name -> tokenizer, or where to load it. `texts`: kind of text -> texts, or a folder (`read_folder`).
    A row: `text`, `tokenizer`, `vocab_size`, `tokens`, `characters_per_token`, `bytes_per_token`, `tokens_per_word`
    (words: parts between blanks) and `relative`, the number of tokens divided by the first tokenizer's.
    """
    loaded = {name: t if isinstance(t, Tokenizer) else Tokenizer.load(t) for name, t in tokenizers.items()}
    samples = texts if isinstance(texts, Mapping) else read_folder(Path(texts), max_bytes)
    return [row for kind, sample in samples.items() for row in measure(kind, sample, loaded)]


def measure(kind: str, texts: Sequence[str], tokenizers: Mapping[str, Tokenizer]) -> list[dict[str, Any]]:
    """One row per tokenizer on one kind of text; the columns are those of `compare`."""
    rows = []
    characters = sum(len(text) for text in texts)
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    words = sum(len(text.split()) for text in texts)
    first = None
    for name, tokenizer in tokenizers.items():
        tokens = sum(len(ids) for ids in tokenizer.encode_batch(texts))
        first = tokens if first is None else first
        row = {
            "text": kind,
            "tokenizer": name,
            "vocab_size": tokenizer.vocab_size,
            "tokens": tokens,
            "characters_per_token": characters / tokens if tokens else None,
            "bytes_per_token": size / tokens if tokens else None,
            "tokens_per_word": tokens / words if words else None,
            "relative": tokens / first if first else None,
        }
        rows.append(row)
    return rows


def read_folder(folder: Path, max_bytes: int = MAX_BYTES) -> dict[str, list[str]]:
    """Texts by kind: a subfolder is a kind, and so is a file in `folder` itself, by its name up to the first dot.

    Plain text (UTF-8) and JSON lines with a field `text`, either also as .gz; at most `max_bytes` of each kind,
    files in order of their names; what is not text is passed over.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", key="text", value=str(folder))
    kinds: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in NOT_TEXT):
        below = path.relative_to(folder)
        kind = below.parts[0] if len(below.parts) > 1 else below.name.split(".")[0]
        for text in read_texts(path):
            if sizes.get(kind, 0) >= max_bytes:
                break
            kinds.setdefault(kind, []).append(text)
            sizes[kind] = sizes.get(kind, 0) + len(text.encode("utf-8", "replace"))
    if not kinds:
        raise InputError(f"{folder} holds no text (UTF-8 text, or JSON lines with a field `text`).", key="text")
    return kinds


def stream_folder(folder: Path) -> Iterator[str]:
    """Every text below a folder, file after file in the order of their names, none kept."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", key="text", value=str(folder))
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in NOT_TEXT):
        yield from read_texts(path)


def read_texts(path: Path) -> Iterator[str]:
    """The texts of one file; none where it is not text.

    A plain text file is one text, read as a whole; of JSON lines each line is one, read when its turn comes.
    """
    names = path.name.removesuffix(".gz")
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
            if not names.endswith(".jsonl"):
                content = file.read().decode("utf-8")
                if content and "\x00" not in content:
                    yield content
                return
            for line in file:
                row = json.loads(line)
                text = row.get("text") if isinstance(row, dict) else None
                if isinstance(text, str) and text:
                    yield text
    except (UnicodeDecodeError, ValueError, OSError, EOFError):
        return


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of `compare` (or of `parallel_text.premiums`) as an aligned table of text."""
    head = ["text", "tokenizer", "rows", "tokens", "chars/token", "bytes/token", "tokens/word", "relative"]
    figures = ["characters_per_token", "bytes_per_token", "tokens_per_word", "relative"]
    if rows and "premium" in rows[0]:
        head, figures = [*head, "premium"], [*figures, "premium"]
    body = [
        [
            str(row["text"]),
            str(row["tokenizer"]),
            f"{row['vocab_size']:,}",
            f"{row['tokens']:,}",
            *("-" if row[figure] is None else f"{row[figure]:.3f}" for figure in figures),
        ]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [head, *body]
    )
