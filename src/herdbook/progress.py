"""Progress of long work: done, rate, time left, figures. Where it is shown is the business of a sink.

A sink is a callable that takes one event (a dict with "event" and more). `terminal_sink` draws one moving line on a
terminal and prints a line now and then elsewhere, `json_sink` writes JSON lines, `quiet_sink` drops everything.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

Event = dict[str, Any]
Sink = Callable[[Event], None]


def quiet_sink(event: Event) -> None:
    """Shows nothing."""


def json_sink(stream: TextIO | None = None) -> Sink:
    """One JSON object a line, for machines. Default stream: standard output."""

    def show(event: Event) -> None:
        out = stream or sys.stdout
        out.write(json.dumps(event, ensure_ascii=False) + "\n")
        out.flush()

    return show


class TerminalSink:
    """One moving line on a terminal; without a terminal one plain line every `interval` seconds."""

    def __init__(self, stream: TextIO | None = None, interval: float = 15.0) -> None:
        self.stream = stream or sys.stderr
        self.is_terminal = self.stream.isatty()
        self.interval = interval
        self.prefix = ""
        self._last_line = time.monotonic()
        self._width = 0

    def __call__(self, event: Event) -> None:
        if event["event"] == "progress":
            self._progress(event)
        elif event["event"] == "say":
            self.line(str(event["text"]))

    def line(self, text: str) -> None:
        """Prints a line that stays."""
        self.clear()
        self.stream.write(text + "\n")
        self.stream.flush()

    def clear(self) -> None:
        """Wipes the moving line."""
        if self._width:
            self.stream.write("\r" + " " * self._width + "\r")
            self._width = 0

    def _progress(self, event: Event) -> None:
        text = self.prefix + describe(event)
        if self.is_terminal:
            columns = _columns()
            text = text[: columns - 1]
            self.stream.write("\r" + text.ljust(self._width))
            self.stream.flush()
            self._width = len(text)
        elif time.monotonic() - self._last_line >= self.interval:
            self.stream.write(text + "\n")
            self.stream.flush()
            self._last_line = time.monotonic()


def make_sink(mode: str = "auto", stream: TextIO | None = None) -> Sink:
    """The sink for a mode: "auto", "quiet" or "json"."""
    if mode == "quiet":
        return quiet_sink
    if mode == "json":
        return json_sink(stream)
    if mode == "auto":
        return TerminalSink(stream)
    raise ValueError(f"mode {mode!r}: expected 'auto', 'quiet' or 'json'")


class Progress:
    """Counts work done and tells a sink, at most every `every` seconds.

    `total` may be None where it is not known. Usage::

        with Progress(1000, "steps", "pretrain") as bar:
            bar.update(1, loss=2.3)
    """

    def __init__(
        self, total: float | None, unit: str = "", label: str = "", sink: Sink | None = None, *, every: float = 0.25
    ) -> None:
        self.total, self.unit, self.label = total, unit, label
        self.done = 0.0
        self.figures: dict[str, Any] = {}
        self._sink = sink if sink is not None else make_sink("auto")
        self._every = every
        self._start = self._last = time.monotonic()
        self._start_done = 0.0
        self._closed = False

    def start_at(self, done: float) -> None:
        """Work that an earlier process did; it counts as done but not for the rate."""
        self.done = self._start_done = done

    def update(self, n: float = 1, **figures: Any) -> None:
        """`n` more units are done; figures (a loss, a count) are shown beside."""
        self.done += n
        self.figures.update(figures)
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self._sink(self.event())

    def tell(self, **figures: Any) -> None:
        """Figures that are shown at once: for what is seldom said, such as the name of a step that begins."""
        self.figures.update(figures)
        self._last = time.monotonic()
        self._sink(self.event())

    def event(self) -> Event:
        """The present state: done, total, rate per second, seconds elapsed and left."""
        elapsed = time.monotonic() - self._start
        rate = (self.done - self._start_done) / elapsed if elapsed > 0 else 0.0
        left = (self.total - self.done) / rate if self.total is not None and rate > 0 else None
        return {
            "event": "progress", "label": self.label, "unit": self.unit, "done": self.done, "total": self.total,
            "rate": rate, "seconds": elapsed, "seconds_left": left, "figures": dict(self.figures),
        }  # fmt: skip

    def close(self) -> None:
        """Reports the last state once."""
        if not self._closed:
            self._closed = True
            self._sink(self.event())

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def describe(event: Event) -> str:
    """A progress event as one line of text."""
    done, total = event["done"], event["total"]
    parts = [event["label"]] if event["label"] else []
    if total:
        parts.append(f"{100 * done / total:3.0f}%")
    parts.append(f"{count(done)}/{count(total)} {event['unit']}" if total else f"{count(done)} {event['unit']}")
    if event["rate"]:
        parts.append(f"{count(event['rate'])}/s")
    if event["seconds_left"] is not None and done < (total or 0):
        parts.append(f"{duration(event['seconds_left'])} left")
    parts += [f"{name} {figure(value)}" for name, value in event["figures"].items()]
    return "  ".join(part.rstrip() for part in parts)


def figure(value: Any) -> str:
    """A number short enough to read at a glance."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def count(value: float) -> str:
    """1234567 -> "1.23M"."""
    for limit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.3g}{letter}"
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds as people say them: "8.2 s", "3 min 05 s", "2 h 10 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns
