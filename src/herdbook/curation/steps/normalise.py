"""Normalisation: one spelling for one text. Unicode NFC, repair of doubly decoded UTF-8, no control characters, plain
line ends.

Mojibake ("Ã©" for "é", "â€™" for an apostrophe) is what remains where UTF-8 was read as Windows-1252; a run of such
characters that is valid UTF-8 once turned back is turned back, everything else stays as it is. `normalise_text` says
what the text of a document becomes. In a batch, kernels (`normalise_kernel.py`) set lines right and find the documents
that may need more.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.steps.normalise_kernel import count_lost, look, tidied
from herdbook.curation.steps.rows import texts_at, with_column

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
CONTROLS = (
    (0x0, 0x8), (0xB, 0x1F), (0x7F, 0x9F), (0xFEFF, 0xFEFF), (0x200B, 0x200B), (0x2060, 0x2060), (0xFFFE, 0xFFFF),
)  # fmt: skip

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


def cleaned(text: str) -> str:
    """The text in NFC, without controls, doubly decoded characters decoded. Each line for itself, if it has no
    carriage return."""
    before = None
    while text != before and not text.isascii():  # a repair may uncover another; every repair shortens the text
        before = text
        text = _CONTROLS.sub("", _MOJIBAKE.sub(_repair, _SURROGATES.sub("\ufffd", text)))
        text = unicodedata.normalize("NFC", text)
    return _CONTROLS.sub("", text)


def normalise_text(text: str) -> str:
    """The normalised text: NFC, line ends as newlines, no controls, no trailing blanks, at most two empty lines in a
    row.
    """
    text = cleaned(text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n"))
    text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    text = _BLANK_LINES.sub("\n\n\n", text).strip("\n")
    return text + "\n" if text.strip() else ""


def mend(table: pa.Table, config: Config | None = None) -> tuple[pa.Table, dict[str, int]]:
    """The table with normalised texts; `documents_normalised` counts those that more than their ends changed in."""
    texts = texts_of(table["text"])
    found = look(texts)
    starts, stops, lines = list[int](), list[int](), list[str]()
    for start, stop, needs in zip(found.start_L.tolist(), found.stop_L.tolist(), found.needs_L.tolist()):
        line = texts.data[start:stop].tobytes().decode("utf-8", "replace")
        if (needs or not unicodedata.is_normalized("NFC", line)) and (new := cleaned(line)) != line:
            starts.append(start)
            stops.append(stop)
            lines.append(new)
    before = texts_at(table, found.whole_N)
    after = [normalise_text(text) for text in before]
    places = np.array(starts, np.int64), np.array(stops, np.int64)
    done, changed = tidied(texts, found.whole_N, *places, texts_of([*lines, *after]))
    changed[found.whole_N] = [new != old.strip("\n") + "\n" for old, new in zip(before, after)]
    done = with_column(table, "text", done.cast(table.schema.field("text").type))
    return done, {"documents_normalised": int(changed.sum())}


def measure(table: pa.Table, config: Config | None = None) -> pa.Table:
    """`normalise_characters` and `normalise_lost` (characters U+FFFD) of each text, int64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = table["text"]
    sizes = pc.fill_null(pc.utf8_length(texts), 0).cast(pa.int64())
    return pa.table({"normalise_characters": sizes, "normalise_lost": count_lost(texts_of(texts))})


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
