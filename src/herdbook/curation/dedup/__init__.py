"""Deduplication: verified MinHash over Arrow's UTF-8 buffers. `near_duplicates(texts)` is the whole of it."""

from herdbook.curation.dedup.verified import Config, NearDuplicates, near_duplicates

__all__ = ["near_duplicates", "NearDuplicates", "Config"]
