"""Curation: from whatever text there is to documented, deduplicated text that a tokenizer can take.

`curate(documents, out)` runs the whole pipeline; the stages are the modules `herdbook.curation.collect` and
`herdbook.curation.curate_stage`. `label` and `train_quality` make a classifier of quality out of a model's judgements.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from herdbook.curation.curate_stage import Config as CurateConfig
    from herdbook.curation.curate_stage import curate
    from herdbook.curation.documents import Document
    from herdbook.curation.quality.label_stage import label
    from herdbook.curation.quality.train_stage import train_quality

_PLACES = {
    "curate": ("curate_stage", "curate"),
    "CurateConfig": ("curate_stage", "Config"),
    "Document": ("documents", "Document"),
    "label": ("quality.label_stage", "label"),
    "train_quality": ("quality.train_stage", "train_quality"),
}

__all__ = ["curate", "CurateConfig", "Document", "label", "train_quality"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'herdbook.curation' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(f"herdbook.curation.{module}"), attribute)
