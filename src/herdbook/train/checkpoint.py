"""Everything needed to resume, in one file per checkpoint, published by rename; the newest readable one counts.

A checkpoint holds tensors and plain values alone and is read with `weights_only=True`.
"""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

import torch

from herdbook.storage import atomic_open


class Checkpoints:
    """Saves at most every `seconds`, keeps the newest `keep`."""

    def __init__(self, folder: Path, seconds: float = 20.0, keep: int = 1) -> None:
        self.folder, self.seconds, self.keep = Path(folder), seconds, keep
        self._last = time.monotonic()

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.pt"))

    def due(self) -> bool:
        """Whether enough time has passed since the last one."""
        return time.monotonic() - self._last >= self.seconds

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Writes `state` as the checkpoint after `step` steps and drops older ones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step:08d}.pt"
        with atomic_open(path) as file:
            torch.save(state, file)
        for old in self._files()[: -self.keep]:
            old.unlink()
        self._last = time.monotonic()
        return path

    def load(self) -> tuple[int, dict[str, Any]] | None:
        """(step, state) of the newest readable checkpoint, or None."""
        for path in reversed(self._files()):
            try:
                return int(path.stem.removeprefix("step-")), torch.load(path, weights_only=True, map_location="cpu")
            except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError):
                continue
        return None
