"""Exact deduplication: documents whose normalised text has the same hash; the first in order of preference stays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

from herdbook.curation.documents import Document
from herdbook.curation.verdict import Drop, Verdicts

_BLANK = re.compile(r"\s+")


def text_hash(text: str) -> bytes:
    """128-bit hash of a text in lower case with every run of white space as one blank."""
    return blake2b(_BLANK.sub(" ", text.lower()).strip().encode("utf-8", "replace"), digest_size=16).digest()


def judge(documents: Sequence[Document], preference: Sequence[int]) -> Verdicts:
    """Drops repeats ("exact_duplicate"), each naming the document that stays. `preference` is the order, best first.

    Statements are not judged: they are repeated on purpose.
    """
    verdicts: Verdicts = [None] * len(documents)
    first: dict[bytes, str] = {}
    for i in preference:
        document = documents[i]
        if document.kind == "statement":
            continue
        key = text_hash(document.text)
        if key in first:
            verdicts[i] = Drop("exact_duplicate", kept_instead=first[key])
        else:
            first[key] = document.id
    return verdicts
