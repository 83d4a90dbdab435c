"""The rules of C4 (Raffel et al. 2020) that make sense for documentation: placeholder text, policies, too few
sentences.

Left out: "curly bracket" and "javascript" (documentation shows code), the list of bad words, and the removal of lines
without a full stop (signatures and headings have none).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from herdbook.curation.documents import Document
from herdbook.curation.verdict import Drop, Verdicts, below

_POLICY = re.compile(
    r"terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?。！？]['\")\]`*]*(?:\s|$)")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Thresholds for prose."""

    min_sentences: int = 1
    """Fewest sentences of a document (published: 5, for web pages; docstrings are short)."""
    max_policy_lines: float = 0.2
    """Largest share of lines about cookies and policies (published: any such line is removed)."""


def judge_text(text: str, config: Config) -> Drop | None:
    """The first rule that the text breaks, or None."""
    lowered = text.lower()
    at = lowered.find("lorem ipsum")
    if at >= 0 and lowered.count("lorem ipsum") * 400 > len(text):
        return Drop("lorem_ipsum", "placeholder text", (at, at + 11))
    policy = _POLICY.findall(text)
    if policy:
        share = len(policy) / max(1, text.count("\n"))
        if share > config.max_policy_lines:
            found = _POLICY.search(text)
            return Drop("policy", f"{share:.3f} > {config.max_policy_lines:g}", found.span() if found else None)
    return below(len(_SENTENCE_END.findall(text)), config.min_sentences, "few_sentences", (0, len(text)))


def judge(documents: Sequence[Document], config: Config) -> Verdicts:
    """Verdicts on prose; code and statements are not judged."""
    return [judge_text(d.text, config) if d.kind == "prose" else None for d in documents]
