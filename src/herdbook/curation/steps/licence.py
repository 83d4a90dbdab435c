"""The licence of each document: declared by its source, or else stated in its text, as an SPDX expression.

In texts only statements count (SPDX tags, addresses of Creative Commons, "licensed under ...", the wording of well
known licences), not a mention. `policy` says which licences stay. Detection is a help and no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.steps.licence_names import (
    PERMISSIVE,
    PUBLIC_DOMAIN,
    UNKNOWN,
    allows,
    creative_commons,
    spdx,
)
from herdbook.curation.steps.rows import matching, texts_at
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
_TEXTS = (
    (re.compile(r"permission is hereby granted, free of charge, to any person obtaining", re.I), "MIT"),
    (re.compile(r"redistribution and use in source and binary forms.{0,2500}?neither the name", re.I | re.S),
     "BSD-3-Clause"),
    (re.compile(r"redistribution and use in source and binary forms", re.I), "BSD-2-Clause"),
    (re.compile(r"permission to use, copy, modify, and(?:/or)? distribute this software", re.I), "ISC"),
    (re.compile(r"(?:dedicated|released|placed|put) (?:in)?to the public domain|(?:is|are) in the public domain", re.I),
     PUBLIC_DOMAIN),
)  # fmt: skip

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
    """The SPDX expression of the licence that a text states for itself, or "unknown"."""
    tag = _SPDX_TAG.search(text)
    if tag and UNKNOWN not in (found := spdx(tag[1])):
        return found
    address = _CC_ADDRESS.search(text)
    if address:
        if address[3]:
            return "CC0-1.0" if address[3].lower() == "zero" else PUBLIC_DOMAIN
        return creative_commons(address[1], address[2])
    for statement in _STATEMENT.finditer(text):
        sentence = re.split(r"(?<=[a-z)])\.\s|\n\s*\n|;", " ".join(re.split(r"\s*\n\W*", statement[1])))[0]
        if UNKNOWN not in (found := spdx(sentence)):
            return found
    return next((name for pattern, name in _TEXTS if pattern.search(text)), UNKNOWN)


def measure(table: pa.Table, config: Config | None = None) -> pa.Table:
    """Columns `licence_spdx` (an expression, or "unknown") and `licence_origin` ("declared", "text" or "none")."""
    import pyarrow as pa

    config = config or Config()
    declared = table["license"].to_pylist()
    known = {name: spdx(name) for name in set(declared)}
    found = np.array([known[name] for name in declared], dtype=object)
    origin = np.where(found == UNKNOWN, "none", "declared").astype(object)
    if config.detect:
        rows = matching(table["text"], _CANDIDATE, ignore_case=True) & (found == UNKNOWN)
        for row, text in zip(np.flatnonzero(rows).tolist(), texts_at(table, rows)):
            found[row] = detect(text)
            origin[row] = "none" if found[row] == UNKNOWN else "text"
    return pa.table({"licence_spdx": pa.array(found, pa.string()), "licence_origin": pa.array(origin, pa.string())})


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
