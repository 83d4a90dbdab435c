"""Who sits in which row of the batch: continuous batching over contiguous rows.

The running sequences always fill rows 0 to n-1 of the cache, so that decoding reads it as one block, without gathering.
When a sequence ends, an unstarted sample of the same prompt takes its row over (the prompt's keys and values are still
there, untouched: nothing is computed or copied); otherwise the last row moves into the gap. A request with unstarted
samples therefore always holds a row, and further rows that fall free are filled from it by copying its prompt.

Only bookkeeping happens here, in numpy; the moves of cache rows that it implies are handed to the runner.

S running sequences (rows)  L positions  V vocabulary
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from herdbook.inference.randomness import sequence_key, uniforms
from herdbook.inference.sequence import FinishReason, Request, Sequence

_ROW = np.dtype(
    [
        ("token", np.int64),  # chosen, not yet fed to the model
        ("position", np.int64),  # where that token stands, counted from the start of the prompt
        ("generated", np.int64),  # tokens chosen so far
        ("limit", np.int64),
        ("key", np.uint64),
        ("temperature", np.float32),
        ("top_k", np.int64),
        ("top_p", np.float32),
        ("stop_set", np.int64),
    ]
)

CopyRow = Callable[[int, list[int], int], None]
"""copy(source row, target rows, number of positions)."""


class Scheduler:
    """Rows, the queue, and what has been generated so far."""

    def __init__(self, n_rows: int, max_len: int, vocab_size: int, copy_row: CopyRow) -> None:
        self.n_rows, self.max_len, self.vocab_size = n_rows, max_len, vocab_size
        self._copy_row = copy_row
        self.waiting: deque[Request] = deque()
        self.open: list[Request] = []  # prefilled, with samples not yet started
        self.running: list[Sequence] = []
        self.fresh: list[Sequence] = []  # in a row, prompt in the cache, first token not yet chosen
        self._rows = np.zeros(n_rows, dtype=_ROW)
        self._ids_SL = np.zeros((n_rows, max_len), dtype=np.int64)
        self._logprobs_SL = np.zeros((n_rows, max_len), dtype=np.float32)
        self._stop_sets: dict[frozenset[int], int] = {}
        self._is_stop = np.zeros((0, vocab_size), dtype=bool)

    # Requests come in.

    def stop_set(self, ids: frozenset[int]) -> int:
        """Row of the table of stop tokens for this set; ids outside the vocabulary can never occur and are left out."""
        if ids not in self._stop_sets:
            row_V = np.zeros((1, self.vocab_size), dtype=bool)
            row_V[0, [i for i in ids if 0 <= i < self.vocab_size]] = True
            self._is_stop = np.concatenate([self._is_stop, row_V])
            self._stop_sets[ids] = len(self._stop_sets)
        return self._stop_sets[ids]

    def add(self, request: Request) -> list[Sequence]:
        """Queues a request; returns its sequences, sample 0 first."""
        sequences = [
            Sequence(request, i, sequence_key(request.params.seed, request.number, i)) for i in range(request.params.n)
        ]
        request.unstarted = sequences[::-1]
        self.waiting.append(request)
        return sequences

    @property
    def n_free(self) -> int:
        """Rows without a sequence."""
        return self.n_rows - len(self.running)

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not (self.running or self.waiting)

    def next_prefill(self, max_tokens: int) -> list[Request]:
        """Takes waiting requests to prefill together, first come first served: one row each, at most max_tokens padded.

        While the batch is nearly full, waits until an eighth of the rows is free: a prefill costs about as much as a
        decoding step, and many small ones would stall those who decode.
        """
        if not self.waiting or (self.running and len(self.waiting) > self.n_free and self.n_free < self.n_rows // 8):
            return []
        taken: list[Request] = []
        longest = 0
        while self.waiting and len(taken) < self.n_free:
            longest = max(longest, len(self.waiting[0].prompt))
            if taken and longest * (len(taken) + 1) > max_tokens:
                break
            taken.append(self.waiting.popleft())
        return taken

    # Rows are given and taken.

    def start_prefilled(self, requests: list[Request]) -> None:
        """Starts the first sample of each request, whose prompts lie in the next free rows in this order."""
        for request in requests:
            self._start(request, len(self.running))
            if request.unstarted:
                self.open.append(request)

    def start_siblings(self) -> None:
        """Fills free rows with further samples of prefilled prompts, whose cache rows are copied."""
        while self.open and self.n_free:
            request = self.open[0]
            source = next(sequence.slot for sequence in self.running if sequence.request is request)
            first, count = len(self.running), min(len(request.unstarted), self.n_free)
            self._copy_row(source, list(range(first, first + count)), len(request.prompt))
            for row in range(first, first + count):
                self._start(request, row)
            if not request.unstarted:
                self.open.pop(0)

    def _start(self, request: Request, row: int) -> None:
        sequence = request.unstarted.pop()
        sequence.slot = row
        if row == len(self.running):
            self.running.append(sequence)
        else:
            self.running[row] = sequence
        params = request.params
        self._rows[row] = (
            0, len(request.prompt) - 1, 0, request.limit, sequence.key,
            params.temperature, params.top_k, params.top_p, request.stop_set,
        )  # fmt: skip
        self.fresh.append(sequence)

    # A step.

    def view(self, rows: slice | np.ndarray) -> np.ndarray:
        """The records of some rows; see _ROW."""
        return self._rows[rows]

    def draw(self, rows: slice | np.ndarray) -> np.ndarray:
        """The uniform random number of the next token of each of these rows, float64."""
        state = self._rows[rows]
        return uniforms(state["key"], state["generated"])

    def record(self, rows: np.ndarray, ids_S: np.ndarray, logprobs_S: np.ndarray) -> list[int]:
        """Notes the tokens just chosen for `rows`; returns the rows whose sequences end with them."""
        state = self._rows
        generated_S = state["generated"][rows]
        self._ids_SL[rows, generated_S] = ids_S
        self._logprobs_SL[rows, generated_S] = logprobs_S
        state["token"][rows] = ids_S
        state["position"][rows] += 1
        state["generated"][rows] = generated_S + 1
        stopped_S = self._is_stop[state["stop_set"][rows], ids_S]
        ended_S = stopped_S | (generated_S + 1 >= state["limit"][rows])
        if not ended_S.any():
            return []
        for row in rows[stopped_S]:
            self.running[row].finish_reason = "stop"
        return sorted(rows[ended_S].tolist())

    def finish(self, rows: list[int], reason: FinishReason = "length") -> list[Sequence]:
        """Ends the sequences of these rows, fills or closes the gaps, and returns them by rising row."""
        finished = []
        for row in sorted(rows, reverse=True):  # from the end, so that the row that moves into a gap is a live one
            sequence = self.running[row]
            sequence.ids, sequence.logprobs = self.so_far(sequence)
            sequence.finish_reason = sequence.finish_reason or reason
            sequence.slot = -1
            finished.append(sequence)
            if sequence.request.unstarted:
                self._start(sequence.request, row)
                if not sequence.request.unstarted:
                    self.open.remove(sequence.request)
            else:
                self._close_gap(row)
        return finished[::-1]

    def cancel(self, sequence: Sequence) -> None:
        """Gives a sequence up, wherever it is; one that has ended stays as it is."""
        request = sequence.request
        if sequence.slot >= 0:
            if sequence in self.fresh:
                self.fresh.remove(sequence)
            self.finish([sequence.slot], "cancelled")
        elif sequence in request.unstarted:
            sequence.finish_reason = "cancelled"
            request.unstarted.remove(sequence)
            if not request.unstarted:
                for queue in (self.waiting, self.open):
                    if request in queue:
                        queue.remove(request)

    def so_far(self, sequence: Sequence) -> tuple[list[int], list[float]]:
        """The tokens chosen so far for a sequence, and their log-probabilities."""
        if sequence.slot < 0:
            return sequence.ids, sequence.logprobs
        n = int(self._rows["generated"][sequence.slot])
        return self._ids_SL[sequence.slot, :n].tolist(), self._logprobs_SL[sequence.slot, :n].tolist()

    def _close_gap(self, row: int) -> None:
        last = len(self.running) - 1
        if row != last:
            moved = self.running[last]
            n = int(self._rows["generated"][last])
            in_cache = max(int(self._rows["position"][last]), len(moved.request.prompt))
            self._rows[row] = self._rows[last]
            self._ids_SL[row, :n] = self._ids_SL[last, :n]
            self._logprobs_SL[row, :n] = self._logprobs_SL[last, :n]
            self._copy_row(last, [row], in_cache)
            moved.slot = row
            self.running[row] = moved
        self.running.pop()
