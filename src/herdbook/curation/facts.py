"""The facts to be asked about: one sentence for each well documented public name of the standard library."""

from __future__ import annotations

from collections import Counter
from typing import Any

from herdbook.curation.stdlib_names import StandardLibrary, definitions, is_public
from herdbook.curation.summary import summary

LICENSE = "PSF-2.0"
_LEFT_OUT = frozenset("tkinter turtle encodings".split())
_LEFT_OUT_PACKAGES = ("ctypes.macholib", "xml.dom.expatbuilder")


def collect_facts(library: StandardLibrary) -> list[dict[str, Any]]:
    """Facts sorted by name; names and summaries are unique (a sentence that fits several objects is left out for all).

    Keys of a fact: name, module, short, object ("function", "class", "method", "module"), signature or None, summary,
    source (path of the file in the library), license.
    """
    rows: dict[str, dict[str, Any]] = {}
    for dotted, definition, path in definitions(library):
        kind = definition.object
        left_out = dotted.split(".")[0] in _LEFT_OUT or dotted.startswith(_LEFT_OUT_PACKAGES)
        if kind == "property" or left_out or not is_public(dotted) or dotted in rows:
            continue
        short = dotted.rpartition(".")[2]
        text = summary(definition.doc, short)
        if text is None:
            continue
        rows[dotted] = {
            "name": dotted,
            "module": _module_of(dotted, definition.qualname),
            "short": short,
            "object": kind,
            "signature": definition.signature,
            "summary": text,
            "source": path,
            "license": LICENSE,
        }
    uses = Counter(_key(row["summary"]) for row in rows.values())
    return [row for _, row in sorted(rows.items()) if uses[_key(row["summary"])] == 1]


def _module_of(dotted: str, qualname: str) -> str:
    """The module part of a public name; builtins have none in their name."""
    if not qualname:
        return dotted
    parts = dotted.split(".")[: -len(qualname.split("."))]
    return ".".join(parts) or "builtins"


def _key(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())
