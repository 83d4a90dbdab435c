"""A page as a row of blocks (paragraphs, headings, list items, code) with what can be seen of each.

resiliparse (a C++ parser) does the heavy part: it parses the page once and prints it twice as reduced markup, whole,
and without what its own rules take for navigation. A block is described by its tag, length, links, marks, place,
neighbours and by whether it survived those rules.
Shape letters: B blocks of a page, F features.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = re.compile(r"<(h[1-6]|p|li|pre)>(.*?)</\1>|([^<]+|<(?!/?(?:h[1-6]|p|li|pre|ul|ol)>)[^>]*>)+", re.DOTALL)
_LINK = re.compile(r"<a [^>]*>(.*?)</a>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_BLANK = re.compile(r"\s+")
_BREAK = re.compile(r"<br>\s*")
_LETTER = re.compile(r"[^\W\d_]")
_OF_ONE = (
    "main", "paragraph", "heading", "item", "code", "length", "links", "end_mark", "commas", "digits", "capitals",
    "short", "repeated",
)  # fmt: skip
FEATURES = (
    *_OF_ONE,
    *(f"{name}_{step:+d}" for step in (-2, -1, 1, 2) for name in ("main", "length", "links", "heading", "end_mark")),
    "place", "place_squared", "main_share", "main_before", "main_after", "text_around", "main_x_length",
    "main_x_links", "length_x_links",
)  # fmt: skip
"""Names of the columns of `features`."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its tag ("" for text outside of any), its text, the characters of it that are links, and whether
    resiliparse's rules take it for main content."""

    tag: str
    text: str
    link_characters: int
    main: bool


def _plain(markup: str, tag: str) -> str:
    if tag == "pre":
        return html.unescape(_TAG.sub("", markup)).strip("\n")
    if "<" not in markup:
        return " ".join(html.unescape(markup).split())
    if "<br>" not in markup:
        return " ".join(html.unescape(_TAG.sub("", markup)).split())
    lines = (_BLANK.sub(" ", html.unescape(_TAG.sub("", part))).strip() for part in _BREAK.split(markup))
    return "\n".join(line for line in lines if line)


def _parts(markup: str) -> list[tuple[str, str]]:
    """(tag, inner markup) of the blocks in reduced markup."""
    found = []
    for match in _BLOCK.finditer(markup):
        tag = match.group(1) or ""
        inner = match.group(2) if tag else match.group(0)
        if inner and not inner.isspace():
            found.append((tag, inner))
    return found


def blocks_of(tree: Any) -> list[Block]:
    """The blocks of a page that resiliparse parsed (an HTMLTree)."""
    from resiliparse.extract.html2text import extract_plain_text

    whole = extract_plain_text(tree, preserve_formatting="minimal_html", links=True, alt_texts=True)
    main = extract_plain_text(tree, preserve_formatting="minimal_html", links=True, alt_texts=True, main_content=True)
    kept = Counter(_parts(main))
    found = []
    for tag, inner in _parts(whole):
        text = _plain(inner, tag)
        if not text:
            continue
        links = sum(len(_TAG.sub("", link)) for link in _LINK.findall(inner)) if "<a " in inner else 0
        is_main = kept[tag, inner] > 0
        kept[tag, inner] -= is_main
        found.append(Block(tag, text, links, is_main))
    return found


def features(blocks: list[Block]) -> npt.NDArray[np.float32]:
    """What the classifier sees of each block [B, F]."""
    n = len(blocks)
    if n == 0:
        return np.zeros((0, len(FEATURES)), dtype=np.float32)
    seen: set[str] = set()
    own = np.empty((n, len(_OF_ONE)), dtype=np.float32)
    sizes = np.empty(n, dtype=np.float32)
    for i, block in enumerate(blocks):
        text, size = block.text, len(block.text)
        sizes[i] = size
        own[i] = (
            block.main,
            block.tag == "p",
            len(block.tag) == 2 and block.tag[0] == "h",
            block.tag == "li",
            block.tag == "pre",
            np.log1p(size) / 5,
            min(1.0, block.link_characters / size),
            text[-1] in '.!?"”’…。！？:',
            min(text.count(",") / size * 20, 2.0),
            sum(map(text.count, "0123456789")) / size,
            text[:1].isupper(),
            size < 25,
            text in seen,
        )
        seen.add(text)
    main, length, links, heading, end = own[:, 0], own[:, 5], own[:, 6], own[:, 2], own[:, 7]
    columns = [own]
    for step in (-2, -1, 1, 2):
        for values in (main, length, links, heading, end):
            moved = np.zeros(n, dtype=np.float32)
            if step < 0:
                moved[-step:] = values[:step]
            else:
                moved[:-step] = values[step:]
            columns.append(moved[:, None])
    place = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    of_main = main * sizes
    total = max(float(of_main.sum()), 1.0)
    before = np.cumsum(of_main) / total
    prose = length * (1 - links) * end
    around = np.convolve(prose, np.ones(7, dtype=np.float32))[3 : 3 + n]
    rest = (
        place, place**2, np.full(n, of_main.sum() / sizes.sum()), before, 1 - before, around / 3, main * length,
        main * links, length * links,
    )  # fmt: skip
    columns += [np.asarray(values, dtype=np.float32)[:, None] for values in rest]
    return np.concatenate(columns, axis=1)
