"""The blocks of a page in plain Python: what extract/blocks.py does in Numba."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

_LEFT_OUT = "script|style|noscript|template|svg|iframe|select|textarea|button|canvas|object|audio|video"
_ATTRIBUTES = r'[^>"]*(?:"[^"]*"[^>"]*)*'
_TOKEN = re.compile(
    rf"<!--.*?-->|<({_LEFT_OUT})(?=[\s>]){_ATTRIBUTES}>.*?</\1>|<(/?[a-z][^\s>/]*)({_ATTRIBUTES})>", re.DOTALL
)
_ALT = re.compile(r' alt="([^"]*)"')
_BREAKS = frozenset(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure"
    " footer form h1 h2 h3 h4 h5 h6 header hgroup label legend li main menu nav ol p pre section summary table tbody"
    " td tfoot th thead tr ul".split()
)
_TEXT_TAGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "pre", "td", "th", "dt", "dd"))


class Block(NamedTuple):
    """One block: its tag ("" for text outside of any), its text, the characters of it that are links, the number of its
    element, and for cells that of their row (else -1)."""

    tag: str
    text: str
    link_characters: int
    element: int = 0
    row: int = -1


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a page that are not inline, in the order of their starts: tag, source of the attributes, parent's
    number (the root's own is 0) and the blocks [first, end) inside."""

    tags: list[str]
    attributes: list[str]
    parents: list[int]
    firsts: list[int]
    ends: list[int]


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    text = text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    return text.replace("&amp;", "&")


def _lines(text: str) -> str:
    if "\n" not in text:
        return " ".join(text.split())
    return "\n".join(line for line in (" ".join(part.split()) for part in text.split("\n")) if line)


def blocks_of_markup(markup: str) -> tuple[list[Block], Elements]:
    """Blocks and elements of markup as a parser prints it: balanced, lower case, values in double quotes."""
    pieces = _TOKEN.split(markup)
    blocks: list[Block] = []
    tags, attributes, parents, firsts, ends = ["body"], [""], [0], [0], [0]
    stack = [0]
    top = 0
    written: list[str] = []
    in_link = in_pre = link_size = 0
    after_break = False

    def flush() -> None:
        nonlocal link_size
        whole = "".join(written)
        written.clear()
        links, link_size = link_size, 0
        if not whole or whole.isspace():
            return
        tag = tags[top]
        if in_pre:
            tag, text = "pre", whole.strip("\n")
        else:
            text = _lines(whole)
        if not text:
            return
        row = -1
        if tag == "td" or tag == "th":
            row = parents[top]
        elif tag not in _TEXT_TAGS or tag == "p":
            above = parents[top]
            if tags[above] == "li" and firsts[above] == len(blocks):
                tag = "li"
            elif tag != "p":
                tag = ""
        blocks.append(Block(tag, text, min(links, len(text)), top, row))

    def started() -> bool:
        return bool("".join(written).strip("\n"))

    if pieces[0]:
        written.append(_unescaped(pieces[0]).replace("\n", " "))
    for i in range(2, len(pieces), 4):
        name = pieces[i]
        if name is None:
            if started():
                written.append(" ")
        elif name[0] == "/":
            name = name[1:]
            if name in _BREAKS or "-" in name:
                if tags[top] == name and len(stack) > 1:
                    if written:
                        flush()
                    ends[top] = len(blocks)
                    stack.pop()
                    top = stack[-1]
                    if name == "pre":
                        in_pre = max(0, in_pre - 1)
            elif name == "a":
                in_link = max(0, in_link - 1)
        elif name in _BREAKS or "-" in name:
            if written:
                flush()
            parents.append(top)
            top = len(tags)
            tags.append(name)
            attributes.append(pieces[i + 1])
            firsts.append(len(blocks))
            ends.append(0)
            stack.append(top)
            if name == "pre":
                in_pre += 1
        elif name == "br":
            if after_break and not in_pre:
                flush()
            if started() or not in_pre:
                written.append("\n")
            after_break = True
        elif name == "a":
            in_link += 1
        elif name == "img":
            found = _ALT.search(pieces[i + 1])
            if found:
                alt = _unescaped(found.group(1))
                written.append(f"{' ' if started() else ''}{' '.join(alt.split())} ")
                if in_link and not alt.isspace():
                    link_size += len(alt)
        elif name == "hr":
            flush()
        text = _unescaped(pieces[i + 2])
        if not text:
            continue
        if in_pre:
            written.append(text)
        elif text.isspace():
            if written:
                written.append(" ")
            continue
        else:
            written.append(text.replace("\n", " "))
        after_break = False
        if in_link:
            link_size += len(text)
    flush()
    for number in stack:
        ends[number] = len(blocks)
    return blocks, Elements(tags, attributes, parents, firsts, ends)
