"""Normalisation: one spelling for one text. Unicode NFC, repair of doubly decoded UTF-8, no control characters.

Mojibake ("Ã©" for "é", "â€™" for an apostrophe) is what remains where UTF-8 was read as Windows-1252; a run of such
characters that is valid UTF-8 once turned back is turned back, everything else stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from herdbook.curation.documents import Document
from herdbook.curation.verdict import Drop, Verdicts

_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\ufeff\u200b\u2060\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n{4,}")
# What bytes 0x80 to 0xFF look like when read as Windows-1252; the five that it leaves open come out as controls.
_LOOK = {bytes([b]).decode("cp1252", "ignore") or chr(b): b for b in range(0x80, 0x100)}
# A character that stands for the first byte of a sequence, then those that stand for the others.
HIGH = "".join(c for c, b in _LOOK.items() if b < 0xC0)
LEAD = "".join(c for c, b in _LOOK.items() if 0xC2 <= b <= 0xF4)
_MOJIBAKE = re.compile(f"(?:[{re.escape(LEAD)}][{re.escape(HIGH)}]{{1,3}})+")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Limits of normalisation."""

    max_replacement_share: float = 0.005
    """Documents with a larger share of U+FFFD (bytes lost before they came here) go."""


def _repair(match: re.Match[str]) -> str:
    try:
        return bytes(_LOOK[c] for c in match.group()).decode("utf-8")
    except UnicodeError:
        return match.group()


def normalise_text(text: str) -> str:
    """The normalised text: NFC, line ends as newlines, no controls, no trailing blanks, at most two empty lines in a
    row.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n")
    before = None
    while text != before and not text.isascii():  # a repair may uncover another; every repair shortens the text
        before = text
        text = _CONTROLS.sub("", _MOJIBAKE.sub(_repair, _SURROGATES.sub("\ufffd", text)))
        text = unicodedata.normalize("NFC", text)
    text = _CONTROLS.sub("", text)
    text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    text = _BLANK_LINES.sub("\n\n\n", text).strip("\n")
    return text + "\n" if text.strip() else ""


def normalise(documents: Sequence[Document]) -> list[Document]:
    """The documents with normalised texts."""
    return [replace(document, text=normalise_text(document.text)) for document in documents]


def judge(documents: Sequence[Document], config: Config) -> Verdicts:
    """Drops what is empty after normalisation ("empty") or too damaged to be text ("lost_bytes")."""
    verdicts: Verdicts = []
    for document in documents:
        text = document.text
        lost = 0 if text.isascii() else text.count("\ufffd")
        if not text:
            verdicts.append(Drop("empty"))
        elif lost > config.max_replacement_share * len(text):
            first = text.index("\ufffd")
            verdicts.append(Drop("lost_bytes", f"{lost} of {len(text)} characters", (first, first + 1)))
        else:
            verdicts.append(None)
    return verdicts
