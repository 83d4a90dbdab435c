"""From the HTML of a page to its text: a fast extractor for every page, a slow and careful one where that is unsure.

1. resiliparse parses, the page's blocks are described and classified (`blocks.py`, `features.py`, `classifier.py`).
2. Where a second reading promises much (`doubt.py`), trafilatura reads the page again, in a process of its own that is
   stopped after a time limit; when it fails or finds nothing, the first text stays.
Code keeps its line breaks, lists their bullets, pictures their alternative text, formulas their TeX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from herdbook.curation.extract.blocks import LI, Blocks, blocks_of
from herdbook.curation.extract.classifier import Weights, chosen, text_probabilities, weights
from herdbook.curation.extract.doubt import doubts_of, gain_expected
from herdbook.curation.extract.features import seen_of
from herdbook.curation.extract.source import decode, depth, with_tex
from herdbook.curation.steps.normalise import normalise_text
from herdbook.errors import ConfigError, UserError

if TYPE_CHECKING:
    from herdbook.curation.extract.second_opinion import SecondOpinion


class MissingExtractorError(UserError):
    """The packages that read HTML are not installed."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """How pages are read."""

    min_probability: float = 0.4
    """From which probability a block is text; on a page without a sure block, the most probable ones are."""
    min_gain: float = 0.04
    """Where it is expected to gain more F1 than this, trafilatura reads the page too; 1: never."""
    seconds_per_page: float = 10.0
    """Longest time that trafilatura gets for one page."""
    max_page_bytes: int = 8_000_000
    """Longer pages are not read."""
    max_depth: int = 3000
    """Pages whose elements nest deeper are not read: parsers take minutes over them."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_probability <= 1:
            raise ConfigError("a probability lies between 0 and 1.", key="min_probability", value=self.min_probability)


@dataclass(frozen=True)
class Page:
    """The text of a page, who extracted it ("blocks", "trafilatura", "none"), how unsure the first reading was (1 - the
    F1 that it expected), and why a page gave no text or a second reading failed ("" otherwise)."""

    text: str
    extractor: str
    uncertainty: float
    problem: str = ""


def _import_resiliparse() -> None:
    try:
        import resiliparse  # noqa: F401
    except ImportError as error:
        raise MissingExtractorError(
            "reading HTML needs packages that are not installed.",
            key="resiliparse",
            remedy="pip install 'herdbook[web]'",
        ) from error


def text_of(blocks: Blocks, kept: npt.NDArray[np.bool_]) -> str:
    """The blocks that are kept [B] as text: an empty line between them, none between the items of a list, a stroke
    between the cells of a row."""
    parts: list[str] = []
    before = -1
    for number in np.flatnonzero(kept).tolist():
        item = blocks.tags[number] == LI
        if parts:
            if blocks.rows[number] >= 0 and blocks.rows[number] == blocks.rows[before]:
                parts.append(" | ")
            else:
                parts.append("\n" if item and blocks.tags[before] == LI else "\n\n")
        parts.append(f"- {blocks.text(number)}" if item else blocks.text(number))
        before = number
    return "".join(parts)


def extract(
    page: bytes | str,
    config: Config | None = None,
    second: SecondOpinion | None = None,
    network: Weights | None = None,
) -> Page:
    """The text of one page. `second` is asked where the first reading is unsure; without it, there is none. `network`
    stands for the package's own.

    Whatever the page holds, this returns: damage, nesting and odd encodings give a poorer text or none, with a reason.
    Raises MissingExtractorError where resiliparse is not installed.
    """
    config = config or Config()
    if len(page) > config.max_page_bytes:
        return Page("", "none", 1.0, "too_large")
    _import_resiliparse()
    from resiliparse.parse.html import HTMLTree

    text = decode(page) if isinstance(page, bytes) else page
    if not text.strip():
        return Page("", "none", 1.0, "empty")
    if depth(text, config.max_depth) > config.max_depth:
        return Page("", "none", 1.0, "too_deep")
    text = with_tex(text)
    try:
        blocks, elements = blocks_of(HTMLTree.parse(text))
    except (ValueError, RuntimeError, UnicodeError) as error:
        return Page("", "none", 1.0, f"not_parsed: {type(error).__name__}")
    network = network or weights()
    seen = seen_of(blocks, elements, network.of_names, network.of_words)
    probabilities = text_probabilities(seen, network)
    doubts = doubts_of(blocks, seen, probabilities, config.min_probability)
    doubt = float(doubts[0])
    problem = ""
    if second is not None and gain_expected(doubts, network) > config.min_gain:
        found, problem = second.extract(text, config.seconds_per_page)
        if found:
            return Page(normalise_text(found), "trafilatura", doubt)
    kept = chosen(probabilities, config.min_probability)
    found = normalise_text(text_of(blocks, kept))
    return Page(found, "blocks" if found else "none", doubt, problem or ("" if found else "no_text"))
