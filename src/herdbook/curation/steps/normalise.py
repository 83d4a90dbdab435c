"""Normalisation: one spelling for one text. Unicode NFC, repair of doubly decoded UTF-8, no control characters, plain
line ends.

Mojibake ("Ã©" for "é", "â€™" for an apostrophe) is what remains where UTF-8 was read as Windows-1252; a run of such
characters that is valid UTF-8 once turned back is turned back, everything else stays as it is. `normalise_text` says
what the text of a document becomes. In a batch, one expression finds the documents that may need it; the others only
have the line feeds at their ends set right, by Arrow's kernels.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.steps.rows import matching, mended, texts_at, with_column

if TYPE_CHECKING:
    import pyarrow as pa

_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\ufeff\u200b\u2060\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n{4,}")
# What bytes 0x80 to 0xFF look like when read as Windows-1252; the five that it leaves open come out as controls.
_LOOK = {bytes([b]).decode("cp1252", "ignore") or chr(b): b for b in range(0x80, 0x100)}
# A character that stands for the first byte of a sequence, then those that stand for the others.
HIGH = "".join(c for c, b in _LOOK.items() if b < 0xC0)
LEAD = "".join(c for c, b in _LOOK.items() if 0xC2 <= b <= 0xF4)
_MOJIBAKE = re.compile(f"(?:[{re.escape(LEAD)}][{re.escape(HIGH)}]{{1,3}})+")
# Characters that are their own NFC whatever stands beside them; outside these, the slow way decides.
SAFE = (
    "\\x{0}-\\x{2ff}\\x{370}-\\x{373}\\x{388}-\\x{482}\\x{48a}-\\x{52f}\\x{5d0}-\\x{5ea}\\x{e01}-\\x{e30}"
    "\\x{2002}-\\x{20cf}\\x{2100}-\\x{2125}\\x{2150}-\\x{2328}\\x{232b}-\\x{2ad0}\\x{2e80}-\\x{3029}"
    "\\x{3030}-\\x{3098}\\x{309b}-\\x{a66e}\\x{ac00}-\\x{d7a3}\\x{ff00}-\\x{ffef}"
)
CONTROLS = "\\x{0}-\\x{8}\\x{b}-\\x{1f}\\x{7f}-\\x{9f}\\x{feff}\\x{200b}\\x{2060}\\x{fffe}\\x{ffff}"


def _class(characters: str) -> str:
    return "".join(f"\\x{{{ord(c):x}}}" for c in characters)


NEEDS = f"[{CONTROLS}]|[ \\t](?:\\n|\\z)|\\n\\n\\n\\n|[{_class(LEAD)}][{_class(HIGH)}]"
UNSURE = f"[^{SAFE}]"
_HAS_TEXT = "[!-~\\pL\\pN]"

MEASURED_BY = ()
"""Settings that `mend` and `measure` read; the others are thresholds."""


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


def mend(table: pa.Table, config: Config | None = None) -> tuple[pa.Table, dict[str, int]]:
    """The table with normalised texts; `documents_normalised` counts those that more than their ends changed in."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = table["text"]
    slow = matching(texts, NEEDS) | ~matching(texts, _HAS_TEXT)
    unsure = matching(texts, UNSURE) & ~slow
    slow[unsure] = [not unicodedata.is_normalized("NFC", text) for text in texts_at(table, unsure)]
    end, nothing = pa.scalar("\n", texts.type), pa.scalar("", texts.type)
    trimmed = pc.ascii_trim(pc.fill_null(texts, nothing), "\n")
    framed = with_column(table, "text", pc.binary_join_element_wise(trimmed, end, nothing))
    done, n = mended(framed, slow, normalise_text)
    return done, {"documents_normalised": n}


def measure(table: pa.Table, config: Config | None = None) -> pa.Table:
    """`normalise_characters` and `normalise_lost` (characters U+FFFD) of each text, int64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = table["text"]
    sizes = pc.fill_null(pc.utf8_length(texts), 0).cast(pa.int64())
    lost = pc.fill_null(pc.count_substring(texts, "\ufffd"), 0).cast(pa.int64())
    return pa.table({"normalise_characters": sizes, "normalise_lost": lost})


def rules(signals: Mapping[str, Any], config: Config) -> list[tuple[str, Any]]:
    """Empty texts ("empty"), and those too damaged to be text ("lost_bytes")."""
    sizes = np.asarray(signals["normalise_characters"])
    return [
        ("empty", sizes == 0),
        ("lost_bytes", np.asarray(signals["normalise_lost"]) > config.max_replacement_share * sizes),
    ]


def span(text: str, reason: str, config: Config) -> tuple[int, int] | None:
    """The first lost byte."""
    found = re.search("\ufffd", text) if reason == "lost_bytes" else None
    return found.span() if found else None
