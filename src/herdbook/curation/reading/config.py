"""How documents are read; what is read is a `Source`."""

from __future__ import annotations

from dataclasses import dataclass, field

from herdbook.curation.extract.page import Config as ExtractConfig
from herdbook.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Config:
    """Limits of the readers, and how pages are extracted."""

    batch_megabytes: float = field(default=4.0, metadata={"identity": False})
    """About how much text one table holds."""
    max_document_megabytes: float = 32.0
    """Longer documents (files of text, lines of JSONL, records) are counted as too_large and not loaded."""
    max_compression_ratio: float = 250.0
    """Where a compressed file unfolds to more than this many times its size, its reading ends (compression_bomb)."""
    max_window_megabytes: int = 128
    """Memory that a zstd or xz file may ask for; files of `zstd --long=31` need 2048."""
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    """How HTML becomes text."""

    def __post_init__(self) -> None:
        for name in ("batch_megabytes", "max_document_megabytes", "max_window_megabytes"):
            if getattr(self, name) <= 0:
                raise ConfigError("a size is greater than 0.", key=name, value=getattr(self, name))
        if self.max_compression_ratio <= 1:
            raise ConfigError(
                "a ratio is greater than 1.", key="max_compression_ratio", value=self.max_compression_ratio
            )

    @property
    def max_document_bytes(self) -> int:
        """`max_document_megabytes` in bytes."""
        return int(self.max_document_megabytes * 1_000_000)
