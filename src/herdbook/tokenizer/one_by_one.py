"""`OneByOneTokenizer`: what the families have in common whose engine takes one text at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from herdbook.tokenizer.engines import EngineName, Texts, flatten
from herdbook.tokenizer.surrogates import clean_text
from herdbook.tokenizer.tokenizer import Tokenizer


class OneByOneTokenizer(Tokenizer):
    """A subclass says how one text is encoded (`_encode_plain`) and by what (`engine`); batches are made of that."""

    def _encode_plain_batch(self, texts: Sequence[str], threads: int) -> list[list[int]]:
        return [self._encode_plain(text) for text in texts]

    def _encode_flat(self, texts: Texts, threads: int) -> tuple[np.ndarray, np.ndarray]:
        return flatten(self._encode_plain_batch([clean_text(text) for text in texts], threads))

    def _encode_plain_array(self, text: str) -> np.ndarray:
        return np.asarray(self._encode_plain(text), dtype=np.uint32)

    def use_engine(self, choice: EngineName) -> str:
        """There is no choice for this kind of vocabulary."""
        return self.engine
