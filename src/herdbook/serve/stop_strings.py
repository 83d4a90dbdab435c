"""Stop strings: text that ends an answer before it, wherever the borders of tokens and pieces lie."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Passes pieces of text on up to the first stop string, holding back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = [stop for stop in stops if stop]
        self.found = False
        self._held = ""

    def push(self, piece: str, *, last: bool = False) -> str:
        """The text that can be shown now; with `last`, all that was held back. Nothing once a stop string was found."""
        if self.found:
            return ""
        text = self._held + piece
        starts = [text.find(stop) for stop in self.stops if stop in text]
        if starts:
            self.found, self._held = True, ""
            return text[: min(starts)]
        keep = 0 if last else max((_overlap(text, stop) for stop in self.stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
