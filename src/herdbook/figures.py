"""The plots of every report, as SVG that stands inside an HTML page.

Each function returns one string with the same chart drawn twice: `figure-wide` for desktops and `figure-narrow` for
phones, of which `STYLE` shows one, so that the letters keep their size on both. Text stays text and takes the font of
the page. Colours are CSS variables with the light value as fallback: a chart follows the page into dark mode and still
stands alone. They come from the palette of Okabe and Ito (2008), which people who see few colours can tell apart;
nothing is said by colour alone.

matplotlib is imported when the first chart is drawn. The same input gives the same bytes: no date, fixed salt for ids.
"""

from __future__ import annotations

import html
import io
import itertools
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, NARROW = 920, 350
"""Widths in CSS pixels at which the two drawings have letters of natural size."""

# role: (light, dark). Every light value is unique: it marks the place of its variable in matplotlib's output.
COLOURS: dict[str, tuple[str, str]] = {
    "ink": ("#1f2328", "#e8e6e1"),
    "muted": ("#5b626b", "#a3a9b2"),
    "line": ("#dcdad3", "#343940"),
    "paper": ("#fffefb", "#1a1d21"),
    "accent": ("#0068a5", "#5cb6f2"),
    "second": ("#b84a00", "#f79a5e"),
    "third": ("#00795a", "#3fc79f"),
    "fourth": ("#9b4a7e", "#e39ac6"),
    "fifth": ("#8a6100", "#e8b53f"),
    "sixth": ("#38708f", "#9ad2ee"),
    "quiet": ("#c9c7bf", "#4a505a"),
    "on-strong": ("#fffffe", "#0f1215"),
}
SERIES = ("accent", "second", "third", "fourth", "fifth", "sixth")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_MAX_POINTS = 160


def _variables(index: int) -> str:
    return "".join(f"--fig-{role}:{pair[index]};" for role, pair in COLOURS.items())


STYLE = (
    f":root{{{_variables(0)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(1)}}}}}"
    ".figure-wide,.figure-narrow{display:block;width:100%;height:auto}"
    f".figure-wide{{max-width:{WIDE}px}}.figure-narrow{{max-width:{NARROW + 110}px}}"
    "@media (min-width:780px){.figure-narrow{display:none}}"
    "@media (max-width:779.98px){.figure-wide{display:none}}"
)
"""CSS that a page with these charts includes once."""


class Whisker(NamedTuple):
    """A value with the bounds of its interval."""

    value: float
    low: float
    high: float


class IntervalPanel(NamedTuple):
    """One column of an interval chart: a title and a value for each label (None: not measured)."""

    title: str
    values: Sequence[Whisker | None]
    percent: bool = True
    reference: float | None = None
    """Where to draw a dashed line, for instance 0.5 for a win rate."""


class Line(NamedTuple):
    """A curve: figures over steps. Points that are not finite are left out."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


class LinePanel(NamedTuple):
    """One small chart of a set: its title, the name of its x axis and its curves."""

    title: str
    x_label: str
    lines: Sequence[Line]


class HistogramPanel(NamedTuple):
    """One histogram of a set: counts between edges (one more), and the value from which on a rule judges."""

    title: str
    edges: Sequence[float]
    counts: Sequence[int]
    threshold: float
    above: bool
    """Whether values over the threshold break the rule (False: values under it)."""
    logarithmic: bool = False
    open_end: bool = False
    """Whether the last bar holds everything beyond its lower edge."""


def interval_chart(
    labels: Sequence[str], panels: Sequence[IntervalPanel], *, name: str, description: str, emphasis: str | None = None
) -> str:
    """Dots with whiskers: one row a label, one panel a metric. `emphasis` is the label drawn in bold and filled."""
    label_px = _text_px(labels)

    def draw(figure: Figure, width: int) -> int:
        n_columns, n_rows = _columns(len(panels), width)
        row_px = 27
        layout = _Grid(
            width, n_columns, n_rows, row_px * len(labels), left=label_px, gap_x=60, top=34, gap_y=66, right=58
        )
        layout.resize(figure)
        for index, panel in enumerate(panels):
            show_labels = n_columns == 1 or index % n_columns == 0
            _draw_intervals(layout.axes(figure, index), labels, panel, emphasis, show_labels)
        return layout.height

    return _both(draw, name, description)


def line_panels(panels: Sequence[LinePanel], *, name: str, description: str) -> str:
    """Small charts of curves side by side; long curves are drawn as mean and range of bins."""

    def draw(figure: Figure, width: int) -> int:
        n_columns, n_rows = _columns(len(panels), width)
        layout = _Grid(width, n_columns, n_rows, 150, left=46, gap_x=58, top=34, gap_y=84, right=14, bottom=46)
        layout.resize(figure)
        for index, panel in enumerate(panels):
            _draw_lines(layout.axes(figure, index), panel)
        return layout.height

    return _both(draw, name, description)


def histograms(panels: Sequence[HistogramPanel], *, name: str, description: str) -> str:
    """Small histograms side by side, counts on a logarithmic axis; the dashed line is the threshold, hatched bars are
    beyond it.

    Drawn without matplotlib: a page has dozens, and bars are only rectangles.
    """
    drawn = []
    for width, size in ((WIDE, "wide"), (NARROW, "narrow")):
        n_columns, n_rows = _columns(len(panels), width)
        layout = _Grid(width, n_columns, n_rows, 120, left=52, gap_x=60, top=34, gap_y=70, right=20, bottom=30)
        pattern = f"{name}-{size}-hatch"
        parts = [
            f'<defs><pattern id="{pattern}" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><rect width="5" height="5" fill="{_variable("paper")}"/>'
            f'<rect width="3" height="5" fill="{_variable("second")}"/></pattern></defs>'
        ]
        for index, panel in enumerate(panels):
            row, column = divmod(index, n_columns)
            x = layout.left + column * (layout.panel_width + layout.gap_x)
            y = layout.top + row * (layout.panel_px + layout.gap_y)
            parts.append(_histogram(panel, x, y, layout.panel_width, layout.panel_px, pattern))
        drawn.append(
            f'<svg class="figure-{size}" role="img" viewBox="0 0 {width} {layout.height}" width="{width}" '
            f'height="{layout.height}" xmlns="http://www.w3.org/2000/svg" font-family="inherit" font-size="12" '
            f'aria-label="{html.escape(description)}">\n' + "\n".join(parts) + "\n</svg>\n"
        )
    return "".join(drawn)


def stacked_bars(
    rows: Sequence[tuple[str, Sequence[float]]],
    parts: Sequence[str],
    *,
    name: str,
    description: str,
    roles: Sequence[str] | None = None,
    shares: bool = False,
    unit: str = "",
) -> str:
    """Horizontal bars, one a row, split into `parts`; with `shares`, every bar has full length and a line at one half.

    A part that is wide enough carries its number; the sum stands at the end of the bar (not with `shares`).
    """
    label_px = _text_px([label for label, _ in rows])
    colours = list(roles or [SERIES[i % len(SERIES)] for i in range(len(parts))])

    def draw(figure: Figure, width: int) -> int:
        left = label_px if width == WIDE else 2
        row_px = 34 if width == WIDE else 54
        legend_rows = _legend_rows(parts, width - 4) if len(parts) > 1 else 0
        right = 14 if shares else 82
        bottom = 24 if shares else 4
        layout = _Grid(width, 1, 1, row_px * len(rows), left=left, top=8 + 24 * legend_rows, right=right, bottom=bottom)
        layout.resize(figure)
        axes = layout.axes(figure, 0)
        _draw_stacks(axes, rows, colours, shares, unit, above=width == NARROW, width_px=width - left - right)
        if legend_rows:
            _draw_legend(figure, parts, colours, width, layout.height)
        return layout.height

    return _both(draw, name, description)


def paired_dots(
    rows: Sequence[tuple[str, Whisker | None, Whisker | None]], pair: tuple[str, str], *, name: str, description: str
) -> str:
    """Two values a row joined by a line, for instance pass@1 and pass@8: the gap is what a better choice could win."""
    label_px = _text_px([row[0] for row in rows])

    def draw(figure: Figure, width: int) -> int:
        layout = _Grid(width, 1, 1, 30 * len(rows), left=label_px, top=34, right=18, bottom=26)
        layout.resize(figure)
        axes = layout.axes(figure, 0)
        _frame(axes, len(rows), percent=True)
        axes.set_yticks(range(len(rows)), [label for label, _, _ in rows], parse_math=False)
        for y, (_, first, second) in enumerate(rows):
            if first and second:
                axes.plot([first.value, second.value], [y, y], color=_hex("quiet"), linewidth=5, zorder=1)
            for whisker, role, marker in ((first, "accent", "o"), (second, "second", "s")):
                if whisker:
                    axes.plot([whisker.low, whisker.high], [y, y], color=_hex(role), linewidth=1.4, zorder=2)
                    axes.plot([whisker.value], [y], marker, color=_hex(role), markersize=8, zorder=3)
        _draw_legend(figure, pair, ("accent", "second"), width, layout.height, markers=("o", "s"))
        return layout.height

    return _both(draw, name, description)


# ---- drawing -----------------------------------------------------------------------------------------------------


def _draw_intervals(
    axes: Axes, labels: Sequence[str], panel: IntervalPanel, emphasis: str | None, show_labels: bool
) -> None:
    _frame(axes, len(labels), percent=panel.percent)
    axes.set_title(panel.title, loc="left", fontsize=13, fontweight="bold", color=_hex("ink"), pad=9, parse_math=False)
    known = [w for w in panel.values if w is not None]
    if panel.percent:
        # Room is given to small rates too, but the axis always starts at nought.
        top = max([w.high for w in known], default=1.0)
        axes.set_xlim(0, 1.0 if top > 0.5 else 0.5 if top > 0.25 else 0.25)
    elif known:
        low, high = min(w.low for w in known), max(w.high for w in known)
        margin = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
        axes.set_xlim(low - margin, high + margin)
    if panel.reference is not None:
        axes.axvline(panel.reference, color=_hex("muted"), linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    for y, (label, whisker) in enumerate(zip(labels, panel.values, strict=True)):
        final = label == emphasis
        weight = "bold" if final else "normal"
        beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        if whisker is None:
            axes.annotate("–", (1, y), (8, 0), **_text("muted"), **beside)
            continue
        colour = _hex("accent") if final else _hex("muted")
        bar: dict[str, Any] = {"linewidth": 2.4, "solid_capstyle": "round", "clip_on": False}
        axes.plot([whisker.low, whisker.high], [y, y], color=colour, zorder=2, **bar)
        dot: dict[str, Any] = {"markeredgewidth": 2, "markersize": 8, "clip_on": False}
        axes.plot(
            [whisker.value], [y], "o", color=colour, markerfacecolor=colour if final else _hex("paper"), zorder=3, **dot
        )
        text = format_percent(whisker.value) if panel.percent else format_number(whisker.value)
        axes.annotate(text, (1, y), (8, 0), fontweight=weight, **_text("ink"), **beside)
    ticks = list(labels) if show_labels else [""] * len(labels)
    axes.set_yticks(range(len(labels)), ticks, parse_math=False)
    for tick, label in zip(axes.get_yticklabels(), labels, strict=True):
        tick.set_fontweight("bold" if label == emphasis else "normal")


def _draw_lines(axes: Axes, panel: LinePanel) -> None:
    _plain(axes)
    axes.set_title(panel.title, loc="left", fontsize=13, fontweight="bold", color=_hex("ink"), pad=9, parse_math=False)
    axes.set_xlabel(panel.x_label, fontsize=12, color=_hex("muted"), labelpad=5, parse_math=False)
    axes.grid(axis="y", color=_hex("line"), linewidth=1)
    axes.locator_params(axis="both", nbins=5)
    for index, line in enumerate(panel.lines):
        x, mean, low, high = binned(line.x, line.y)
        colour = _hex(SERIES[index % len(SERIES)])
        style: Any = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))[index % 4]
        if len(x) < len(line.x):
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        marker = _MARKERS[index % len(_MARKERS)] if len(x) <= 12 else ""
        axes.plot(x, mean, color=colour, linewidth=2, linestyle=style, label=line.label, marker=marker, markersize=5)
    if len(panel.lines) > 1:
        legend = axes.legend(frameon=False, fontsize=11, labelcolor=_hex("ink"), handlelength=1.8, borderaxespad=0.1)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _variable(role: str) -> str:
    return f"var(--fig-{role},{_hex(role)})"


def _histogram(panel: HistogramPanel, x0: float, y0: float, width: float, height: float, pattern: str) -> str:
    """One histogram as SVG, its axes' upper left corner at (x0, y0)."""
    edges, line = panel.edges, panel.threshold
    top = 1.6 * max([*panel.counts, 1])
    low, high = (math.log(e) if panel.logarithmic else e for e in (edges[0], edges[-1]))

    def at(value: float) -> float:
        place = math.log(max(value, edges[0])) if panel.logarithmic else value
        return x0 + width * min(1.0, max(0.0, (place - low) / (high - low)))

    def level(count: float) -> float:
        return y0 + height * (1 - math.log(max(count, 0.6) / 0.6) / math.log(top / 0.6))

    def text(x: float, y: float, said: str, anchor: str, role: str = "muted", more: str = "") -> str:
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        return f'<text {place} fill="{_variable(role)}"{more}>{html.escape(said)}</text>'

    parts = [text(x0, y0 - 12, panel.title, "start", "ink", ' font-weight="bold"')]
    powers = [10**k for k in range(13) if 10**k <= top]
    for count in powers[:: max(1, (len(powers) + 1) // 3)]:
        y = level(count)
        parts.append(f'<path d="M{x0:.1f} {y:.1f}h{width:.1f}" stroke="{_variable("line")}"/>')
        parts.append(text(x0 - 8, y + 4, format_number(count), "end"))
    bars = {False: "", True: ""}
    for left, right, count in zip(edges, edges[1:], panel.counts, strict=False):
        if count:
            beyond = right > line + 1e-9 if panel.above else left < line - 1e-9
            a, b, y = at(left), at(right), level(count)
            bars[beyond] += f"M{a:.1f} {y0 + height:.1f}V{y:.1f}H{max(a + 0.8, b - 0.6):.1f}V{y0 + height:.1f}z"
    for beyond, path in bars.items():
        if path:
            parts.append(f'<path d="{path}" fill="{f"url(#{pattern})" if beyond else _variable("accent")}"/>')
    parts.append(f'<path d="M{x0:.1f} {y0 + height:.1f}h{width:.1f}" stroke="{_variable("muted")}"/>')
    dash = f'stroke="{_variable("ink")}" stroke-width="1.5" stroke-dasharray="4 3"'
    parts.append(f'<path d="M{at(line):.1f} {y0 - 4:.1f}V{y0 + height:.1f}" {dash}/>')
    if panel.logarithmic:
        inner = [10**k for k in range(13) if edges[0] <= 10**k <= edges[-1]]
        inner = inner[:: max(1, (len(inner) + 1) // 3)]
        marks = [(value, format_number(value)) for value in inner]
    else:
        last = format_number(edges[-1]) + (" +" if panel.open_end else "")
        middle = (edges[0] + edges[-1]) / 2
        marks = [(edges[0], format_number(edges[0])), (middle, format_number(middle)), (edges[-1], last)]
    parts += [text(at(value), y0 + height + 18, said, "middle") for value, said in marks]
    return "".join(parts)


def _draw_stacks(
    axes: Axes,
    rows: Sequence[tuple[str, Sequence[float]]],
    roles: Sequence[str],
    shares: bool,
    unit: str,
    *,
    above: bool,
    width_px: int,
) -> None:
    _plain(axes)
    longest = max((sum(values) for _, values in rows), default=0.0) or 1.0
    axes.set_xlim(0, 1.0 if shares else longest)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    height = 0.42 if above else 0.68
    middle = 0.18 if above else 0.0
    offset: dict[str, Any] = {"textcoords": "offset points"}
    for y, (label, values) in enumerate(rows):
        total = sum(values)
        scale = (1.0 / total if total else 0.0) if shares else 1.0
        start = 0.0
        for index, value in enumerate(values):
            length = value * scale
            if length <= 0:
                continue
            role = roles[index % len(roles)]
            box: dict[str, Any] = {"color": _hex(role), "edgecolor": _hex("paper"), "linewidth": 1}
            axes.barh(y + middle, length, height, left=start, **box)
            number = format_number(value)
            room = length / (1.0 if shares else longest) * width_px
            if len(roles) > 1 and room > 7.6 * len(number) + 6:
                on = "ink" if role == "quiet" else "on-strong"
                centre = start + length / 2
                beside_px = 4 * len(number) + 8
                if shares and abs(centre - 0.5) * width_px < beside_px:
                    centre = 0.5 + beside_px / width_px  # clear of the line at one half
                axes.text(centre, y + middle, number, ha="center", fontweight="bold", **_text(on))
            start += length
        if not shares:
            text = f"{format_number(total)}{unit}"
            axes.annotate(text, (start, y + middle), (6, 0), annotation_clip=False, **_text("ink"), **offset)
        if above:
            axes.text(0, y - 0.18, label, ha="left", parse_math=False, **_text("ink"))
    if shares:
        axes.axvline(0.5, color=_hex("ink"), linewidth=1.2, linestyle=(0, (4, 3)))
        offset["xycoords"] = ("data", "axes fraction")
        axes.annotate("50 %", (0.5, 0), (0, -13), ha="center", annotation_clip=False, **_text("muted"), **offset)
    axes.set_yticks(range(len(rows)), [""] * len(rows) if above else [label for label, _ in rows], parse_math=False)


def _frame(axes: Axes, n_rows: int, *, percent: bool) -> None:
    """Rows from top to bottom, light vertical grid, percentages on the x axis."""
    _plain(axes)
    axes.set_ylim(n_rows - 0.5, -0.5)
    axes.grid(axis="x", color=_hex("line"), linewidth=1)
    axes.spines["bottom"].set_visible(False)
    if percent:
        axes.set_xlim(0, 1)
        axes.locator_params(axis="x", nbins=4, steps=[1, 2.5, 5, 10])
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    else:
        axes.locator_params(axis="x", nbins=4)


def _text(role: str) -> dict[str, Any]:
    return {"fontsize": 12, "color": _hex(role), "va": "center_baseline"}


def _plain(axes: Axes) -> None:
    axes.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_hex("line"))
    axes.tick_params(axis="x", length=0, labelsize=12, labelcolor=_hex("muted"), pad=6)
    axes.tick_params(axis="y", length=0, labelsize=12, labelcolor=_hex("ink"), pad=8)
    axes.set_axisbelow(True)


def _draw_legend(
    figure: Figure,
    parts: Sequence[str],
    roles: Sequence[str],
    width: int,
    height: int,
    markers: Sequence[str] = (),
) -> None:
    """A legend set by hand above the axes, so that its place does not depend on measured text."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    x, y = 2.0, height - 13.0
    for index, part in enumerate(parts):
        room = 20 + 7.2 * len(part) + 16
        if x > 2 and x + room > width:
            x, y = 2.0, y - 24
        colour = _hex(roles[index % len(roles)])
        if markers:
            dot = Line2D([(x + 6) / width], [y / height], marker=markers[index], color=colour, markersize=8)
            figure.add_artist(dot)
        else:
            box = Rectangle((x / width, (y - 6) / height), 12 / width, 12 / height, facecolor=colour, linewidth=0)
            figure.add_artist(box)
        figure.text((x + 18) / width, y / height, part, parse_math=False, **_text("ink"))
        x += room


def _legend_rows(parts: Sequence[str], width: int) -> int:
    rows, x = 1, 2.0
    for part in parts:
        room = 20 + 7.2 * len(part) + 16
        if x > 2 and x + room > width:
            rows, x = rows + 1, 2.0
        x += room
    return rows


def _columns(n_panels: int, width: int) -> tuple[int, int]:
    """Columns and rows of a set of panels: up to three beside each other where there is room, four as two by two."""
    n_columns = 1 if width == NARROW else 2 if n_panels == 4 else min(n_panels, 3)
    return n_columns, -(-n_panels // n_columns)


class _Grid:
    """Panels of equal size, placed by pixels: figures of a page line up whatever their text."""

    def __init__(
        self, width: int, n_columns: int, n_rows: int, panel_px: int, *, left: int, top: int, right: int,
        gap_x: int = 0, gap_y: int = 0, bottom: int = 28,
    ) -> None:  # fmt: skip
        self.width, self.left, self.top, self.gap_x, self.gap_y = width, left, top, gap_x, gap_y
        self.n_columns, self.panel_px = n_columns, panel_px
        self.panel_width = (width - left - right - gap_x * (n_columns - 1)) / n_columns
        self.height = top + n_rows * panel_px + (n_rows - 1) * gap_y + bottom

    def resize(self, figure: Figure) -> None:
        figure.set_size_inches(self.width / 72, self.height / 72)

    def axes(self, figure: Figure, index: int) -> Axes:
        row, column = divmod(index, self.n_columns)
        x = self.left + column * (self.panel_width + self.gap_x)
        y = self.height - self.top - (row + 1) * self.panel_px - row * self.gap_y
        box = (x / self.width, y / self.height, self.panel_width / self.width, self.panel_px / self.height)
        return figure.add_axes(box)


# ---- numbers and points ------------------------------------------------------------------------------------------


def binned(
    x: Sequence[float], y: Sequence[float], max_points: int = _MAX_POINTS
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Finite points in at most `max_points` bins of equal count: mean x, mean y, lowest y, highest y."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    n_bins = min(len(points), max_points)
    edges = [len(points) * i // n_bins for i in range(n_bins + 1)] if n_bins else []
    bins = [points[start:end] for start, end in itertools.pairwise(edges)]
    return (
        [sum(a for a, _ in part) / len(part) for part in bins],
        [sum(b for _, b in part) / len(part) for part in bins],
        [min(b for _, b in part) for part in bins],
        [max(b for _, b in part) for part in bins],
    )


def format_percent(value: float) -> str:
    """0.7143 -> "71.4 %"."""
    return f"{100 * value:.1f} %"


def format_number(value: float) -> str:
    """A number as a reader wants it: 12345 -> "12,345", 0.012345 -> "0.0123", 118.04 -> "118"."""
    if not math.isfinite(value):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    if abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:.3g}"


def _text_px(labels: Sequence[str]) -> int:
    """Pixels to keep for a column of labels at 12 pixels a letter; browsers differ, so it is on the safe side."""
    return int(min(190, 7.2 * max((len(label) for label in labels), default=0) + 14))


# ---- from matplotlib to the page ---------------------------------------------------------------------------------


def _hex(role: str) -> str:
    return COLOURS[role][0]


def _both(draw: Callable[[Figure, int], int], name: str, description: str) -> str:
    return _render(draw, WIDE, "wide", name, description) + _render(draw, NARROW, "narrow", name, description)


def _render(draw: Callable[[Figure, int], int], width: int, size: str, name: str, description: str) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": f"{name}-{size}", "font.family": ["DejaVu Sans"]}
    settings |= {"font.size": 12.0, "text.usetex": False}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Letters that matplotlib's font lacks (Korean names) are drawn by the browser, which has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(dpi=72)
        height = draw(figure, width)
        buffer = io.StringIO()
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    return _inline(buffer.getvalue(), f"{name}-{size}", f"figure-{size}", width, height, description)


def _inline(svg: str, prefix: str, css_class: str, width: int, height: int, description: str) -> str:
    """matplotlib's file as an element of a page: no prologue, ids of its own, the page's font and colours."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, count=1, flags=re.S)
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.S)
    body = body[body.index(">") + 1 : body.rindex("</svg>")]
    # Only tags are rewritten: what stands between them is the caller's text, escaped by matplotlib.
    body = "".join(_tag(part, prefix) if part.startswith("<") else part for part in re.split(r"(<[^>]*>)", body))
    body = re.sub(r"\s*\n\s*", "\n", _without_bare_groups(body)).strip()
    head = (
        f'<svg class="{css_class}" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'xmlns="http://www.w3.org/2000/svg" stroke-linejoin="round" font-family="inherit" '
        f'aria-label="{html.escape(description)}">'
    )
    return f"{head}\n{body}\n</svg>\n"


def _tag(tag: str, prefix: str) -> str:
    """One tag of matplotlib's: ids made unique in the page or dropped, font and colours of the page, two decimals."""
    tag = re.sub(r"font-family: [^;\"]+;?\s*", "", tag)
    tag = re.sub(r'\s*transform="rotate\(-0 [^"]*\)"', "", tag)
    # Groups are numbered (axes_1, xtick_3, LineCollection_1); only clip paths and markers are referred to.
    tag = re.sub(r'\sid="[\w.]+_\d+"', "", tag)
    tag = re.sub(r'\sid="([^"]+)"', rf' id="{prefix}-\1"', tag)
    tag = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', tag)
    tag = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", tag)
    for role, (light, _) in COLOURS.items():
        tag = tag.replace(light, f"var(--fig-{role},{light})")
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", tag)


def _without_bare_groups(body: str) -> str:
    """The drawing without `<g>` without attributes (six around each tick) and invisible paths."""
    body = re.sub(r'<path d="[^"]*" style="fill: none"/>', "", body)
    body = body.replace("<g/>", "")
    bare: list[bool] = []
    parts: list[str] = []
    for part in re.split(r"(<g(?:\s[^>]*)?>|</g>)", body):
        if part == "<g>" or part.startswith("<g "):
            bare.append(part == "<g>")
            parts.append("" if bare[-1] else part)
        elif part == "</g>":
            parts.append("" if bare.pop() else part)
        else:
            parts.append(part)
    return "".join(parts)
