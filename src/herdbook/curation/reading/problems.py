"""What could not be read: counted by reason, with a few examples of each put aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EXCERPT_CHARACTERS = 200


def shown(value: str | bytes, most: int = EXCERPT_CHARACTERS) -> str:
    """A text or bytes as an excerpt: at most `most` characters, nothing that a terminal obeys or that is not UTF-8."""
    if isinstance(value, bytes):
        value = value[: 4 * most].decode("utf-8", "replace")
    clean = value[:most].encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else "\ufffd" if c not in "\n\r\t" else " " for c in clean)


@dataclass
class Problems:
    """Counts by reason (all of them), and `rows` {path, position, reason, detail, excerpt}: the quarantine, at most
    `rows_per_reason` of each reason. The reasons are listed in docs/curation.md, "Readers"."""

    counts: Counter[str] = field(default_factory=Counter)
    rows: list[dict[str, Any]] = field(default_factory=list)
    rows_per_reason: int = 20

    def add(
        self, reason: str, path: str = "", position: int | None = None, detail: str = "", excerpt: str | bytes = b"",
        n: int = 1,
    ) -> None:  # fmt: skip
        """Counts a problem, `n` times. `position`: bytes (unfolded) or rows before it, None for a whole file."""
        if self.counts[reason] < self.rows_per_reason:
            row = {"path": shown(path, 1000), "position": position, "reason": reason}
            self.rows.append({**row, "detail": shown(detail), "excerpt": shown(excerpt)})
        self.counts[reason] += n

    def merge(self, other: Problems) -> None:
        """Adds what another has counted; its examples are taken while there is room."""
        room = {
            reason: self.rows_per_reason - sum(row["reason"] == reason for row in self.rows) for reason in other.counts
        }
        for row in other.rows:
            if room.get(row["reason"], 0) > 0:
                room[row["reason"]] -= 1
                self.rows.append(row)
        self.counts.update(other.counts)

    def to_json(self) -> dict[str, Any]:
        """{"counts": {reason: n}, "rows": [...]}, counts in order of their names."""
        return {"counts": dict(sorted(self.counts.items())), "rows": [dict(row) for row in self.rows]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Problems:
        """The reverse of `to_json`."""
        return cls(Counter(data["counts"]), [dict(row) for row in data["rows"]])
