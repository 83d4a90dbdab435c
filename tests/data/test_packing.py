"""Packing of dialogs: whole dialogs only, each once an epoch, targets where the mask says, fixed shapes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from herdbook.data import PackedDialogs, pack_dialogs
from herdbook.data.packing import pack_lengths
from herdbook.errors import InputError

EXAMPLES = [([100 * n + i for i in range(3 + n % 6)], [int(i >= 2) for i in range(3 + n % 6)]) for n in range(1, 24)]


def dialogs_in(batch):
    """The ids of every dialog of a batch, and its targets, row by row."""
    found = []
    for b in range(len(batch.tokens_BT)):
        for number in range(int(batch.document_BT[b].max()) + 1):
            here = batch.document_BT[b] == number
            assert batch.positions_BT[b][here].tolist() == list(range(int(here.sum())))
            found.append((batch.tokens_BT[b][here].tolist(), batch.targets_BT[b][here].tolist()))
        pad = batch.document_BT[b] == -1
        assert (batch.tokens_BT[b][pad] == 9).all() and (batch.targets_BT[b][pad] == -100).all()
    return found


def test_rows_written_by_hand():
    examples = [([1, 2, 3], [0, 0, 1]), ([4, 5, 6, 7], [0, 1, 0, 1]), ([8, 9], [0, 1])]
    batch = pack_dialogs(examples, 6, pad_id=0)
    assert batch.tokens_BT.tolist() == [[1, 2, 3, 8, 9, 0], [4, 5, 6, 7, 0, 0]]
    assert batch.targets_BT.tolist() == [[-100, 3, -100, 9, -100, -100], [5, -100, 7, -100, -100, -100]]
    assert batch.document_BT.tolist() == [[0, 0, 0, 1, 1, -1], [0, 0, 0, 0, -1, -1]]
    assert batch.positions_BT.tolist() == [[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 0, 0]]


@given(st.lists(st.integers(1, 20), max_size=40))
def test_first_fit(lengths):
    rows = pack_lengths(lengths, 20)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    slow: list[list[int]] = []
    for item, length in enumerate(lengths):
        for row in slow:
            if sum(lengths[i] for i in row) + length <= 20:
                row.append(item)
                break
        else:
            slow.append([item])
    assert rows == slow


def test_every_dialog_once_an_epoch():
    packed = PackedDialogs(EXAMPLES, batch_size=3, seq_len=17, seed=4, pad_id=9)
    expected = sorted(
        (ids, [ids[i + 1] if i + 1 < len(ids) and mask[i + 1] else -100 for i in range(len(ids))])
        for ids, mask in EXAMPLES
    )
    for epoch in range(3):
        steps = range(packed.steps_for_epochs(epoch), packed.steps_for_epochs(epoch + 1))
        batches = [packed.batch(step) for step in steps]
        assert all(batch.tokens_BT.shape == (3, 17) for batch in batches)
        assert sorted(d for batch in batches for d in dialogs_in(batch)) == expected
    assert packed.batch(0).tokens_BT.tolist() != packed.batch(packed.n_batches_first_epoch).tokens_BT.tolist()


def test_rows_of_padding_are_spread():
    packed = PackedDialogs([([1, 2], [0, 1])] * 9, batch_size=4, seq_len=2, seed=0)
    used = [int((packed.batch(step).document_BT[:, 0] == 0).sum()) for step in range(packed.n_batches_first_epoch)]
    assert used == [3, 3, 3]


def test_pure_function_of_the_step():
    forward = PackedDialogs(EXAMPLES, batch_size=2, seq_len=16, seed=1)
    batches = [forward.batch(step) for step in range(40)]
    for step in (39, 3, 17, 0):
        fresh = PackedDialogs(EXAMPLES, batch_size=2, seq_len=16, seed=1).batch(step)
        assert torch.equal(fresh.tokens_BT, batches[step].tokens_BT)
        assert torch.equal(fresh.targets_BT, batches[step].targets_BT)


def test_ranks_are_disjoint_and_complete():
    whole = PackedDialogs(EXAMPLES, batch_size=4, seq_len=16, seed=1, pad_id=9)
    ranks = [PackedDialogs(EXAMPLES, 2, 16, 1, pad_id=9, rank=r, world_size=2) for r in range(2)]
    for step in range(8):
        together = [d for loader in ranks for d in dialogs_in(loader.batch(step))]
        assert sorted(together) == sorted(dialogs_in(whole.batch(step)))


def test_a_dialog_longer_than_a_row():
    with pytest.raises(InputError, match="has 8 tokens; a row holds 7"):
        PackedDialogs(EXAMPLES, batch_size=2, seq_len=7)
    with pytest.raises(InputError, match="no dialogs"):
        PackedDialogs([], batch_size=2, seq_len=7)
