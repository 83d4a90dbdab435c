"""The hashed lines of a measured unit as three flat files, 12 bytes for each line: what counting and cutting need."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from herdbook.curation.dedup.flat import FlatFile
from herdbook.curation.dedup.lines import Lines


def _files(folder: Path) -> tuple[FlatFile, FlatFile, FlatFile]:
    return (
        FlatFile(folder / "line_keys.u64", np.uint64),
        FlatFile(folder / "line_marks.u32", np.uint32),
        FlatFile(folder / "line_offsets.i64", np.int64),
    )


class LineFiles:
    """Lines appended batch by batch, in the order of the documents."""

    def __init__(self, folder: Path) -> None:
        self._keys, self._marks, self._offsets = _files(folder)
        self._offsets.append(np.zeros(1, dtype=np.int64))
        self._n_lines = 0

    def append(self, lines: Lines) -> None:
        """Adds the lines of further documents."""
        self._keys.append(lines.keys_L)
        self._marks.append(lines.marks_L)
        self._offsets.append(lines.offsets_N1[1:] + self._n_lines)
        self._n_lines += len(lines.keys_L)

    def close(self) -> None:
        """Ends writing; the folder is synced by who publishes it."""
        for file in (self._keys, self._marks, self._offsets):
            file.close(sync=False)


def lines_of(folder: Path) -> Lines:
    """All lines of a folder, mapped from the disk; those of no document where files are missing or damaged."""
    keys, marks, offsets = (file.view() for file in _files(folder))
    if not len(offsets) or len(keys) != offsets[-1] or len(marks) != offsets[-1]:
        return Lines(keys[:0], marks[:0], np.zeros(1, dtype=np.int64))
    return Lines(keys, marks, offsets)
