"""WordLlama (Miller 2024): the mean of a text's token vectors, trained from Llama's input embeddings. English, fast.

Weights (32,000 tokens of Llama 2's vocabulary, 256 numbers each) and vocabulary come from the files of the package
`wordllama`, which is not imported. No token of this vocabulary goes on after a letter with a space, so a text's tokens
are those of its words (`word_sums.py`).
Shape letters: N texts, E 256.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from herdbook.curation.embeddings.embedder import F32, packaged, unit
from herdbook.curation.embeddings.merge_tokens import merges_from, tokens_of
from herdbook.curation.embeddings.word_sums import WordSums
from herdbook.curation.heuristics.words import texts_of

PACKAGE, MODULE = "wordllama", "wordllama"
WEIGHTS = ("weights", "l2_supercat_256.safetensors")
VOCABULARY = ("tokenizers", "l2_supercat_tokenizer_config.json")


class WordLlama:
    """Static vectors: order of words is not seen."""

    name = "wordllama"
    dim = 256
    languages: tuple[str, ...] = ("en",)

    def __init__(self) -> None:
        from safetensors.numpy import load_file

        weights = load_file(str(packaged(PACKAGE, MODULE, *WEIGHTS)))
        self.table = np.ascontiguousarray(weights["embedding.weight"].astype(np.float32))
        vocabulary = merges_from(json.loads(packaged(PACKAGE, MODULE, *VOCABULARY).read_text("utf-8"))["model"])
        ones = np.ones(len(self.table), dtype=np.float32)
        self._sums = WordSums(self.table, ones, 0 * ones, lambda data, words: tokens_of(data, words, vocabulary))

    def embed(self, texts: Sequence[str] | Any) -> F32:
        """Unit vectors [N, 256] of a sequence of `str` or an Arrow array of strings."""
        given = texts_of(texts)
        return unit(self._sums(given.data, given.offsets_N1))
