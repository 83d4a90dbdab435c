"""The pedigree as a picture: artifacts from top to bottom, a line from each parent to its child, as inline SVG.

Only the lines that no other path implies are drawn (the transitive reduction): where curation reads what collection
made, and tokenization reads both, the line from collection to tokenization says nothing new. Lines of descent (a model
that starts from another's weights) are always drawn, and thick. Nodes stand in layers by their longest distance from an
origin, and in lanes: the final model's line of descent is straight, the others keep beside it. A line that passes a
layer has a lane there and crosses no box.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

_BOX_W, _BOX_H, _GAP_X, _GAP_Y = 120, 44, 18, 24


class Node(NamedTuple):
    """A box: key (identity), name in bold, a second line, and whether it is one of the models or the final one."""

    key: str
    name: str
    detail: str
    role: str = "data"
    """`data`, `model` or `final`."""


class Place(NamedTuple):
    """Where something stands: row from the top and lane from the left."""

    layer: int
    lane: int


def essential_edges(edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges (parent, child) that no longer path implies, in sorted order. The graph must have no cycle."""
    children: dict[str, set[str]] = {}
    for parent, child in edges:
        children.setdefault(parent, set()).add(child)
    below: dict[str, set[str]] = {}

    def descendants(node: str) -> set[str]:
        if node not in below:
            below[node] = set()
            for child in children.get(node, ()):
                below[node] |= {child} | descendants(child)
        return below[node]

    kept = []
    for parent in sorted(children):
        for child in sorted(children[parent]):
            if not any(child in descendants(other) for other in children[parent] - {child}):
                kept.append((parent, child))
    return kept


def layers_of(keys: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Longest distance of each node from one without parents."""
    parents: dict[str, list[str]] = {key: [] for key in keys}
    for parent, child in edges:
        parents[child].append(parent)
    depth: dict[str, int] = {}

    def of(key: str) -> int:
        if key not in depth:
            depth[key] = 1 + max((of(parent) for parent in parents[key]), default=-1)
        return depth[key]

    return {key: of(key) for key in keys}


def descent_line(final: str, descent: Iterable[tuple[str, str]]) -> list[str]:
    """The nodes whose weights became the final one, from the final one upwards."""
    above = {child: parent for parent, child in descent}
    line = [final]
    while line[-1] in above and above[line[-1]] not in line:
        line.append(above[line[-1]])
    return line


def arrange(
    keys: Sequence[str],
    edges: Sequence[tuple[str, str]],
    descent: Collection[tuple[str, str]] = (),
    main: Collection[str] = (),
) -> tuple[dict[str, Place], dict[tuple[str, str], list[Place]]]:
    """A place for every node, and for every edge the places that it passes between its ends.

    keys are in a topological order (parents first). A node wants the lane of the parent that it descends from, else the
    leftmost of its parents'. Where two want the same lane, nodes and edges of the `main` line go first, then nodes.
    """
    layer = layers_of(keys, edges)
    places: dict[str, Place] = {}
    passes: dict[tuple[str, str], list[Place]] = {edge: [] for edge in edges}

    def lane_before(edge: tuple[str, str]) -> int:
        return passes[edge][-1].lane if passes[edge] else places[edge[0]].lane

    for depth in range(max(layer.values(), default=-1) + 1):
        wishes: list[tuple[int, int, int, str | tuple[str, str]]] = []
        for order, key in enumerate(keys):
            if layer[key] == depth:
                arriving = [edge for edge in edges if edge[1] == key]
                preferred = [edge for edge in arriving if edge in descent] or arriving
                wish = min((lane_before(edge) for edge in preferred), default=0)
                wishes.append((0 if key in main else 1, wish, order, key))
        for order, edge in enumerate(edges):
            if layer[edge[0]] < depth < layer[edge[1]]:
                wishes.append((0 if set(edge) <= set(main) else 2, lane_before(edge), order, edge))
        taken: set[int] = set()
        for _, wish, _, what in sorted(wishes, key=lambda entry: entry[:3]):
            lane = min(
                (lane for lane in range(wish + len(wishes) + 1) if lane not in taken), key=lambda x: abs(x - wish)
            )
            taken.add(lane)
            if isinstance(what, str):
                places[what] = Place(depth, lane)
            else:
                passes[what].append(Place(depth, lane))
    return places, passes


def draw(
    nodes: Sequence[Node], edges: Iterable[tuple[str, str]], description: str, descent: Collection[tuple[str, str]] = ()
) -> str:
    """The graph as one `<svg>`; nodes are in topological order. Colours are the variables of `figures.STYLE`.

    descent: edges from a model to one that starts from its weights; they are always drawn, and thicker.
    """
    known = {node.key for node in nodes}
    given = [(a, b) for a, b in edges if a in known and b in known]
    final = next((node.key for node in nodes if node.role == "final"), None)
    main = descent_line(final, descent) if final else []
    judged = [(a, b) for a, b in given if a == final and not any(b == c for _, c in descent)]
    lines = sorted({*essential_edges(given), *(edge for edge in descent if set(edge) <= known), *judged})
    main += [b for _, b in judged]
    places, passes = arrange([node.key for node in nodes], lines, descent, main)
    n_lanes = 1 + max([p.lane for p in places.values()] + [p.lane for path in passes.values() for p in path], default=0)
    n_layers = 1 + max((p.layer for p in places.values()), default=0)
    width = n_lanes * (_BOX_W + _GAP_X) - _GAP_X + 4
    height = n_layers * (_BOX_H + _GAP_Y) - _GAP_Y + 4
    parts = [_line(places[a], passes[a, b], places[b], (a, b) in descent) for a, b in lines]
    parts += [_box(node, places) for node in nodes]
    return (
        f'<svg class="pedigree" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'style="max-width:{width}px" xmlns="http://www.w3.org/2000/svg" font-family="inherit" '
        f'aria-label="{html.escape(description)}">' + "\n".join(parts) + "</svg>"
    )


def _corner(place: Place) -> tuple[int, int]:
    return 2 + place.lane * (_BOX_W + _GAP_X), 2 + place.layer * (_BOX_H + _GAP_Y)


def _line(start: Place, between: Sequence[Place], end: Place, thick: bool) -> str:
    x, y = _corner(start)
    x, y = x + _BOX_W // 2, y + _BOX_H
    path = [f"M{x} {y}"]
    for place in between:
        left, top = _corner(place)
        path.append(_bend(x, y, left + _BOX_W // 2, top))
        path.append(f"V{top + _BOX_H}")
        x, y = left + _BOX_W // 2, top + _BOX_H
    left, top = _corner(end)
    path.append(_bend(x, y, left + _BOX_W // 2, top))
    stroke = "var(--fig-accent,#0068a5);stroke-width:3" if thick else "var(--fig-muted,#5b626b);stroke-width:1.3"
    return f'<path d="{"".join(path)}" style="fill:none;stroke:{stroke}"/>'


def _bend(x: int, y: int, to_x: int, to_y: int) -> str:
    if x == to_x:
        return f"V{to_y}"
    middle = (y + to_y) / 2
    return f"C{x} {middle:g} {to_x} {middle:g} {to_x} {to_y}"


_LOOK = {
    "data": ("var(--fig-paper,#fffefb)", "var(--fig-muted,#5b626b)", "var(--fig-ink,#1f2328)"),
    "model": ("var(--fig-tint,#e4eff6)", "var(--fig-accent,#0068a5)", "var(--fig-ink,#1f2328)"),
    "final": ("var(--fig-accent,#0068a5)", "var(--fig-accent,#0068a5)", "var(--fig-on-strong,#fffffe)"),
}


def _box(node: Node, places: Mapping[str, Place]) -> str:
    x, y = _corner(places[node.key])
    fill, stroke, ink = _LOOK[node.role]
    name, detail = (html.escape(_short(text, limit)) for text, limit in ((node.name, 15), (node.detail, 19)))
    middle = x + _BOX_W // 2
    box = f'x="{x}" y="{y}" width="{_BOX_W}" height="{_BOX_H}" rx="7"'
    text = f"text-anchor:middle;fill:{ink};font-size:"
    return (
        f"<g><title>{html.escape(node.name)}: {html.escape(node.detail)} ({html.escape(node.key[:12])})</title>"
        f'<rect {box} style="fill:{fill};stroke:{stroke};stroke-width:1.5"/>'
        f'<text x="{middle}" y="{y + 19}" style="{text}13.5px;font-weight:700">{name}</text>'
        f'<text x="{middle}" y="{y + 35}" style="{text}11.5px">{detail}</text></g>'
    )


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
