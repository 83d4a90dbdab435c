"""Progress: counting, rates, time left, sinks."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from herdbook import progress
from herdbook.progress import Progress


def test_events_carry_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    events: list[dict[str, Any]] = []
    with Progress(100, "steps", "sft", events.append, every=1.0) as bar:
        bar.start_at(40)
        now[0] += 0.5
        bar.update(1)
        assert events == []
        now[0] += 1.5
        bar.update(19, loss=1.25)
    assert len(events) == 2  # the update after more than a second, and the end
    assert events[0]["rate"] == 10.0  # 20 steps in 2 s: what was done before does not count
    assert events[0]["seconds_left"] == 4.0
    assert progress.describe(events[0]) == "sft   60%  60/100 steps  10/s  4.0 s left  loss 1.25"


def test_what_is_told_is_shown_at_once() -> None:
    events: list[progress.Event] = []
    bar = Progress(3, "steps", "curate", events.append, every=1000)
    bar.update(1, documents=7)
    assert not events
    bar.tell(step="near_duplicates")
    (event,) = events
    assert event["done"] == 1 and event["figures"] == {"documents": 7, "step": "near_duplicates"}
    assert progress.describe(event).endswith("step near_duplicates")


def test_without_a_total() -> None:
    bar = Progress(None, "documents", "collect", progress.quiet_sink)
    bar.update(5)
    assert bar.event()["seconds_left"] is None
    assert progress.describe(bar.event()).startswith("collect  5 documents")


def test_sinks() -> None:
    out = io.StringIO()
    Progress(2, "x", "y", progress.make_sink("json", out)).close()
    assert json.loads(out.getvalue())["total"] == 2
    plain = io.StringIO()
    sink = progress.TerminalSink(plain, interval=0.0)
    sink({"event": "say", "text": "hello"})
    Progress(2, "x", "y", sink).close()
    assert plain.getvalue().splitlines()[0] == "hello"
    assert "\r" not in plain.getvalue()
    with pytest.raises(ValueError, match="mode 'loud'"):
        progress.make_sink("loud")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_moving_line() -> None:
    screen = Terminal()
    sink = progress.TerminalSink(screen)
    bar = Progress(2, "x", "y", sink, every=0)
    bar.update(1)
    bar.update(1)
    sink.line("done")
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().endswith("done\n")


@pytest.mark.parametrize(
    "value, text", [(999, "999"), (12345, "12.3k"), (1234567, "1.23M"), (0.5, "0.5"), (3.0, "3"), (2e9, "2G")]
)
def test_count(value: float, text: str) -> None:
    assert progress.count(value) == text


@pytest.mark.parametrize(
    "seconds, text", [(0.12, "0.1 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3599.9, "1 h 00 min"), (7800, "2 h 10 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text
