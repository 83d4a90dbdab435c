"""The licence of each document: declared by its source, or else stated in its text, as an SPDX expression.

In texts only statements count (SPDX tags, addresses of Creative Commons, "licensed under ...", the wording of well
known licences), not a mention. `policy` says which licences stay. Detection is a help and no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.steps.licence_marks import VERBS, stating
from herdbook.curation.steps.licence_names import (
    PERMISSIVE,
    PUBLIC_DOMAIN,
    UNKNOWN,
    allows,
    creative_commons,
    spdx,
)
from herdbook.curation.steps.rows import Mask, matching, texts_at
from herdbook.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

_CANDIDATE = (
    "SPDX-License|creativecommons\\.org/|(?:licensed|released|available|distributed|published)\\s+under|"
    "permission is hereby granted|redistribution and use in source|public domain|under the terms of|permission to use"
)
_SPDX_TAG = re.compile(r"SPDX-License-Identifier:\s*([\w.+() -]+?)\s*(?:\*/|-->|$)", re.MULTILINE)
_CC_ADDRESS = re.compile(
    r"creativecommons\.org/(?:licenses/by((?:-(?:nc|nd|sa))*)/(\d\.\d)|publicdomain/(zero|mark)/)", re.IGNORECASE
)
_STATEMENT = re.compile(
    r"(?:(?:licensed|released|available|distributed|published)\s+under|under\s+the\s+terms\s+of)\s+(?:the\s+|an?\s+)?"
    r"(?:terms\s+of\s+(?:the\s+)?)?(.{3,120})",
    re.IGNORECASE | re.DOTALL,
)
_MIT = "permission is hereby granted, free of charge, to any person obtaining"
_BSD, _BSD_3 = "redistribution and use in source and binary forms", "neither the name"
_ISC = tuple(f"permission to use, copy, modify, and{x} distribute this software" for x in ("", "/or"))
_PUBLIC = (
    *(f"{verb} {x} the public domain" for verb in ("dedicated", "released", "placed", "put") for x in ("to", "into")),
    "is in the public domain", "are in the public domain",
)  # fmt: skip
_ODD = "\u017f\u212a\u0130\u0131"
_ALIKE = str.maketrans(_ODD, "skii")
"""Letters outside ASCII that expressions without regard to case take for one of ASCII."""

MEASURED_BY = ("detect",)
"""Settings that `mend` and `measure` read; the others are thresholds."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which licences stay."""

    policy: tuple[str, ...] = ("any",)
    """"any" keeps all, "known" what has a licence, "permissive" what asks for no more than naming the authors; or
    SPDX identifiers of the licences that stay."""
    detect: bool = True
    """Whether a licence is looked for in texts without a declared one."""

    def __post_init__(self) -> None:
        if not self.policy:
            raise ConfigError("names no licence.", key="policy", remedy='Give "any", "known", "permissive" or names.')
        for name in self.policy:
            if name not in ("any", "known", "permissive") and spdx(name) == UNKNOWN:
                raise ConfigError(
                    f"{name!r} is no licence that is known here.",
                    key="policy", value=name, remedy="Give any, known, permissive or SPDX identifiers such as MIT.",
                )  # fmt: skip


def detect(text: str) -> str:
    """The SPDX expression of the licence that a text states for itself, or "unknown".

    Expressions that pay no regard to case are slow: they are asked only where their first words stand.
    """
    tag = _SPDX_TAG.search(text) if "SPDX-License-Identifier:" in text else None
    if tag and UNKNOWN not in (found := spdx(tag[1])):
        return found
    low = _lowered(text)
    address = next(_matches(_CC_ADDRESS, text, _places(low, "creativecommons.org/")), None)
    if address:
        if address[3]:
            return "CC0-1.0" if address[3].lower() == "zero" else PUBLIC_DOMAIN
        return creative_commons(address[1], address[2])
    for statement in _matches(_STATEMENT, text, _statements(low)):
        sentence = re.split(r"(?<=[a-z)])\.\s|\n\s*\n|;", " ".join(re.split(r"\s*\n\W*", statement[1])))[0]
        if UNKNOWN not in (found := spdx(sentence)):
            return found
    return _by_wording(low)


def _lowered(text: str) -> str:
    """The text with small letters, character by character: those of ASCII, and those that are one of them for an
    expression that pays no regard to case."""
    if text.isascii():
        return text.lower()
    if any(letter in text for letter in _ODD):
        text = text.translate(_ALIKE)
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _places(low: str, words: str) -> Iterator[int]:
    """Where the words begin, in order."""
    at = low.find(words)
    while at >= 0:
        yield at
        at = low.find(words, at + 1)


def _statements(low: str) -> Iterator[int]:
    """Where a match of `_STATEMENT` can begin, in order: at "under", and at a verb before it."""
    for at in _places(low, "under"):
        end = at
        while end and low[end - 1].isspace():
            end -= 1
        yield from (end - len(verb) for verb in VERBS if end < at and low.endswith(verb, 0, end))
        yield at


def _matches(pattern: re.Pattern[str], text: str, places: Iterable[int]) -> Iterator[re.Match[str]]:
    """The matches that begin at the places, none of which overlaps the one before."""
    last = 0
    for place in places:
        if place >= last and (found := pattern.match(text, place)):
            last = found.end()
            yield found


def _by_wording(low: str) -> str:
    """The licence whose wording a text of small letters holds, or "unknown"."""
    if _MIT in low:
        return "MIT"
    ends = [at + len(_BSD) for at in _places(low, _BSD)]
    if any(low.find(_BSD_3, end, end + 2500 + len(_BSD_3)) >= 0 for end in ends):
        return "BSD-3-Clause"
    if ends:
        return "BSD-2-Clause"
    if any(words in low for words in _ISC):
        return "ISC"
    if "the public domain" in low and any(words in low for words in _PUBLIC):
        return PUBLIC_DOMAIN
    return UNKNOWN


def measure(table: pa.Table, config: Config | None = None) -> pa.Table:
    """Columns `licence_spdx` (an expression, or "unknown") and `licence_origin` ("declared", "text" or "none")."""
    import pyarrow as pa

    config = config or Config()
    declared = table["license"].to_pylist()
    known = {name: spdx(name) for name in set(declared)}
    found = np.array([known[name] for name in declared], dtype=object)
    origin = np.where(found == UNKNOWN, "none", "declared").astype(object)
    if config.detect:
        rows = candidates(table["text"]) & (found == UNKNOWN)
        for row, text in zip(np.flatnonzero(rows).tolist(), texts_at(table, rows)):
            found[row] = detect(text)
            origin[row] = "none" if found[row] == UNKNOWN else "text"
    return pa.table({"licence_spdx": pa.array(found, pa.string()), "licence_origin": pa.array(origin, pa.string())})


def candidates(column: Any) -> Mask:
    """Which texts of an Arrow column hold a match of `_CANDIDATE`, bool [N]."""
    import pyarrow as pa

    found, odd = stating(texts_of(column))
    odd &= ~found
    if odd.any():  # the kernel knows the letters of ASCII alone
        found[odd] = matching(column.filter(pa.array(odd)), _CANDIDATE, ignore_case=True)
    return found


def labelled(table: pa.Table, measured: pa.Table) -> pa.Table:
    """The documents with the column `license` from what `measure` found."""
    place = table.column_names.index("license")
    return table.set_column(place, table.schema.field("license"), measured["licence_spdx"])


def allowed(expression: str, policy: tuple[str, ...]) -> bool:
    """Whether a policy keeps documents under an SPDX expression."""
    if "any" in policy or ("known" in policy and UNKNOWN not in expression):
        return True
    names = {spdx(name) for name in policy if name not in ("any", "known", "permissive")}
    if "permissive" in policy:
        names |= PERMISSIVE
    return allows(expression, names)


def rules(signals: Mapping[str, Any], config: Config) -> list[tuple[str, Any]]:
    """Documents under a licence that the policy does not keep ("licence_not_allowed")."""
    expressions = [str(name) for name in signals["licence_spdx"]]
    good = {name: allowed(name, config.policy) for name in set(expressions)}
    return [("licence_not_allowed", np.array([not good[name] for name in expressions], dtype=bool))]


def span(text: str, reason: str, config: Config) -> tuple[int, int] | None:
    """The statement of a licence in the text, if there is one."""
    found = _SPDX_TAG.search(text) or _CC_ADDRESS.search(text) or _STATEMENT.search(text)
    return found.span() if found else None
