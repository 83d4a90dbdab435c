"""Curation: from whatever text there is to documented, deduplicated text that a tokenizer can take.

`curate(documents, out)` runs the whole pipeline; the stages are the modules `herdbook.curation.collect` and
`herdbook.curation.curate`. `label` and `train_quality` make a classifier of quality out of a model's judgements.
"""

from herdbook.curation.curate import Config as CurateConfig
from herdbook.curation.curate import curate
from herdbook.curation.documents import Document
from herdbook.curation.quality.label_stage import label
from herdbook.curation.quality.train_stage import train_quality

__all__ = ["curate", "CurateConfig", "Document", "label", "train_quality"]
