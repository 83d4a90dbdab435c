"""Batches for tuning on dialogs: several whole dialogs share a row, none is cut, none sees another.

Source: packing with a document mask as in "The Llama 3 Herd of Models" (section 3.2), first-fit as in any textbook.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from herdbook.data.batch import NO_TARGET, PAD_DOCUMENT, Batch, as_batch
from herdbook.errors import ConfigError, InputError

Example = tuple[Sequence[int], Sequence[int]]
"""(ids, mask): mask 1 on tokens that the model has to produce (`ChatFormat.encode_dialog_with_mask`)."""


def pack_lengths(lengths: Sequence[int], seq_len: int, order: Sequence[int] | None = None) -> list[list[int]]:
    """First fit: each item, in `order`, goes into the first row with room for it; the rows as lists of item numbers."""
    rows: list[list[int]] = []
    room = np.zeros(max(1, len(lengths)), dtype=np.int64)
    for item in range(len(lengths)) if order is None else order:
        length = lengths[item]
        if length > seq_len:
            raise InputError(
                f"Dialog {item} has {length} tokens; a row holds {seq_len}.",
                key="seq_len",
                value=seq_len,
                remedy=f"Take seq_len of at least {max(lengths)}, or leave long dialogs out.",
            )
        fits = room[: len(rows)] >= length
        row = int(fits.argmax()) if fits.any() else len(rows)
        if row == len(rows):
            rows.append([])
            room[row] = seq_len
        rows[row].append(item)
        room[row] -= length
    return rows


def lay_out(
    examples: Sequence[Example], rows: Sequence[Sequence[int]], seq_len: int, pad_id: int
) -> tuple[np.ndarray, ...]:
    """(tokens, targets, document, positions), each int64 (len(rows), seq_len). Position t has a target where the token
    at t+1 belongs to the same dialog and is masked 1."""
    shape = (len(rows), seq_len)
    tokens_BT = np.full(shape, pad_id, dtype=np.int64)
    targets_BT = np.full(shape, NO_TARGET, dtype=np.int64)
    document_BT = np.full(shape, PAD_DOCUMENT, dtype=np.int64)
    positions_BT = np.zeros(shape, dtype=np.int64)
    for b, row in enumerate(rows):
        start = 0
        for number, item in enumerate(row):
            ids, mask = np.asarray(examples[item][0], dtype=np.int64), np.asarray(examples[item][1], dtype=bool)
            end = start + len(ids)
            tokens_BT[b, start:end] = ids
            targets_BT[b, start : end - 1] = np.where(mask[1:], ids[1:], NO_TARGET)
            document_BT[b, start:end] = number
            positions_BT[b, start:end] = np.arange(len(ids))
            start = end
    return tokens_BT, targets_BT, document_BT, positions_BT


def pack_dialogs(examples: Sequence[Example], seq_len: int, *, pad_id: int = 0) -> Batch:
    """All examples, in their order, packed into as many rows of `seq_len` as first-fit needs."""
    rows = pack_lengths([len(ids) for ids, _ in examples], seq_len)
    return as_batch(*lay_out(examples, rows, seq_len, pad_id))


class PackedDialogs:
    """Batches of `batch_size` rows of `seq_len` tokens per rank; `batch(step)` is a pure function of the step.

    Every epoch shuffles the dialogs by (seed, epoch), packs them anew and sees each exactly once. An epoch's rows are
    spread evenly over its batches: where they do not fill them, some batches have a row of padding.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        batch_size: int,
        seq_len: int,
        seed: int = 0,
        *,
        pad_id: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if not examples:
            raise InputError("There are no dialogs to pack.", key="examples")
        if batch_size < 1 or seq_len < 1 or not 0 <= rank < world_size:
            raise ConfigError(
                f"No batches of {batch_size} rows of {seq_len} tokens for rank {rank} of {world_size}.",
                key="batch_size",
            )
        self.examples = examples
        self.batch_size, self.seq_len, self.seed, self.pad_id = batch_size, seq_len, seed, pad_id
        self.rank, self.world_size = rank, world_size
        self._lengths = [len(ids) for ids, _ in examples]
        self._last_step_of: list[int] = []  # number of batches up to the end of each epoch known so far
        self._epoch: tuple[int, list[list[list[int]]]] | None = None
        self._batches_of(0)

    @property
    def n_batches_first_epoch(self) -> int:
        """Number of batches of epoch 0; other epochs, packed in another order, may differ by a few."""
        return self._last_step_of[0]

    def steps_for_epochs(self, epochs: int) -> int:
        """Number of batches in the first `epochs` epochs."""
        for epoch in range(len(self._last_step_of), epochs):
            self._batches_of(epoch)
        return self._last_step_of[epochs - 1] if epochs > 0 else 0

    def epoch_of(self, step: int) -> tuple[int, int]:
        """(epoch, number of the batch within it)."""
        while self._last_step_of[-1] <= step:
            self._batches_of(len(self._last_step_of))
        epoch = bisect_right(self._last_step_of, step)
        return epoch, step - (self._last_step_of[epoch - 1] if epoch else 0)

    def batch(self, step: int) -> Batch:
        """The batch of a step (from 0), for this rank; shape always (batch_size, seq_len)."""
        epoch, number = self.epoch_of(step)
        batches = self._batches_of(epoch)
        mine = batches[number][self.rank :: self.world_size]
        rows = [*mine, *([[]] * (self.batch_size - len(mine)))]
        return as_batch(*lay_out(self.examples, rows, self.seq_len, self.pad_id))

    def _batches_of(self, epoch: int) -> list[list[list[int]]]:
        """The batches of an epoch, each a list of rows, each a list of numbers of examples."""
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, self._pack(epoch)
            if len(self._last_step_of) == epoch:
                before = self._last_step_of[-1] if epoch else 0
                self._last_step_of.append(before + len(self._epoch[1]))
        return self._epoch[1]

    def _pack(self, epoch: int) -> list[list[list[int]]]:
        random = np.random.Generator(np.random.PCG64([self.seed, epoch]))
        rows = pack_lengths(self._lengths, self.seq_len, random.permutation(len(self.examples)).tolist())
        rows = [rows[i] for i in random.permutation(len(rows))]
        n_batches = -(-len(rows) // (self.batch_size * self.world_size))
        return [rows[i::n_batches] for i in range(n_batches)]
