"""Charts: right numbers in the right places, safe to put into a page, the same bytes every time."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from herdbook import figures
from herdbook.figures import IntervalPanel, Line, LinePanel, Whisker

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert("1.23456")</script> & $x_1$ id="a" 도움말'


def drawings(markup: str) -> list[ElementTree.Element]:
    """The two drawings of a chart, parsed; this fails where the markup is not well-formed."""
    return list(ElementTree.fromstring(f"<div>{markup}</div>"))


def texts(svg: ElementTree.Element) -> list[str]:
    return ["".join(t.itertext()) for t in svg.iter(f"{SVG}text")]


CHARTS = {
    "interval": lambda label: figures.interval_chart(
        [label, "sft"],
        [
            IntervalPanel("accuracy " + label, [Whisker(0.7, 0.6, 0.8), None]),
            IntervalPanel("bits", [Whisker(1.9, 1.8, 2), Whisker(3, 2.5, 3.5)], percent=False),
        ],
        name="interval",
        description=label,
        emphasis="sft",
    ),
    "lines": lambda label: figures.line_panels(
        [LinePanel(label, "step", [Line(label, range(400), [1 / (i + 1) for i in range(400)]), Line("b", [1], [0.5])])],
        name="lines",
        description=label,
    ),
    "stacks": lambda label: figures.stacked_bars(
        [(label, [30, 0, 10]), ("none", [0, 0, 0])],
        [label, "tie", "loss"],
        name="stacks",
        description=label,
        shares=True,
    ),
    "pairs": lambda label: figures.paired_dots(
        [(label, Whisker(0.4, 0.3, 0.5), Whisker(0.6, 0.5, 0.7)), ("x", None, None)],
        (label, "pass@8"),
        name="pairs",
        description=label,
    ),
}


@pytest.mark.parametrize("name", CHARTS)
def test_two_drawings_with_a_description(name):
    wide, narrow = drawings(CHARTS[name]("base"))
    assert (wide.get("class"), narrow.get("class")) == ("figure-wide", "figure-narrow")
    assert wide.get("viewBox", "").split()[2:3] == ["920"] and narrow.get("viewBox", "").split()[2:3] == ["350"]
    for svg in (wide, narrow):
        assert svg.get("role") == "img" and svg.get("aria-label") == "base"
        assert any(t == "base" for t in texts(svg))


@pytest.mark.parametrize("name", CHARTS)
def test_text_is_data(name):
    markup = CHARTS[name](HOSTILE)
    for svg in drawings(markup):
        assert svg.get("aria-label") == HOSTILE
        assert HOSTILE in texts(svg), "the label must arrive letter by letter, neither as markup nor as mathematics"
        assert not list(svg.iter(f"{SVG}script"))
    assert "<script" not in markup


@pytest.mark.parametrize("name", CHARTS)
def test_nothing_is_fetched_and_every_colour_follows_the_page(name):
    markup = CHARTS[name]("base").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http" not in markup and "data:" not in markup and "font-family: " not in markup
    bare = re.sub(r"var\(--fig-[a-z-]+,#[0-9a-f]{6}\)", "", markup)
    assert not re.findall(r"#[0-9a-f]{6}\b", bare), "a colour that does not change in dark mode"


@pytest.mark.parametrize("name", CHARTS)
def test_same_input_same_bytes(name):
    assert CHARTS[name]("base") == CHARTS[name]("base")


def test_ids_are_unique_in_a_page_and_references_resolve():
    page = "".join(chart("base") for chart in CHARTS.values())
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = re.findall(r'href="#([^"]+)"', page) + re.findall(r"url\(#([^)]+)\)", page)
    assert used and set(used) <= set(ids)


def test_interval_chart_writes_values_and_marks_what_is_missing():
    wide, narrow = drawings(CHARTS["interval"]("base"))
    for svg in (wide, narrow):
        assert {"70.0 %", "–", "1.90", "3"} <= set(texts(svg))
        bold = [t for t in svg.iter(f"{SVG}text") if "font-weight: 700" in t.get("style", "")]
        assert {"sft", "bits"} <= {"".join(t.itertext()) for t in bold}
        assert "base" not in {"".join(t.itertext()) for t in bold}


def test_stacked_bars_are_as_long_as_their_numbers():
    markup = figures.stacked_bars([("a", [300, 100]), ("b", [100, 0])], ["kept", "dropped"], name="s", description="")
    wide = drawings(markup)[0]
    lengths = []
    for path in wide.iter(f"{SVG}path"):
        if "--fig-accent" in path.get("style", "") and "--fig-paper" in path.get("style", ""):
            xs = [float(x) for x in re.findall(r"[ML] (\S+) \S+", path.get("d", ""))]
            lengths.append(max(xs) - min(xs))
    assert len(lengths) == 2
    assert lengths[0] == pytest.approx(3 * lengths[1], rel=1e-3)
    assert {"300", "100", "400"} <= set(texts(wide))


def test_bins_keep_means_and_extremes_and_leave_out_what_is_not_finite():
    y = [float(i % 7) for i in range(1000)]
    y[500] = math.nan
    y[501] = 99.0
    x, mean, low, high = figures.binned(range(1000), y, max_points=100)
    assert len(x) == 100 and x == sorted(x)
    assert max(high) == 99.0 and min(low) == 0.0
    assert all(a <= b <= c for a, b, c in zip(low, mean, high))
    assert figures.binned([1, 2], [3.0, 4.0]) == ([1, 2], [3.0, 4.0], [3.0, 4.0], [3.0, 4.0])
    assert figures.binned([], []) == ([], [], [], [])


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345, "12,345"), (12345.6, "12,346"), (118.04, "118"), (11.26, "11.3"), (1.904, "1.90"), (0.012345, "0.0123"),
     (0.0, "0"), (-2.5, "-2.50"), (float("nan"), "nan")],
)  # fmt: skip
def test_numbers_as_a_reader_wants_them(value, text):
    assert figures.format_number(value) == text


def test_percent():
    assert figures.format_percent(0.7143) == "71.4 %"


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_contrast_meets_wcag(mode):
    colour = {role: pair[mode] for role, pair in figures.COLOURS.items()}
    for role in ("ink", "muted"):
        assert contrast(colour[role], colour["paper"]) >= 4.5
    for role in figures.SERIES:
        assert contrast(colour[role], colour["paper"]) >= 3.0, f"{role}: marks need 3:1"
        assert contrast(colour[role], colour["on-strong"]) >= 4.5, f"{role}: letters on it need 4.5:1"
    assert contrast(colour["ink"], colour["quiet"]) >= 4.5


def test_light_colours_are_distinct_because_they_mark_their_variables():
    light = [pair[0] for pair in figures.COLOURS.values()]
    assert len(light) == len(set(light))


def test_importing_loads_no_plotting_library():
    code = "import sys, herdbook.figures; sys.exit('matplotlib' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
