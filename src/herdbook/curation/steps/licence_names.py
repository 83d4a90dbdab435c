"""Names of licences as people write them, and the identifiers and expressions of SPDX that they stand for."""

from __future__ import annotations

import re

UNKNOWN = "unknown"
PUBLIC_DOMAIN = "LicenseRef-public-domain"
PERMISSIVE = frozenset(
    ("0BSD", "AFL-3.0", "Apache-1.1", "Apache-2.0", "BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "BSD-4-Clause",
     "BSL-1.0", "BlueOak-1.0.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY", "CC0-1.0", "CNRI-Python",
     "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU", "NCSA", "PSF-2.0", "PostgreSQL", "Python-2.0", "Unicode-3.0",
     "Unicode-DFS-2016", "Unlicense", "UPL-1.0", "W3C", "WTFPL", "X11", "Zlib", "ZPL-2.1", PUBLIC_DOMAIN)
)  # fmt: skip
"""Licences that ask for no more than naming the authors."""
OTHERS = frozenset(
    ("AGPL-3.0-only", "AGPL-3.0-or-later", "Artistic-2.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-SA-3.0",
     "CC-BY-SA-4.0", "CDDL-1.0", "EPL-1.0", "EPL-2.0", "EUPL-1.2", "GFDL-1.3-only", "GFDL-1.3-or-later",
     "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "LGPL-2.1-only", "LGPL-2.1-or-later",
     "LGPL-3.0-only", "LGPL-3.0-or-later", "MPL-1.1", "MPL-2.0", "OFL-1.1")
)  # fmt: skip
_KNOWN = {name.lower(): name for name in PERMISSIVE | OTHERS}
_EXCEPTION = re.compile(r"^[A-Za-z][\w.-]*-exception(?:-[\d.]+)?$")
_CREATIVE_COMMONS = re.compile(r"cc[- ]by((?:[- ](?:nc|nd|sa))*)(?:[- ]v?(\d\.\d))?")
_FAMILIES = (
    (re.compile(r"affero|\bagpl"), "AGPL"), (re.compile(r"lesser|library general public|\blgpl"), "LGPL"),
    (re.compile(r"free documentation|\bgfdl"), "GFDL"), (re.compile(r"general public|\bgpl"), "GPL"),
)  # fmt: skip
_PATTERNS = tuple(
    (re.compile(pattern), spdx)
    for pattern, spdx in (
        (r"\bapache\b.*\b1\.1", "Apache-1.1"),
        (r"\bapache\b", "Apache-2.0"),
        (r"\bmozilla\b.*1\.1|\bmpl.?1\.1", "MPL-1.1"),
        (r"\bmozilla public|\bmpl\b", "MPL-2.0"),
        (r"\bcc0\b|cc[- ]zero|creative commons zero", "CC0-1.0"),
        (r"public domain", PUBLIC_DOMAIN),
        (r"\bunlicense\b", "Unlicense"),
        (r"\bmit-0\b|mit no attribution", "MIT-0"),
        (r"\bmit\b|\bexpat\b", "MIT"),
        (r"\bisc\b", "ISC"),
        (r"zero.clause bsd|\b0bsd\b|0-clause", "0BSD"),
        (r"(?:2|two).clause|simplified bsd|freebsd", "BSD-2-Clause"),
        (r"(?:4|four).clause|original bsd", "BSD-4-Clause"),
        (r"\bbsd\b", "BSD-3-Clause"),
        (r"\bzlib\b", "Zlib"),
        (r"boost software", "BSL-1.0"),
        (r"\bhpnd\b", "HPND"),
        (r"python software foundation|\bpsf\b", "PSF-2.0"),
        (r"open font", "OFL-1.1"),
        (r"eclipse public.*2", "EPL-2.0"),
        (r"eclipse public", "EPL-1.0"),
        (r"\beupl\b|european union public", "EUPL-1.2"),
        (r"\bartistic\b", "Artistic-2.0"),
    )
)


def creative_commons(parts: str, version: str | None) -> str:
    """The identifier of an Attribution licence with further `parts` ("nc", "sa", "nd")."""
    order = [part for part in ("nc", "nd", "sa") if part in re.split(r"[-\s]+", parts.lower())]
    return "-".join(["CC", "BY", *map(str.upper, order), *([version] if version else [])])


def _one(name: str) -> str:
    text = name.strip().lower()
    if text in _KNOWN:
        return _KNOWN[text]
    long = text.replace("creative commons", "cc").replace("attribution", "by").replace("noncommercial", "nc")
    long = long.replace("non-commercial", "nc").replace("sharealike", "sa").replace("share-alike", "sa")
    found = _CREATIVE_COMMONS.search(long.replace("noderivatives", "nd").replace("noderivs", "nd"))
    if found:
        return creative_commons(found[1], found[2])
    for pattern, family in _FAMILIES:
        if pattern.search(text):
            version = re.search(r"(\d)(?:\.(\d))?", text)
            later = "or-later" if re.search(r"later|\d\+|any later", text) else "only"
            return f"{family}-{version[1]}.{version[2] or 0}-{later}" if version else f"{family}-2.0-or-later"
    return next((spdx for pattern, spdx in _PATTERNS if pattern.search(text)), UNKNOWN)


def spdx(declared: str | None) -> str:
    """The SPDX expression that a declared licence stands for; "unknown" where it names none that is known.

    "BSD" alone is read as BSD-3-Clause, a GNU licence without a version as version 2.0 or later.
    """
    text = " ".join((declared or "").split())
    if not text or text.lower() in (UNKNOWN, "none", "other", "proprietary", "noassertion"):
        return UNKNOWN
    tokens = re.split(r"([()]|\bAND\b|\bOR\b|\bWITH\b)", text)
    tokens = [token.strip() for token in tokens if token and token.strip()]
    if len(tokens) == 1 or not any(token in ("AND", "OR", "WITH") for token in tokens):
        return _one(text)
    written = []
    for i, token in enumerate(tokens):
        mark = token in ("(", ")", "AND", "OR", "WITH")
        if mark or (i and tokens[i - 1] == "WITH" and _EXCEPTION.match(token)):
            written.append(token)
        else:
            written.append(_one(token))
    if all(part in (UNKNOWN, "(", ")", "AND", "OR", "WITH") for part in written):
        return UNKNOWN
    return " ".join(written).replace("( ", "(").replace(" )", ")")


def allows(expression: str, allowed: frozenset[str] | set[str]) -> bool:
    """Whether an SPDX expression can be met by the allowed licences: of AND all, of OR one; exceptions only allow
    more. Malformed expressions allow nothing.
    """
    tokens = [token for token in re.split(r"([()])|\s+", expression) if token]
    place = 0

    def term() -> bool:
        nonlocal place
        if place >= len(tokens):
            return False
        token = tokens[place]
        place += 1
        if token == "(":
            value = either()
            place += 1
            return value
        if place + 1 < len(tokens) and tokens[place] == "WITH":
            place += 2
        return token in allowed

    def both() -> bool:
        nonlocal place
        value = term()
        while place < len(tokens) and tokens[place] == "AND":
            place += 1
            value = term() and value
        return value

    def either() -> bool:
        nonlocal place
        value = both()
        while place < len(tokens) and tokens[place] == "OR":
            place += 1
            value = both() or value
        return value

    value = either()
    return value and place >= len(tokens)
