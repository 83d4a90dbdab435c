"""What the classifier sees of each block: its text, its place, and the elements around it.

An element that holds most of a page's running text is what readers call its article; whether a block stands inside,
before or after such elements says more than its own words. Names and classes of elements come as words with learnt
vectors (`classifier.py`).
Shape letters: B blocks of a page, E elements, F features, W words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from herdbook.curation.extract.blocks import Block, Elements

F32 = npt.NDArray[np.float32]
_OWN = (
    "paragraph", "heading", "item", "code", "cell", "loose", "length", "links", "end_mark", "commas", "digits",
    "capitals", "short", "repeated", "lines", "words", "same_line",
)  # fmt: skip
_AROUND = ("blocks", "share", "links", "prose")
_SHARES = (0.4, 0.6, 0.8, 0.95)
FEATURES = (
    *_OWN,
    "place", "place_squared", "text_before", "text_after", "prose_share", "size_of_page", "links_of_page",
    *(f"{name}_of_{level}" for level in ("element", "parent", "grandparent", "fourth") for name in _AROUND),
    *(f"{where}_{share}" for share in _SHARES for where in ("inside", "before", "after")),
    "depth", "first_heading",
)  # fmt: skip
"""Names of the columns of `features`."""
MOST_WORDS = 400
"""No more words are gathered around a block; hostile pages have millions."""
_NAMES = (' class="', ' id="', ' role="', ' itemprop="')
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_LOWER_WORD = re.compile(r"[a-z]{3,}")
_PUNCTUATION = re.compile(r"[,;،、，；]")
_DIGIT = re.compile(r"\d+")
_END_MARKS = frozenset('.!?"”’…。！？:')


@dataclass(frozen=True)
class Seen:
    """What there is to see of a page: columns of its blocks [B, F], and words: for each block those of all elements
    around it and those of the nearest two."""

    columns: F32
    all_words: list[frozenset[str]]
    near_words: list[frozenset[str]]


def words_of(tag: str, attributes: str) -> frozenset[str]:
    """The words of an element: its tag as `<tag`, the words of its class, id, role and itemprop; `!hidden`."""
    words = {f"<{tag}"}
    if attributes:
        for name in _NAMES:
            at = attributes.find(name)
            if at >= 0:
                at += len(name)
                value = attributes[at : attributes.find('"', at)]
                if value.islower():
                    words.update(_LOWER_WORD.findall(value))
                else:
                    words.update([word.lower() for word in _WORD.findall(value) if len(word) > 2])
        if "display:none" in attributes or "display: none" in attributes or 'aria-hidden="true"' in attributes:
            words.add("!hidden")
    return frozenset(words)


def seen_of(blocks: list[Block], elements: Elements, vocabulary: frozenset[str] | None = None) -> Seen:
    """What the classifier sees of a page; of words only those of the vocabulary, where there is one."""
    tags, attributes, parents = elements.tags, elements.attributes, elements.parents
    known: dict[tuple[str, str], frozenset[str]] = {}
    all_of: dict[int, frozenset[str]] = {}
    near_of: dict[int, frozenset[str]] = {}
    own_of: dict[int, frozenset[str]] = {}
    missing: list[int] = []
    for at in dict.fromkeys([block.element for block in blocks]):
        number = at
        while number not in all_of:
            missing.append(number)
            if number == 0:
                break
            number = parents[number]
        found = all_of.get(number, frozenset())
        while missing:
            number = missing.pop()
            key = tags[number], attributes[number]
            own = known.get(key)
            if own is None:
                own = words_of(*key)
                own = known[key] = own if vocabulary is None else own & vocabulary
            own_of[number] = own
            if not own <= found and len(found) < MOST_WORDS:
                found = found | own
            all_of[number] = found
        near_of[at] = own_of[at] | own_of[parents[at]]
    everything = [all_of[block.element] for block in blocks]
    near = [near_of[block.element] for block in blocks]
    return Seen(columns_of(blocks, elements), everything, near)


def columns_of(blocks: list[Block], elements: Elements) -> F32:
    """The columns of a page [B, F]."""
    n = len(blocks)
    if n == 0:
        return np.zeros((0, len(FEATURES)), dtype=np.float32)
    seen: set[str] = set()
    rows = []
    heading_before = False
    row_before = -1
    first_headings = []
    for block in blocks:
        tag, text = block.tag, block.text
        size = len(text)
        heading = len(tag) == 2 and tag[0] == "h"
        rows.append((
            tag == "p", heading, tag == "li", tag == "pre", tag == "td" or tag == "th", tag == "",
            size, block.link_characters, text[-1] in _END_MARKS, len(_PUNCTUATION.findall(text)),
            len(_DIGIT.findall(text)), text[0].isupper(), size < 25, text in seen, text.count("\n"), text.count(" "),
            block.row >= 0 and block.row == row_before,
        ))  # fmt: skip
        first_headings.append(tag == "h1" and not heading_before)
        heading_before = heading_before or tag == "h1"
        seen.add(text)
        row_before = block.row
    own = np.fromiter(chain.from_iterable(rows), np.float64, count=n * len(_OWN)).reshape(n, len(_OWN))
    sizes = own[:, 6].copy()
    links = np.minimum(own[:, 7], sizes)
    prose = np.where((sizes > 60) & ((own[:, 8] > 0) | (own[:, 9] > 1)), sizes - links, 0.0)
    own[:, 6] = np.log1p(sizes) / 5
    own[:, 7] = links / sizes
    own[:, 9] = np.minimum(own[:, 9] / sizes * 20, 2)
    own[:, 10] = np.minimum(own[:, 10] / sizes * 20, 2)
    own[:, 14] = np.minimum(own[:, 14], 5) / 5
    own[:, 15] = np.log1p(own[:, 15]) / 4
    sums = np.zeros((3, n + 1))
    np.cumsum((sizes, links, prose), axis=1, out=sums[:, 1:])
    of_page = np.maximum(sums[:, -1], 1)
    middle = (sums[:, 1:] + sums[:, :-1]) / 2 / of_page[:, None]

    first, end, parent = np.array(elements.firsts), np.array(elements.ends), np.array(elements.parents)
    inside = sums[:, end] - sums[:, first]
    shares = inside / of_page[:, None]
    at = np.array([block.element for block in blocks])
    around = []
    level = at
    for _ in range(4):
        around += [
            np.log1p(end[level] - first[level]) / 4, shares[0, level],
            inside[1, level] / np.maximum(inside[0, level], 1), shares[2, level],
        ]  # fmt: skip
        level = parent[level]
    places = np.arange(n)
    within = []
    for share in _SHARES:
        holder = np.flatnonzero(shares[2] >= share)[-1] if sums[2, -1] > 0 else 0
        low, high = first[holder], end[holder]
        within += [(places >= low) & (places < high), places < low, places >= high]
    depths = [0] * len(parent)
    for number, above in enumerate(elements.parents[1:], 1):
        depths[number] = min(depths[above] + 1, 40)
    depth = np.array(depths)[at]
    columns = [
        middle[0], middle[0] ** 2, middle[2], 1 - middle[2], np.full(n, sums[2, -1] / of_page[0]),
        np.full(n, np.log1p(of_page[0]) / 10), np.full(n, of_page[1] / of_page[0]), *around, *within, depth / 20,
        np.array(first_headings),
    ]  # fmt: skip
    return np.concatenate([own, np.stack(columns, axis=1)], axis=1).astype(np.float32)
