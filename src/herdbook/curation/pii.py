"""E-mail addresses are masked (Llama 3's paper filters sites with personal data); other kinds: `personal_data.py`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from herdbook.curation.documents import Document

MASK = "name@example.com"
EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,5}[A-Za-z]{2,24}(?![\w-])"
)
EXAMPLE = re.compile(
    r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net|edu)|[\w-]+\.(?:invalid|test|example|localhost))$", re.IGNORECASE
)


def mask_emails(text: str) -> tuple[str, int]:
    """The text with addresses replaced by `name@example.com`, and how many; addresses of example domains stay."""
    if "@" not in text:
        return text, 0
    count = 0

    def mask(match: re.Match[str]) -> str:
        nonlocal count
        if EXAMPLE.search(match.group()):
            return match.group()
        count += 1
        return MASK

    return EMAIL.sub(mask, text), count


def mask(documents: Sequence[Document]) -> tuple[list[Document], int]:
    """The documents with masked addresses, and the number of addresses masked."""
    masked = [mask_emails(document.text) for document in documents]
    done = [document if not n else replace(document, text=text) for document, (text, n) in zip(documents, masked)]
    return done, sum(n for _, n in masked)
