"""NSFW and toxicity: domains, word lists and a trained classifier, as one step of curation.

`measure` adds the columns nsfw_*; `rules` judges from them alone; `span` finds what a report marks. Which data made the
classifier, what it can and cannot do: docs/curation.md, "NSFW and toxicity".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from herdbook.curation.nsfw.config import Config

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

REASONS = ("nsfw_domain", "nsfw_words", "nsfw_text", "toxic_text")
"""Every reason of this step, in the order in which they are judged."""

__all__ = ["REASONS", "Config", "measure", "rules", "span"]


def measure(table: pa.Table, config: Config) -> pa.Table:
    """The columns nsfw_* of a table of documents (`documents.schema()`; of its columns only `text` must be there)."""
    from herdbook.curation.nsfw.signals import measured

    return measured(table, config)


def rules(signals: Mapping[str, Any], config: Config) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """Each reason with the documents that it hits, bool [N]. `signals` holds the columns of `measure` as arrays."""
    from herdbook.curation.nsfw.judgement import rules_of

    return rules_of(signals, config)


def span(text: str, reason: str, config: Config) -> tuple[int, int] | None:
    """First and last + 1 character of what made a document go for `reason`: its worst passage, or its first listed
    word. None where the text is not at fault (a domain), or has none."""
    from herdbook.curation.nsfw.judgement import span_of

    return span_of(text, reason, config)
