"""The licence that a text states, by expressions over the whole of it: the slow twin of `steps/licence.detect`."""

from __future__ import annotations

import re

from herdbook.curation.steps.licence import _CC_ADDRESS, _SPDX_TAG, _STATEMENT
from herdbook.curation.steps.licence_names import PUBLIC_DOMAIN, UNKNOWN, creative_commons, spdx

WORDINGS = (
    (re.compile(r"permission is hereby granted, free of charge, to any person obtaining", re.I), "MIT"),
    (re.compile(r"redistribution and use in source and binary forms.{0,2500}?neither the name", re.I | re.S),
     "BSD-3-Clause"),
    (re.compile(r"redistribution and use in source and binary forms", re.I), "BSD-2-Clause"),
    (re.compile(r"permission to use, copy, modify, and(?:/or)? distribute this software", re.I), "ISC"),
    (re.compile(r"(?:dedicated|released|placed|put) (?:in)?to the public domain|(?:is|are) in the public domain", re.I),
     PUBLIC_DOMAIN),
)  # fmt: skip


def detect(text: str) -> str:
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
    return next((name for pattern, name in WORDINGS if pattern.search(text)), UNKNOWN)
