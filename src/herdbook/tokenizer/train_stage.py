"""Stage `tokenizer`: a corpus becomes a vocabulary.

Claim 2 of Llama 3's announcement (a larger vocabulary encodes language more efficiently) at the user's own scale.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from herdbook.errors import ArtifactError, ConfigError
from herdbook.tokenizer.corpus_text import Document, read_documents, text_files, total_bytes
from herdbook.tokenizer.special_tokens import MIN_SPECIAL, N_SPECIAL, tables
from herdbook.tokenizer.tokenizer import Tokenizer
from herdbook.tokenizer.training import count_pieces, ranks_of_pieces
from herdbook.workspace import InputSpec, Workspace, one

KIND_OUT = "tokenizer"
VERSION = 1
INPUTS = {"corpus": InputSpec(("corpus", "documents"))}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of stage `tokenizer`."""

    vocab_size: int = 4096
    """Rows of the vocabulary in all: 256 bytes, merges, special tokens. Llama 3 has 128,256."""
    n_special: int = 16
    """Rows kept for special tokens at the end of the vocabulary, of the 256 of Llama 3's table; at least 10."""
    special_tokens: str = "llama3"
    """Table of special tokens: "llama3" or "llama3.1"."""
    max_megabytes: float = 12.0
    """Train on about this much of the text (10^6 bytes), documents drawn by seed; 0: on all of it."""
    always: tuple[str, ...] = ("facts",)
    """Sources whose documents are all taken, whatever `max_megabytes` says."""
    min_count: int = 2
    """Two tokens are joined only if they stand side by side at least this often in the text trained on."""
    max_memory_megabytes: float = field(default=4000.0, metadata={"identity": False})
    """Memory for counting and learning (10^6 bytes). Enough: no effect. Too little: the rarest pieces of text are left
    out of account, and the stage says how many."""


def run(config: Config, inputs: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Draw a sample of the corpus, learn the merges, save the tokenizer, measure it on held-out text."""
    _check(config)
    corpus = one(inputs, "corpus")
    files = text_files(corpus)
    size = total_bytes(files)
    if size == 0:
        raise ArtifactError(f"The corpus {corpus.path} has no text to train a tokenizer on.", key="corpus")
    share = min(1.0, config.max_megabytes * 1e6 / size) if config.max_megabytes > 0 else 1.0
    read: Counter[str] = Counter()
    expected = size * share / 1e6
    with workspace.progress(expected, "MB", "training the tokenizer") as progress:

        def texts() -> Iterator[str]:
            for document in read_documents(files):
                if is_drawn(document, share, config.always, workspace.seed):
                    n_bytes = len(document[1].encode("utf-8", "replace"))
                    read[document[2]] += n_bytes
                    progress.update(n_bytes / 1e6)
                    yield document[1]

        pieces = count_pieces(texts(), max_memory_bytes=int(config.max_memory_megabytes * 1e6))
    ranks = ranks_of_pieces(pieces, config.vocab_size - config.n_special, min_count=config.min_count)
    tokenizer = Tokenizer(ranks, n_special=config.n_special, table=config.special_tokens)
    if pieces.forgotten:
        workspace.say(
            f"{pieces.forgotten:,} occurrences of rare pieces of text (at most {pieces.threshold} times each) were "
            f"left out of account to keep within {config.max_memory_megabytes:,.0f} MB."
        )
    tokenizer.save(workspace.out)
    if tokenizer.vocab_size < config.vocab_size:
        workspace.say(
            f"The text gives a vocabulary of {tokenizer.vocab_size:,} rows, not {config.vocab_size:,}: "
            f"no further pair of tokens stands in it {config.min_count} times."
        )
    return {
        "vocab_size": tokenizer.vocab_size,
        "n_base": tokenizer.n_base,
        "trained_on_bytes": sum(read.values()),
        "trained_on_bytes_by_source": dict(sorted(read.items())),
        "corpus_bytes": size,
        "distinct_pieces": len(pieces),
        "forgotten_occurrences": pieces.forgotten,
        "heldout": _efficiency(tokenizer, text_files(corpus, "heldout") or files),
    }


def estimate(config: Config) -> float:
    """Seconds on two cores."""
    return 2.0 + (config.max_megabytes or 100.0) / 2.5


def is_drawn(document: Document, share: float, always: tuple[str, ...], seed: int) -> bool:
    """Whether a document is in the sample: decided by its id and the seed alone, not by its neighbours."""
    name, _, source = document
    if share >= 1 or source in always:
        return True
    digest = hashlib.blake2b(f"{seed}:{name}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _efficiency(tokenizer: Tokenizer, files: list[Any], limit: int = 1_000_000) -> dict[str, float]:
    """Tokens needed for (the first megabyte of) held-out text."""
    texts, size = [], 0
    for _, text, _ in read_documents(files):
        texts.append(text)
        size += len(text.encode("utf-8", "replace"))
        if size >= limit:
            break
    tokens = sum(map(len, tokenizer.encode_batch(texts)))
    characters, words = sum(map(len, texts)), sum(len(text.split()) for text in texts)
    return {
        "bytes_per_token": round(size / max(tokens, 1), 4),
        "characters_per_token": round(characters / max(tokens, 1), 4),
        "tokens_per_word": round(tokens / max(words, 1), 4),
    }


def _check(config: Config) -> None:
    if config.special_tokens not in tables():
        raise ConfigError(
            f"There is no table of special tokens {config.special_tokens!r}.",
            key="special_tokens",
            value=config.special_tokens,
            remedy=f"Take one of {', '.join(tables())}.",
        )
    if not MIN_SPECIAL <= config.n_special <= N_SPECIAL:
        raise ConfigError(
            f"n_special = {config.n_special} is not between {MIN_SPECIAL} and {N_SPECIAL}.",
            key="n_special",
            value=config.n_special,
            remedy="16 is enough for the chat format, 256 are what Llama 3 has.",
        )
    if config.vocab_size < 256 + config.n_special:
        raise ConfigError(
            f"vocab_size = {config.vocab_size} is less than the 256 bytes and {config.n_special} special tokens.",
            key="vocab_size",
            value=config.vocab_size,
            remedy="4096 is right for some ten megabytes of text.",
        )
    if config.max_memory_megabytes < 16:
        raise ConfigError(
            f"max_memory_megabytes = {config.max_memory_megabytes} is too little to learn anything.",
            key="max_memory_megabytes",
            value=config.max_memory_megabytes,
            remedy="Take at least 16.",
        )
    if config.min_count < 1 or config.max_megabytes < 0:
        raise ConfigError("min_count must be at least 1 and max_megabytes at least 0.", key="min_count")
