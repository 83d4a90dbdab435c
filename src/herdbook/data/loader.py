"""Batches for pretraining: documents in an order drawn anew for each epoch, one after another, cut into rows.

`PackedLoader.batch(step)` is a pure function of (shards, seed, batch size, row length, rank, step): a run that resumes
at step 1,000 asks for batch 1,000 and is where it was. Nothing else has to be saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from herdbook.data.batch import NO_TARGET, PAD_DOCUMENT, Batch, as_batch
from herdbook.data.shards import TokenShards
from herdbook.errors import ConfigError
from herdbook.lineage import Artifact


@dataclass(frozen=True)
class EpochOrder:
    """The documents of one epoch in their order, seen as one long stream of tokens."""

    first_N: np.ndarray
    """Place in the shards of the first token of the n-th document of the stream, int64."""
    end_N: np.ndarray
    """Place in the stream after the last token of the n-th document, int64."""


def epoch_order(shards: TokenShards, seed: int, epoch: int | None) -> EpochOrder:
    """Documents shuffled by (seed, epoch); epoch None: in the order of the files."""
    order = np.arange(shards.n_documents)
    if epoch is not None:
        order = np.random.Generator(np.random.PCG64([seed, epoch])).permutation(order)
    return EpochOrder(shards.starts[order], np.cumsum(shards.ends[order] - shards.starts[order]))


def cut_rows(
    shards: TokenShards, order: EpochOrder, first_row: int, n_rows: int, seq_len: int
) -> tuple[np.ndarray, ...]:
    """(tokens, targets, document, positions), each (n_rows, seq_len): the stream cut every `seq_len`, from `first_row`.

    A token's target is the next token of its document, also where the row ends between the two. Places behind the
    end of the stream are padding.
    """
    place_BT = first_row * seq_len + np.arange(n_rows * seq_len).reshape(n_rows, seq_len)
    total = int(order.end_N[-1])
    real_BT = place_BT < total
    place_BT = np.minimum(place_BT, total - 1)
    document_BT = np.searchsorted(order.end_N, place_BT, side="right")
    start_N = np.concatenate([[0], order.end_N[:-1]])
    within_BT = place_BT - start_N[document_BT]
    source_BT = order.first_N[document_BT] + within_BT
    has_next_BT = (place_BT + 1 < order.end_N[document_BT]) & real_BT
    tokens_BT = shards.take(source_BT)
    targets_BT = np.where(has_next_BT, shards.take(np.where(has_next_BT, source_BT + 1, source_BT)), NO_TARGET)
    row_start_B1 = (first_row + np.arange(n_rows))[:, None] * seq_len
    positions_BT = place_BT - np.maximum(start_N[document_BT], row_start_B1)
    return (
        tokens_BT,
        targets_BT,
        np.where(real_BT, document_BT - document_BT[:, :1], PAD_DOCUMENT),
        np.where(real_BT, positions_BT, 0),
    )


class PackedLoader:
    """Reads token shards as batches of `batch_size` rows of `seq_len` tokens, for this rank out of `world_size`.

    Of every step's `batch_size` x `world_size` rows, rank r takes rows r x `batch_size` and following, so that the same
    global batch comes about on any number of ranks. Each epoch sees every token once, but for a tail shorter than a
    global batch, which the next epoch's other order makes a different one.
    """

    def __init__(
        self,
        shards: TokenShards | Artifact | Path | str,
        split: str = "train",
        *,
        batch_size: int,
        seq_len: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.shards = shards if isinstance(shards, TokenShards) else TokenShards(shards, split)
        self.batch_size, self.seq_len, self.seed = batch_size, seq_len, seed
        self.rank, self.world_size = rank, world_size
        if batch_size < 1 or seq_len < 1 or not 0 <= rank < world_size:
            raise ConfigError(
                f"No batches of {batch_size} rows of {seq_len} tokens for rank {rank} of {world_size}.",
                key="batch_size",
            )
        self.n_batches_per_epoch = self.shards.n_tokens // (batch_size * seq_len * world_size)
        if self.n_batches_per_epoch == 0:
            raise ConfigError(
                f"The {self.shards.split} split has {self.shards.n_tokens:,} tokens: less than one batch of "
                f"{batch_size * world_size} rows of {seq_len}.",
                key="batch_size",
                value=batch_size,
                remedy="Take a smaller batch or shorter rows, or more text.",
            )
        self._epoch: tuple[int, EpochOrder] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of a step (from 0), for this rank."""
        epoch, number = divmod(step, self.n_batches_per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, epoch_order(self.shards, self.seed, epoch)
        first_row = (number * self.world_size + self.rank) * self.batch_size
        return as_batch(*cut_rows(self.shards, self._epoch[1], first_row, self.batch_size, self.seq_len))


def evaluation_batches(
    shards: TokenShards | Artifact | Path | str, split: str = "heldout", *, batch_size: int, seq_len: int
) -> Iterator[Batch]:
    """Every token of a split once, in the order of the files; the last batch is filled up with padding.

    Summed loss over all batches / `TokenShards.n_bytes` / ln 2 = bits per byte. There are `TokenShards.n_targets`
    losses in all.
    """
    source = shards if isinstance(shards, TokenShards) else TokenShards(shards, split)
    if source.n_tokens == 0:
        return
    order = epoch_order(source, 0, None)
    n_rows = -(-source.n_tokens // seq_len)
    for first_row in range(0, n_rows, batch_size):
        yield as_batch(*cut_rows(source, order, first_row, batch_size, seq_len))
