"""Embedders by name, which one reads which language, and from which cosine two texts are duplicates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection

from herdbook.curation.embeddings.embedder import Embedder
from herdbook.errors import ConfigError


def _wordllama() -> Embedder:
    from herdbook.curation.embeddings.wordllama import WordLlama

    return WordLlama()


def _minilm() -> Embedder:
    from herdbook.curation.embeddings.minilm import MiniLM

    return MiniLM()


def _use_multilingual() -> Embedder:
    from herdbook.curation.embeddings.use_multilingual import UseMultilingual

    return UseMultilingual()


def _character_ngrams() -> Embedder:
    from herdbook.curation.embeddings.character_ngrams import CharacterNgrams

    return CharacterNgrams()


EMBEDDERS: dict[str, Callable[[], Embedder]] = {
    "wordllama": _wordllama,
    "minilm": _minilm,
    "use-multilingual": _use_multilingual,
    "character-ngrams": _character_ngrams,
}
FALLBACK = "character-ngrams"
THRESHOLDS = {"wordllama": 0.95, "minilm": 0.9, "use-multilingual": 0.9, "character-ngrams": 0.85}
"""Cosine from which documents count as duplicates; how they were chosen: docs/curation.md, "Semantic duplicates"."""
MULTILINGUAL = frozenset("ar de es fr it ja ko nl pl pt ru th tr zh".split())
"""Languages beside English that use-multilingual was trained for."""


@functools.lru_cache(maxsize=len(EMBEDDERS))
def embedder(name: str) -> Embedder:
    """The embedder of that name, loaded once a process. Raises ConfigError where it is unknown or not installed."""
    if name not in EMBEDDERS:
        raise ConfigError(f"unknown embedder; there are {', '.join(EMBEDDERS)}.", key="embedder", value=name)
    return EMBEDDERS[name]()


def installed() -> tuple[str, ...]:
    """Names of the embedders whose packages are here; loads them."""
    names = []
    for name in EMBEDDERS:
        try:
            embedder(name)
        except ConfigError:
            continue
        names.append(name)
    return tuple(names)


def name_for(language: str, *, best: bool = False, among: Collection[str] = tuple(EMBEDDERS)) -> str:
    """The name of the embedder for a language, of those in `among`; character-ngrams where none of them reads it.

    English is read by wordllama (fast), or with `best` by minilm (slow). Vectors of different embedders cannot be
    compared: documents of languages with different embedders are deduplicated apart.
    """
    wanted = {"en": ("minilm", "wordllama") if best else ("wordllama", "minilm")}.get(language, ())
    if language in MULTILINGUAL or language == "en":
        wanted = (*wanted, "use-multilingual")
    return next((name for name in wanted if name in among), FALLBACK)
