"""Which reader a file needs, by its name; how it is compressed, by its first bytes."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from herdbook.curation.sources import CODE_SUFFIXES

PACKED_SUFFIXES = frozenset((".gz", ".zst", ".zstd", ".bz2", ".xz", ".lz4"))
_BY_SUFFIX = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".jsonlines": "jsonl", ".parquet": "parquet", ".pq": "parquet",
    ".html": "html", ".htm": "html", ".xhtml": "html", ".warc": "warc", ".wet": "wet", ".arc": "arc",
}  # fmt: skip
_NO_READER = frozenset(
    ".csv .tsv .xls .xlsx .pdf .doc .docx .odt .ppt .pptx .epub .zip .tar .tgz .7z .rar .png .jpg .jpeg .gif .webp "
    ".svg .ico .bmp .tif .tiff .mp3 .mp4 .wav .ogg .webm .avi .mov .flac .woff .woff2 .ttf .otf .so .o .a .dll .exe "
    ".bin .pyc .class .jar .whl .npy .npz .pt .pth .safetensors .gguf .onnx .h5 .arrow .feather .orc .avro .sqlite "
    ".db .pkl .pickle .wat".split()
)
_CODE_NAMES = frozenset(("makefile", "dockerfile", "cmakelists.txt", "rakefile", "gemfile", "jenkinsfile"))
_MAGIC = (
    (b"\x1f\x8b", "gz"), (b"\x28\xb5\x2f\xfd", "zst"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
)  # fmt: skip
TABLES = frozenset(("jsonl", "parquet", "documents", "warc", "wet", "arc"))
"""Formats of files that hold many documents."""
PAGES = frozenset(("html", "warc", "arc"))
"""Formats of web pages, from which text has to be taken out."""


def bare(name: str) -> PurePosixPath:
    """The name without a suffix that only says how it is compressed."""
    path = PurePosixPath(name)
    return path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES and path.stem else path


def format_of(name: str) -> str | None:
    """The format that a name stands for; None where no reader is for it. A `.json` is `json`: its content decides."""
    path = bare(name)
    suffix = path.suffix.lower()
    if suffix == ".json":
        return "json" if path.name == PurePosixPath(name).name else "jsonl"
    return None if suffix in _NO_READER else _BY_SUFFIX.get(suffix, "text")


def is_jsonl(head: bytes, text_field: str) -> bool:
    """Whether the first bytes of a `.json` file are JSON lines: its first line is an object that has the text, or is
    an object longer than `head`."""
    line, end, _ = head.lstrip(b"\xef\xbb\xbf \r\n\t").partition(b"\n")
    if not line.startswith(b"{"):
        return False
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return not end and len(head) >= 65536
    names = [name.strip().partition(".")[0] for name in text_field.split(",")]
    return isinstance(value, dict) and any(name in value for name in names)


def is_code(name: str) -> bool:
    """Whether a file's name says that it is code."""
    path = bare(name)
    return path.suffix.lower() in CODE_SUFFIXES or path.name.lower() in _CODE_NAMES


def packing(head: bytes) -> str:
    """How a file is compressed ("gz", "zst", "bz2", "xz", "lz4"), by its first bytes; "" where it is not."""
    if len(head) >= 4 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18":
        return "zst"  # a skippable frame
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")
