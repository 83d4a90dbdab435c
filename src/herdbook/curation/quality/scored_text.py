"""The part of a text that classifiers of quality see, and the side of the split on which a text falls."""

from __future__ import annotations

import re
from hashlib import sha256

SCORED_WORDS = 640
_SPACED = re.compile(
    r"([\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])|([^\w\s])", re.UNICODE
)


def scored_part(text: str, n_words: int = SCORED_WORDS) -> str:
    """Beginning, middle and end of a long text, together about `n_words` words; a short text as it is."""
    limit = n_words * 7
    if len(text) <= limit:
        return text
    third = limit // 3
    middle = (len(text) - third) // 2
    return text[:third] + text[middle : middle + third] + text[-third:]


def plain_line(text: str, n_words: int = SCORED_WORDS) -> str:
    """What fastText is given: one line in lower case, marks apart; in scripts without spaces every letter is a word."""
    part = scored_part(text, n_words).replace("\0", " ").lower().encode("utf-8", "replace").decode("utf-8")
    # fastText takes a word that begins so for a label: no text may name its own.
    return " ".join(_SPACED.sub(r" \1\2 ", part).replace("__label__", "label").split())


def share_of(text: str) -> float:
    """A number in [0, 1) from the text's hash, equal for texts that begin alike: decides its side of a split."""
    start = " ".join(text.lower().split())[:300]
    return int(sha256(start.encode("utf-8", "replace")).hexdigest()[:13], 16) / 16**13


def part_of(text: str) -> str:
    """One of train (70 %), calibration (15 %) and test (15 %)."""
    share = share_of(text)
    return "train" if share < 0.7 else "calibration" if share < 0.85 else "test"
