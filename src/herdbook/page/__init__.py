"""What the pages of all reports have in common: the skeleton with its style, tables, charts, headline figures.

A page is complete in itself: it fetches nothing and runs nothing, and its content security policy forbids both. Every
value is escaped but SVG made by `figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from herdbook.figures import STYLE, format_number


class Table(NamedTuple):
    """A table: caption, column heads, rows. The first cell of a row is its head."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = True
    """Cells after the first are numbers (set to the right)."""


class Chart(NamedTuple):
    """A figure with its words: `svg` is trusted markup made by `figures`, everything else is plain text."""

    title: str
    svg: Markup
    note: str
    table: Table


@dataclass(frozen=True)
class Tile:
    """A headline figure."""

    label: str
    value: str
    interval: str
    note: str
    tone: str = "plain"
    """`good`, `bad` or `plain`; always said in `note` too."""


def render(template: Path, context: Mapping[str, Any]) -> str:
    """A template (that extends `page.html`) with its values. Everything is escaped but `Markup`; a missing name is an
    error."""
    import jinja2

    folders = [str(template.parent), str(Path(__file__).with_name("templates"))]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template.name).render({"figure_style": Markup(STYLE), **context})


def duration(seconds: float) -> str:
    """`84 s`, `6 min 40 s`, `2 h 05 min`"""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def slug(text: str) -> str:
    """Letters that may stand in an id."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower()) or "x"


def facts_table(caption: str, values: Mapping[str, Any]) -> Table | None:
    """Names and values, as they stand on a card."""
    rows = [[humanise(key), value_text(value)] for key, value in values.items()]
    return Table(caption, ["What", "Value"], rows) if rows else None


def humanise(key: str) -> str:
    """`n_tokens` -> "tokens", `pair_accuracy` -> "pair accuracy"."""
    key = key.replace("n_base", "base vocabulary").replace("heldout", "held_out")
    return key.removeprefix("n_").replace(".n_", ": ").replace(".", ": ").replace("_", " ")


def value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return format_number(value)
    return str(value)
