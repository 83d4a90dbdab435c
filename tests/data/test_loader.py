"""The loader: nothing lost, nothing twice, no target across documents, the same batch whenever it is asked for."""

import numpy as np
import pytest
import torch

from herdbook.data import PackedLoader, TokenShards
from herdbook.data.loader import epoch_order, evaluation_batches
from herdbook.errors import ArtifactError, ConfigError

LENGTHS = [3, 16, 1, 7, 12, 2, 9, 16, 5, 4, 11, 8, 2, 13, 6, 10, 3]
"""Tokens of each document; 128 in all."""


@pytest.fixture(params=[1, 2, 3], ids=["one file", "two files", "three files"])
def shards(write_shards, request) -> TokenShards:
    return TokenShards(write_shards(LENGTHS, request.param))


def slow_rows(shards, seed, epoch, seq_len):
    """The slow twin: walk through the documents token by token. Rows of (token, target, document, position)."""
    order = np.arange(shards.n_documents)
    if epoch is not None:
        order = np.random.Generator(np.random.PCG64([seed, epoch])).permutation(order)
    rows, row = [], []
    for document in order:
        ids = shards.document(document)
        for place, token in enumerate(ids):
            if len(row) == seq_len:
                rows.append(row)
                row = []
            if not row:
                begin = place
                seen = [document]
            if document != seen[-1]:
                seen.append(document)
                begin = 0
            target = ids[place + 1] if place + 1 < len(ids) else -100
            row.append((token, target, len(seen) - 1, place - begin))
    return [*rows, row]


def as_rows(batch):
    parts = (batch.tokens_BT, batch.targets_BT, batch.document_BT, batch.positions_BT)
    return [list(zip(*(part[b].tolist() for part in parts), strict=True)) for b in range(len(batch.tokens_BT))]


@pytest.mark.parametrize("seq_len", [4, 10, 32])
def test_equals_the_slow_twin(shards, seq_len):
    loader = PackedLoader(shards, batch_size=2, seq_len=seq_len, seed=5)
    for epoch in range(2):
        rows = slow_rows(shards, 5, epoch, seq_len)
        for number in range(loader.n_batches_per_epoch):
            batch = loader.batch(epoch * loader.n_batches_per_epoch + number)
            assert as_rows(batch) == rows[2 * number : 2 * number + 2]


def test_dtypes(shards):
    batch = PackedLoader(shards, batch_size=2, seq_len=8).batch(0)
    assert batch.tokens_BT.dtype == batch.targets_BT.dtype == batch.positions_BT.dtype == torch.int64
    assert batch.document_BT.dtype == torch.int32
    assert batch.tokens_BT.shape == batch.document_BT.shape == (2, 8)
    assert batch.n_tokens == 16 and batch.n_targets == int((batch.targets_BT >= 0).sum())
    assert torch.equal(batch.to("cpu").tokens_BT, batch.tokens_BT)


def test_targets_stay_in_their_document(shards):
    loader = PackedLoader(shards, batch_size=1, seq_len=8, seed=1)
    for step in range(3 * loader.n_batches_per_epoch):
        batch = loader.batch(step)
        has = batch.targets_BT != -100
        assert torch.equal(batch.targets_BT[has], batch.tokens_BT[has] + 1)  # the next id of the same document
        ends = {16 * n + length - 1 for n, length in enumerate(LENGTHS)}
        assert {int(t) for t in batch.tokens_BT[~has]} <= ends


def test_an_epoch_sees_every_token_once(shards):
    everything = sorted(16 * n + i for n, length in enumerate(LENGTHS) for i in range(length))
    loader = PackedLoader(shards, batch_size=2, seq_len=8)
    assert loader.n_batches_per_epoch == 8  # 128 tokens, nothing dropped
    seen = [t for step in range(8) for t in loader.batch(step).tokens_BT.flatten().tolist()]
    assert sorted(seen) == everything
    cut = PackedLoader(shards, batch_size=2, seq_len=12)
    seen = [t for step in range(cut.n_batches_per_epoch) for t in cut.batch(step).tokens_BT.flatten().tolist()]
    assert len(seen) == len(set(seen)) == 120  # a tail of 8 is dropped


def test_ranks_share_the_same_global_batch(shards):
    whole = PackedLoader(shards, batch_size=4, seq_len=4, seed=2)
    ranks = [PackedLoader(shards, batch_size=2, seq_len=4, seed=2, rank=r, world_size=2) for r in range(2)]
    for step in range(2 * whole.n_batches_per_epoch):
        together = torch.cat([loader.batch(step).tokens_BT for loader in ranks])
        assert torch.equal(together, whole.batch(step).tokens_BT)
        assert not set(ranks[0].batch(step).tokens_BT.flatten().tolist()) & set(
            ranks[1].batch(step).tokens_BT.flatten().tolist()
        )


def test_a_resumed_run_is_where_it_was(shards):
    loader = PackedLoader(shards, batch_size=2, seq_len=8, seed=7)
    batches = [loader.batch(step) for step in range(20)]
    for step in (19, 0, 9, 8, 17):
        fresh = PackedLoader(shards, batch_size=2, seq_len=8, seed=7).batch(step)
        for name in ("tokens_BT", "targets_BT", "document_BT", "positions_BT"):
            assert torch.equal(getattr(fresh, name), getattr(batches[step], name))


def test_epochs_and_seeds_differ(shards):
    orders = [epoch_order(shards, seed, epoch).first_N.tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert all(sorted(order) == sorted(shards.starts.tolist()) for order in orders)


def test_evaluation_sees_everything_in_order(shards):
    rows = [row for batch in evaluation_batches(shards, batch_size=3, seq_len=10) for row in as_rows(batch)]
    expected = slow_rows(shards, 0, None, 10)
    assert sum(place[1] != -100 for row in rows for place in row) == shards.n_targets
    assert len(rows) == 15  # 13 rows of text, the last of them with 2 padded places; 2 rows of padding
    assert rows[:12] == expected[:12]
    assert rows[12][:8] == expected[12][:8]
    assert all(place[1:] == (-100, -1, 0) for row in (rows[12][8:], *rows[13:]) for place in row)
    assert [t for row in rows for t, _, d, _ in row if d >= 0] == [
        16 * n + i for n, length in enumerate(LENGTHS) for i in range(length)
    ]


def test_too_little_text(shards):
    with pytest.raises(ConfigError, match="128 tokens"):
        PackedLoader(shards, batch_size=2, seq_len=65)


def test_shards_that_are_not_whole(shards, tmp_path):
    with pytest.raises(ArtifactError, match="no split 'heldout'"):
        TokenShards(shards.folder, "heldout")
    path = shards.folder / "train-00000.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ArtifactError, match="cut short"):
        TokenShards(shards.folder)
    path.unlink()
    with pytest.raises(ArtifactError, match="lacks the token shard"):
        TokenShards(shards.folder)
    with pytest.raises(ArtifactError, match=r"index\.json is missing"):
        TokenShards(tmp_path)
