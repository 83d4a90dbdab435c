"""Embeddings that need no download: weights shipped inside packages, and one embedder without weights."""

from herdbook.curation.embeddings.choice import EMBEDDERS, THRESHOLDS, embedder, installed, name_for
from herdbook.curation.embeddings.embedder import Embedder

__all__ = ["Embedder", "embedder", "name_for", "installed", "EMBEDDERS", "THRESHOLDS"]
