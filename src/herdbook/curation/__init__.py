"""Curation: from whatever text there is to documented, deduplicated text that a tokenizer can take.

`curate(documents, out)` runs the whole pipeline; the stages are the modules `herdbook.curation.collect` and
`herdbook.curation.curate`.
"""

from herdbook.curation.curate import Config as CurateConfig
from herdbook.curation.curate import curate
from herdbook.curation.documents import Document

__all__ = ["curate", "CurateConfig", "Document"]
