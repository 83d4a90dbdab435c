"""What the classifier sees of each block: its text, its place, and the elements around it.

An element that holds most of a page's running text is what readers call its article; whether a block stands inside,
before or after such elements says more than its own words. Another look at the same: paragraphs give points to the
elements around them, the nearest most (an idea of the reader modes of browsers); the element with the most points per
character that is no link is the page's `top`, and a block is described by the way from there to it and by the child of
`top`, or of the first element around both, in which it stands.
Shape letters: B blocks of a page, E elements, F features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.extract.blocks import END, I64, LI, PRE, TAGS, TD, TEXT_TAGS, TH, U64, UPPER, Blocks, Elements, P
from herdbook.curation.extract.words import Found, Vocabulary, first_words, names
from herdbook.curation.kernel import inner

F32 = npt.NDArray[np.float32]
_OWN = (
    "paragraph", "heading", "item", "code", "cell", "loose", "length", "links", "end_mark", "commas", "digits",
    "capitals", "short", "repeated", "lines", "words", "same_line",
)  # fmt: skip
_AROUND = ("blocks", "share", "links", "prose")
_LEVELS = ("element", "parent", "grandparent", "fourth")
_SHARES = (0.4, 0.6, 0.8, 0.95)
_OF_BRANCH = ("share", "links", "prose", "commas", "size", "points", "alike", "items")
FEATURES = (
    *_OWN,
    "place", "place_squared", "text_before", "text_after", "prose_share", "size_of_page", "links_of_page",
    *(f"{name}_of_{level}" for level in _LEVELS for name in _AROUND),
    *(f"alike_of_{level}" for level in _LEVELS),
    *(f"{where}_{share}" for share in _SHARES for where in ("inside", "before", "after")),
    "depth", "first_heading", "top_inside", "top_beside", "top_far", "top_share", "after_top",
    *(f"{name}_of_branch" for name in _OF_BRANCH),
    "since_heading", "heading_level",
)  # fmt: skip
"""Names of the columns of `columns_of`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to see of a page: columns of its blocks [B, F], element and last heading before each block [B] (-1
    where there is none), parents of elements [E], known words of elements, and those that blocks begin with."""

    columns: F32
    elements: I64
    headings: I64
    parents: I64
    names: Found
    words: Found

    def __len__(self) -> int:
        return len(self.columns)


_H1, _H6 = TAGS.index("h1"), TAGS.index("h6")
_PLUS = np.zeros(len(TAGS), dtype=np.float64)
_PLUS[[TAGS.index(name) for name in ("div", "article", "main", "section")]] = 5
_PLUS[[TAGS.index(name) for name in ("pre", "td", "blockquote")]] = 3
_PLUS[[TAGS.index(name) for name in ("ol", "ul", "dl", "dd", "dt", "li", "form", "address")]] = -3
_PLUS[[TAGS.index(name) for name in ("nav", "aside", "footer", "header", "menu", "th")]] = -5
_INNER = np.array([tag in TEXT_TAGS for tag in TAGS])
"""Elements whose text gives points to their parent, not to themselves."""


@inner
def _place(table, value):  # type: ignore[no-untyped-def]
    """Where a value stands in an open table of a power of two of places, or the free place for it."""
    last = len(table) - 1
    place = np.int64(value & np.uint64(last))
    while table[place] != 0 and table[place] != value:
        place = (place + 1) & last
    return place


@numba.njit(cache=True, nogil=True)
def _repeated(hashes):  # type: ignore[no-untyped-def]
    """Whether each hash stands earlier in the row [B]."""
    n = len(hashes)
    size = 16
    while size < 2 * n:
        size *= 2
    table = np.zeros(size, dtype=np.uint64)
    found = np.zeros(n, dtype=np.bool_)
    for i in range(n):
        place = _place(table, hashes[i])
        found[i] = table[place] == hashes[i]
        table[place] = hashes[i]
    return found


@numba.njit(cache=True, nogil=True)
def _alike(kinds):  # type: ignore[no-untyped-def]
    """How many elements of the page are of the same tag and class as each [E]."""
    n = len(kinds)
    size = 16
    while size < 2 * n:
        size *= 2
    table, counts = np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int64)
    places = np.empty(n, dtype=np.int64)
    for i in range(n):
        place = _place(table, kinds[i])
        table[place] = kinds[i]
        counts[place] += 1
        places[i] = place
    return counts[places]


@numba.njit(cache=True, nogil=True)
def points_of(sizes, links, commas, elements, parents, tags, shares_of_links):  # type: ignore[no-untyped-def]
    """The points that paragraphs give to the elements around them [E]: 1, another for each comma and for each hundred
    characters up to three; whole to the nearest element, half to its parent, a sixth, ninth and twelfth further up;
    elements have some of their own by their tag; times their share of text that is no link."""
    points = np.zeros(len(parents))
    pointed = np.zeros(len(parents), dtype=np.bool_)
    for block in range(len(sizes)):
        if sizes[block] - links[block] < 25:
            continue
        given = 1.0 + commas[block] + min(sizes[block] / 100, 3.0)
        element = elements[block]
        if _INNER[tags[element]] and element:
            element = parents[element]
        for level in range(5):
            points[element] += given / (1 if level == 0 else 2 if level == 1 else 3 * level)
            pointed[element] = True
            if element == 0:
                break
            element = parents[element]
    for element in range(len(parents)):
        if pointed[element]:
            points[element] = max(0.0, points[element] + _PLUS[tags[element]]) * (1 - shares_of_links[element])
    return points


@numba.njit(cache=True, nogil=True)
def _columns(  # type: ignore[no-untyped-def]
    block_tags, links, block_elements, rows, sizes, commas, digits, lines, blanks, first_bits, last_bits, hashes,
    parents, tags, firsts, ends, kinds, out,
):  # fmt: skip
    n, n_elements = len(block_tags), len(parents)
    repeated, alike = _repeated(hashes), _alike(kinds)
    text_before, links_before, prose_before = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    commas_before, items_before = np.zeros(n + 1), np.zeros(n + 1)
    for i in range(n):
        prose = 0.0
        if sizes[i] > 60 and (last_bits[i] & END or commas[i] > 1):
            prose = float(sizes[i] - links[i])
        text_before[i + 1] = text_before[i] + sizes[i]
        links_before[i + 1] = links_before[i] + links[i]
        prose_before[i + 1] = prose_before[i] + prose
        commas_before[i + 1] = commas_before[i] + commas[i]
        items_before[i + 1] = items_before[i] + (block_tags[i] == LI)
    of_page = max(text_before[n], 1.0)
    prose_of_page = max(prose_before[n], 1.0)
    text, link_share, prose_share = np.empty(n_elements), np.empty(n_elements), np.empty(n_elements)
    depths = np.zeros(n_elements, dtype=np.int64)
    for e in range(n_elements):
        first, end = firsts[e], ends[e]
        text[e] = text_before[end] - text_before[first]
        link_share[e] = (links_before[end] - links_before[first]) / max(text[e], 1.0)
        prose_share[e] = (prose_before[end] - prose_before[first]) / prose_of_page
        if e:
            depths[e] = depths[parents[e]] + 1
    points = points_of(sizes, links, commas, block_elements, parents, tags, link_share)
    top = 0
    for e in range(1, n_elements):
        if points[e] > points[top]:
            top = e
    most = max(points[top], 1.0)
    on_top_path = np.zeros(n_elements, dtype=np.bool_)
    e = top
    while True:
        on_top_path[e] = True
        if e == 0:
            break
        e = parents[e]
    holders = np.zeros(4, dtype=np.int64)
    if prose_before[n] > 0:
        for e in range(n_elements):
            for k in range(4):
                if prose_share[e] >= _SHARES[k]:
                    holders[k] = e
    branches = np.empty(n_elements, dtype=np.int64)
    joints = np.empty(n_elements, dtype=np.int64)
    for e in range(n_elements):  # the first element around both e and top, and its child around e, inside top too
        if on_top_path[e]:
            joints[e], branches[e] = e, e
        else:
            joints[e] = joints[parents[e]]
            branches[e] = e if on_top_path[parents[e]] else branches[parents[e]]
    had_h1 = False
    heading, heading_tag = -1, 0
    row_before = -1
    for i in range(n):
        tag, size, row = block_tags[i], float(sizes[i]), out[i]
        is_heading = _H1 <= tag <= _H6
        row[0], row[1], row[2], row[3], row[4] = tag == P, is_heading, tag == LI, tag == PRE, tag in (TD, TH)
        row[5], row[6], row[7] = tag == 0, np.log1p(size) / 5, links[i] / size
        row[8], row[9] = last_bits[i] & END > 0, min(commas[i] / size * 20, 2.0)
        row[10], row[11], row[12] = min(digits[i] / size * 20, 2.0), first_bits[i] & UPPER > 0, size < 25
        row[13], row[14], row[15] = repeated[i], min(lines[i], 5) / 5, np.log1p(blanks[i]) / 4
        row[16] = rows[i] >= 0 and rows[i] == row_before
        row_before = rows[i]
        middle = (text_before[i] + text_before[i + 1]) / 2 / of_page
        middle_prose = (prose_before[i] + prose_before[i + 1]) / 2 / of_page
        row[17], row[18], row[19], row[20] = middle, middle * middle, middle_prose, 1 - middle_prose
        row[21], row[22] = prose_before[n] / of_page, np.log1p(of_page) / 10
        row[23] = links_before[n] / of_page
        k = 24
        e = block_elements[i]
        for level in range(4):
            row[k], row[k + 1] = np.log1p(float(ends[e] - firsts[e])) / 4, text[e] / of_page
            row[k + 2], row[k + 3] = link_share[e], prose_share[e] if prose_before[n] > 0 else 0.0
            row[40 + level] = np.log1p(float(alike[e])) / 4
            k += 4
            e = parents[e]
        k = 44
        for h in range(4):
            low, high = firsts[holders[h]], ends[holders[h]]
            row[k], row[k + 1], row[k + 2] = low <= i < high, i < low, i >= high
            k += 3
        e = block_elements[i]
        row[56], row[57] = min(depths[e], 40) / 20, tag == _H1 and not had_h1
        had_h1 |= tag == _H1
        joint, branch = joints[e], branches[e]
        inside = firsts[top] <= i < ends[top]
        if inside:
            row[58], row[59], row[60] = 1, 0, 0
        else:
            away = depths[top] - depths[joint]
            row[58], row[59], row[60] = 0, away <= 1, min(away, 10) / 5
        row[61], row[62] = text[top] / of_page, i >= ends[top]
        first, end = firsts[branch], ends[branch]
        row[63], row[64] = text[branch] / max(text[top], 1.0) if inside else text[branch] / of_page, link_share[branch]
        row[65] = (prose_before[end] - prose_before[first]) / max(text[branch], 1.0)
        row[66] = min((commas_before[end] - commas_before[first]) / max(text[branch], 1.0) * 20, 2.0)
        row[67], row[68] = np.log1p(text[branch]) / 8, min(points[branch] / most, 2.0)
        row[69] = np.log1p(float(alike[branch])) / 4
        row[70] = (items_before[end] - items_before[first]) / max(end - first, 1)
        row[71] = np.log1p(float(i - heading)) / 4 if heading >= 0 else 1.5
        row[72] = (heading_tag - _H1 + 1) / 6 if heading >= 0 else 0.0
        if is_heading:
            heading, heading_tag = i, tag


def columns_of(blocks: Blocks, elements: Elements, kinds: U64) -> F32:
    """The columns of a page [B, F]; `kinds` are hashes of the tag and class of its elements."""
    out = np.empty((len(blocks), len(FEATURES)), dtype=np.float32)
    _columns(
        blocks.tags, blocks.links, blocks.elements, blocks.rows, blocks.sizes, blocks.commas, blocks.digits,
        blocks.lines, blocks.blanks, blocks.first, blocks.last, blocks.hashes, elements.parents, elements.tags,
        elements.firsts, elements.ends, kinds, out,
    )  # fmt: skip
    return out


def seen_of(blocks: Blocks, elements: Elements, of_names: Vocabulary, of_words: Vocabulary) -> Seen:
    """What the classifier sees of a page, of words those of two vocabularies."""
    found, kinds = names(elements, of_names)
    places = np.where((blocks.tags >= _H1) & (blocks.tags <= _H6), np.arange(len(blocks)), -1)
    headings = np.full(len(blocks), -1, dtype=np.int64)
    headings[1:] = np.maximum.accumulate(places)[:-1] if len(places) else places
    columns = columns_of(blocks, elements, kinds)
    return Seen(columns, blocks.elements, headings, elements.parents, found, first_words(blocks, of_words))
