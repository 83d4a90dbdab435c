"""The distinct pieces of a stream of texts and how often each comes, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN, split

BYTES_PER_SYMBOL = 32
"""Memory that learning takes for each byte of the distinct pieces (`merge_kernels.py`), pairs included."""
BYTES_PER_PIECE = 40
"""Memory that counting takes for each distinct piece beside its bytes."""


class PieceCounts:
    """Counts pieces text by text. Where they would take more than `max_bytes`, the rarest are forgotten.

    Exact as long as nothing was forgotten (`forgotten` = 0); after that, a piece that was forgotten and comes again
    starts anew, so a count is too low by at most `threshold`. Same texts in the same order: same counts.
    """

    def __init__(self, split_pattern: str = LLAMA3_SPLIT_PATTERN, max_bytes: int = 4_000_000_000) -> None:
        self.split_pattern = split_pattern
        self.max_bytes = max_bytes
        self.forgotten = 0
        """Occurrences of pieces that were dropped."""
        self.threshold = 0
        """Pieces were dropped that had been counted up to so many times."""
        self._used = np.zeros(2, dtype=np.int64)
        self._slots_S = np.full(1 << 17, -1, dtype=np.int32)
        self._hashes_P = np.zeros(1 << 16, dtype=np.uint64)
        self._counts_P = np.zeros(1 << 16, dtype=np.int64)
        self._offsets_P = np.zeros((1 << 16) + 1, dtype=np.int64)
        self._arena_A = np.zeros(1 << 20, dtype=np.uint8)

    def __len__(self) -> int:
        return int(self._used[0])

    def add(self, text: str) -> None:
        """Count the pieces of one text (without surrogates)."""
        if self.split_pattern == LLAMA3_SPLIT_PATTERN:
            self._add(np.frombuffer(text.encode("utf-8"), dtype=np.uint8), whole=False)
            return
        for piece in split(text, self.split_pattern):
            self._add(np.frombuffer(piece.encode("utf-8"), dtype=np.uint8), whole=True)

    def add_all(self, texts: Iterable[str]) -> None:
        """Count the pieces of several texts."""
        for text in texts:
            self.add(text)

    def _add(self, utf8: np.ndarray, *, whole: bool) -> None:
        from herdbook.tokenizer.piece_kernels import character_classes, count_into

        classes = character_classes()
        at, end = 0, utf8.size
        while at < end:
            at = count_into(
                utf8, at, end, classes, self._slots_S, self._hashes_P, self._offsets_P, self._counts_P,
                self._arena_A, self._used, whole,
            )  # fmt: skip
            if at < end:
                self._make_room(longest=end - at)
        if self.needed_bytes() > self.max_bytes:
            self._make_room(longest=0)

    def _make_room(self, longest: int) -> None:
        """Larger arrays; before that, fewer pieces where the larger ones would take too much memory."""
        from herdbook.tokenizer.piece_kernels import forget, rebuild_slots

        while self.needed_bytes() > self.max_bytes and len(self):
            counts = self._counts_P[: len(self)]
            self.threshold = max(self.threshold + 1, int(np.partition(counts, counts.size // 2)[counts.size // 2]))
            self.forgotten += int(counts[counts <= self.threshold].sum())
            forget(self._hashes_P, self._offsets_P, self._counts_P, self._arena_A, self._used, self.threshold)
        n, filled = int(self._used[0]), int(self._used[1])
        if n * 2 > self._hashes_P.size:
            size = self._hashes_P.size * 2
            self._hashes_P = _larger(self._hashes_P, size)
            self._counts_P = _larger(self._counts_P, size)
            self._offsets_P = _larger(self._offsets_P, size + 1)
            self._slots_S = np.full(size * 2, -1, dtype=np.int32)
        if filled * 2 > self._arena_A.size or filled + longest > self._arena_A.size:
            self._arena_A = _larger(self._arena_A, max(self._arena_A.size * 2, filled + longest))
        rebuild_slots(self._slots_S, self._hashes_P, n)

    def needed_bytes(self) -> int:
        """Memory for these pieces, and for learning from them."""
        n, filled = int(self._used[0]), int(self._used[1])
        return n * BYTES_PER_PIECE + filled * (1 + BYTES_PER_SYMBOL)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(bytes of all pieces, uint8; where each begins and the last ends, int64; count of each, int64)."""
        n, filled = int(self._used[0]), int(self._used[1])
        return self._arena_A[:filled], self._offsets_P[: n + 1], self._counts_P[:n]

    def as_dict(self) -> dict[bytes, int]:
        """Piece -> count."""
        content, offsets, counts = self.arrays()
        whole = content.tobytes()
        bounds = offsets.tolist()
        return {whole[bounds[i] : bounds[i + 1]]: int(count) for i, count in enumerate(counts)}


def _larger(array: np.ndarray, size: int) -> np.ndarray:
    out = np.zeros(size, dtype=array.dtype)
    out[: array.size] = array
    return out
