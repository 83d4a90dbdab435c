"""The file format of a vocabulary: tiktoken's ranks, one token a line, `base64(token) rank`.

Rank = id: the lower the rank, the earlier two neighbours are merged into that token.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

from herdbook.errors import InputError


def parse_ranks(content: bytes, where: str = "tokenizer.model") -> dict[bytes, int]:
    """Read tiktoken's format; ids must be 0..n-1 and all 256 single bytes present, otherwise some text has no ids."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            encoded, rank_text = line.split()
            token, rank = base64.b64decode(encoded, validate=True), int(rank_text)
        except (ValueError, binascii.Error):
            raise InputError(
                f"{where}, line {number}: not a line of tiktoken's format (base64 of the token, a space, its rank).",
                key="tokenizer",
                value=line[:60].decode("utf-8", "replace"),
                remedy="Llama 3's tokenizer.model begins with 'IQ== 0'.",
            ) from None
        if token in ranks or not token:
            raise InputError(f"{where}, line {number}: the token {token!r} is empty or listed twice.", key="tokenizer")
        ranks[token] = rank
    if sorted(ranks.values()) != list(range(len(ranks))):
        raise InputError(f"{where}: ranks are not 0 to {len(ranks) - 1}, each once.", key="tokenizer")
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise InputError(
            f"{where}: {len(missing)} of the 256 single bytes are missing, first {missing[0]}.", key="tokenizer"
        )
    return ranks


def format_ranks(ranks: Mapping[bytes, int]) -> bytes:
    """The file content for `ranks`, in order of rank; byte for byte what Meta ships when given Meta's ranks."""
    ordered = sorted(ranks.items(), key=lambda item: item[1])
    return b"".join(base64.b64encode(token) + b" " + str(rank).encode() + b"\n" for token, rank in ordered)


def load_ranks(path: Path) -> dict[bytes, int]:
    """`parse_ranks` of a file on disk."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the tokenizer file {path}: {error.strerror}.", key="tokenizer", value=str(path)
        ) from None
    return parse_ranks(content, str(path))
