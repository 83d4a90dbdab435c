"""Deduplication. `near_duplicates(texts)` judges what fits into memory, `NearDuplicateStore` what does not; lines,
exact texts and URLs are `lines`, `line_store`, `exact` and `url`."""

from herdbook.curation.dedup.in_memory import near_duplicates
from herdbook.curation.dedup.recall import Recall
from herdbook.curation.dedup.store import NearDuplicateStore
from herdbook.curation.dedup.verified import Config, NearDuplicates

__all__ = ["near_duplicates", "NearDuplicateStore", "NearDuplicates", "Recall", "Config"]
