"""The token vectors of Universal Sentence Encoder Multilingual, added up: Korean and 14 other languages, fast.

The network (`use_multilingual.py`) begins with a table of token vectors that were trained with it; here a text is their
sum, each weighted by a / (a + the token's probability) (smooth inverse frequency, Arora et al. 2017), so that frequent
tokens count little. Probabilities come from the vocabulary's unigram model. Neither the order of words is seen nor what
the layers behind the table know. Text is normalised by NFKC.
Shape letters: N texts, E 512, V tokens.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from herdbook.curation.embeddings.choice import MULTILINGUAL
from herdbook.curation.embeddings.embedder import F32, packaged, unit
from herdbook.curation.embeddings.likely_tokens import pieces_from, tokens_of
from herdbook.curation.embeddings.use_multilingual import (
    MODULE,
    NORMAL_PIECE,
    PACKAGE,
    UNKNOWN,
    token_table,
    vocabulary_of,
)
from herdbook.curation.embeddings.word_sums import WordSums
from herdbook.curation.heuristics.words import texts_of

FREQUENT = 1e-5
"""a: a token of this probability counts half. Of 1e-3 to 1e-6 the one with the best correlation on KorSTS dev."""


class UseStatic:
    """Static vectors, many languages."""

    name = "use-static"
    dim = 512
    languages = tuple(sorted(MULTILINGUAL))

    def __init__(self) -> None:
        pieces, scores_V, kinds_V, _ = vocabulary_of(packaged(PACKAGE, MODULE, "resources", "sp.model").read_bytes())
        usable = kinds_V == NORMAL_PIECE
        table_VE, scale_V, low_V = token_table()
        weights_V = np.zeros(len(table_VE), dtype=np.float64)
        weights_V[: len(pieces)] = np.where(usable, FREQUENT / (FREQUENT + np.exp(scores_V, dtype=np.float64)), 0)
        vocabulary = pieces_from(pieces, scores_V, usable)
        self._sums = WordSums(
            table_VE, (weights_V * scale_V).astype(np.float32), (weights_V * low_V).astype(np.float32),
            lambda data, words: tokens_of(data, words, vocabulary, UNKNOWN),
        )  # fmt: skip

    def embed(self, texts: Sequence[str] | Any) -> F32:
        """Unit vectors [N, 512] of a sequence of `str` or an Arrow array of strings."""
        if not isinstance(texts, Sequence):
            texts = texts.to_pylist()
        given = texts_of([normal(text or "") for text in texts])
        return unit(self._sums(given.data, given.offsets_N1))


def normal(text: str) -> str:
    """NFKC; most texts have it."""
    return text if text.isascii() or unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)
