"""Stage `tokenize`: the texts of a corpus become token shards.

Each document = `<|begin_of_text|>` its ids `<|end_of_text|>`, in the corpus's order; one shard for each of its files. A
stage that was interrupted keeps the shards that it had finished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from herdbook.data.shards import FORMAT_VERSION, INDEX, ShardWriter, token_dtype
from herdbook.errors import ArtifactError
from herdbook.progress import Progress
from herdbook.storage import atomic_write_json, read_json
from herdbook.tokenizer import Tokenizer
from herdbook.tokenizer.corpus_text import about_bytes, read_utf8, text_files
from herdbook.workspace import InputSpec, Workspace, one

KIND_OUT = "token_shards"
VERSION = 1
INPUTS = {"corpus": InputSpec(("corpus", "documents")), "tokenizer": InputSpec(("tokenizer",))}

T = TypeVar("T")

_CHUNK_BYTES = 16_000_000
"""Text handed to the encoder's threads at a time: each call of the fast engine costs as much as 100 KB of text."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of stage `tokenize`: none; corpus and tokenizer say everything."""


def run(config: Config, inputs: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Encode every document of the corpus, `train` and `heldout`."""
    corpus = one(inputs, "corpus")
    tokenizer = Tokenizer.load(one(inputs, "tokenizer").path)
    dtype = token_dtype(tokenizer.vocab_size)
    work = [(split, path) for split in ("train", "heldout") for path in text_files(corpus, split)]
    splits: dict[str, dict[str, Any]] = {}
    by_source: dict[str, Counter[str]] = {}
    with workspace.progress(about_bytes([path for _, path in work]) / 1e6, "MB", "encoding") as progress:
        for split, path in work:
            about = splits.setdefault(split, {"files": [], "n_tokens": 0, "n_documents": 0, "n_bytes": 0})
            name = f"{split}-{len(about['files']):05d}"
            done = _encode_file(path, workspace.checkpoints / name, tokenizer, dtype, workspace, progress)
            about["files"].append(name)
            for key in ("n_tokens", "n_documents", "n_bytes"):
                about[key] += done[key]
            by_source.setdefault(split, Counter()).update(done["n_tokens_by_source"])
    if not splits.get("train", {}).get("n_tokens"):
        raise ArtifactError(f"The corpus {corpus.path} has no text to encode.", key="corpus")
    for split, about in splits.items():
        about["n_tokens_by_source"] = dict(sorted(by_source[split].items()))
    index = {
        "format_version": FORMAT_VERSION,
        "dtype": dtype.str,
        "vocab_size": tokenizer.vocab_size,
        "bos_id": tokenizer.bos_id,
        "eos_id": tokenizer.eos_id,
        "splits": splits,
    }
    for about in splits.values():
        for name in about["files"]:
            for suffix in (".bin", ".idx"):
                (workspace.checkpoints / name).with_suffix(suffix).replace(workspace.out / (name + suffix))
    atomic_write_json(workspace.out / INDEX, index)
    return {"vocab_size": tokenizer.vocab_size, "dtype": dtype.name, **_summary(splits)}


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made in a thread of its own while its forerunner is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def estimate(config: Config) -> float:
    """Seconds on two cores, for some 20 MB of text."""
    return 6.0


def _summary(splits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for split, about in splits.items():
        kept = {key: about[key] for key in ("n_tokens", "n_documents", "n_bytes", "n_tokens_by_source")}
        figures[split] = {**kept, "bytes_per_token": round(about["n_bytes"] / max(about["n_tokens"], 1), 4)}
    return figures


def _encode_file(
    path: Path, stem: Path, tokenizer: Tokenizer, dtype: Any, workspace: Workspace, progress: Progress
) -> dict[str, Any]:
    """One Parquet file to one shard in the checkpoint folder, unless it is there already; its counts."""
    note = stem.with_suffix(".json")
    if all(stem.with_suffix(suffix).exists() for suffix in (".json", ".bin", ".idx")):
        done: dict[str, Any] = read_json(note)
        workspace.note_resume(f"{stem.name} was finished")
        progress.update(done["n_bytes"] / 1e6)
        return done
    n_bytes, by_source = 0, Counter[str]()
    with ShardWriter(stem, dtype) as writer:
        chunks = read_utf8([path], _CHUNK_BYTES)
        for texts, sources in chunks if workspace.threads < 2 else ahead(chunks):
            try:
                flat, offsets = tokenizer.encode_flat(texts, threads=workspace.threads)
            except UnicodeDecodeError as error:
                raise ArtifactError(
                    f"{path} has a text that is no UTF-8 ({error}).",
                    key=str(path),
                    remedy="`herd lineage` on its folder says whether it was changed.",
                ) from None
            writer.add_all(flat, offsets, tokenizer.bos_id, tokenizer.eos_id)
            for source, n in zip(sources, np.diff(offsets).tolist(), strict=True):
                by_source[source] += n + 2
            size = sum(map(len, texts))
            n_bytes += size
            progress.update(size / 1e6)
    counts = {"n_tokens": writer.n_tokens, "n_documents": len(writer.ends), "n_bytes": n_bytes}
    done = {**counts, "n_tokens_by_source": dict(sorted(by_source.items()))}
    atomic_write_json(note, done)
    return done
