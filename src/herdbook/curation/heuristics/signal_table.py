"""Raw signals of documents: one Arrow row a document, from which every rule is judged afterwards.

A threshold can so be changed, or fitted, without reading the text again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.heuristics import c4_lines
from herdbook.curation.heuristics.distribution import WordDistribution, divergence
from herdbook.curation.heuristics.document_words import STOP_WORDS, line_coverage, word_figures
from herdbook.curation.heuristics.lines import line_figures
from herdbook.curation.heuristics.repetition import repetition
from herdbook.curation.heuristics.word_list import WordList, count_entries
from herdbook.curation.heuristics.words import Texts, split_words, texts_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Config:
    """What has to be known before the reading."""

    stop_words: tuple[str, ...] = STOP_WORDS
    """Words of which different ones are counted (published, for English: these)."""
    short_line_characters: int = 30
    """Longest line that is short (published by FineWeb: 30)."""
    max_document_bytes: int = 32_000_000
    """Longer documents are not read; the column `too_large` says so."""
    batch_bytes: int = 1_000_000
    """Bytes of text that are cut into words at once: their arrays stay in the processor's cache."""
    c4_lines: c4_lines.Config = field(default_factory=c4_lines.Config)
    """How C4 judges lines."""


def _batches(texts: Texts, config: Config) -> Iterator[tuple[int, int]]:
    """Ranges of texts of about `batch_bytes`."""
    start, n = 0, len(texts)
    while start < n:
        limit = texts.offsets_N1[start] + config.batch_bytes
        stop = int(np.searchsorted(texts.offsets_N1, limit, side="right")) - 1
        stop = min(n, max(stop, start + 1))
        yield start, stop
        start = stop


def _of_batch(
    texts: Texts, languages: Any, config: Config, corpus: WordDistribution | None, dirty: WordList | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plain columns, and list columns as (values, bounds), of one batch."""
    words = split_words(texts, languages)
    plain: dict[str, Any] = {"n_bytes": np.diff(texts.offsets_N1)}
    plain |= line_figures(texts, config.short_line_characters)
    plain |= word_figures(words, config.stop_words)
    found = repetition(words)
    plain["n_distinct_words"] = found.n_distinct
    plain |= {f"top_{n}_gram_characters": values for n, values in found.top.items()}
    plain |= {f"duplicate_{n}_gram_characters": values for n, values in found.duplicate.items()}
    lines = c4_lines.judge_lines(texts, words, config.c4_lines, languages)
    plain["n_sentences"] = lines.n_sentences
    for state in (c4_lines.LOREM_IPSUM, c4_lines.CURLY_BRACKET):
        plain[f"n_{c4_lines.STATES[state]}_lines"] = lines.count(state)
    plain["n_dirty_words"] = (
        count_entries(words, dirty, languages) if dirty is not None else np.zeros(len(texts), np.int64)
    )
    if corpus is not None:
        plain["kl_divergence"] = divergence(words, corpus)
    lists = {
        "c4_line_states": (lines.state_L, lines.bounds_N1),
        "line_coverage": line_coverage(texts, words, found.covered_T, plain["n_newlines"]),
    }
    return plain, lists


def signals(
    texts: Any,
    languages: Sequence[str | None] | str | None = "en",
    config: Config | None = None,
    *,
    corpus: WordDistribution | None = None,
    dirty: WordList | None = None,
) -> pa.Table:
    """Raw signals of `texts` (an Arrow array of strings, or a sequence of them): a table with a row for each.

    `languages` is one code for all or one for each. `corpus` adds the column `kl_divergence`; `dirty` is the word list
    of `n_dirty_words`. The columns are described in docs/curation.md. Equal texts give equal rows, however they are
    put together.
    """
    import pyarrow as pa

    config = config or Config()
    given = texts if isinstance(texts, Texts) else texts_of(texts)
    too_large = np.diff(given.offsets_N1) > config.max_document_bytes
    if too_large.any():
        given = _without(given, too_large)
    plain_parts: dict[str, list[Any]] = {}
    list_parts: dict[str, list[tuple[Any, Any]]] = {}
    one = languages is None or isinstance(languages, str)
    for start, stop in list(_batches(given, config)) or [(0, 0)]:
        part = Texts(given.data, given.offsets_N1[start : stop + 1])
        of_part = languages if one else languages[start:stop]  # type: ignore[index]
        plain, lists = _of_batch(part, of_part, config, corpus, dirty)
        for name, values in plain.items():
            plain_parts.setdefault(name, []).append(values)
        for name, pair in lists.items():
            list_parts.setdefault(name, []).append(pair)
    columns: dict[str, Any] = {name: pa.array(np.concatenate(parts)) for name, parts in plain_parts.items()}
    columns["too_large"] = pa.array(too_large)
    for name, pairs in list_parts.items():
        values = np.concatenate([v for v, _ in pairs])
        sizes = np.concatenate([np.diff(b) for _, b in pairs])
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        columns[name] = pa.LargeListArray.from_arrays(pa.array(bounds, type=pa.int64()), pa.array(values))
    return pa.table(columns)


def _without(texts: Texts, dropped: Any) -> Texts:
    """The texts with those that are dropped made empty."""
    parts = [texts.bytes_of(i) if not out else b"" for i, out in enumerate(dropped.tolist())]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return Texts(np.frombuffer(b"".join(parts), dtype=np.uint8), offsets)


def as_arrays(table: pa.Table) -> dict[str, Any]:
    """The plain columns as numpy arrays, by name."""
    import pyarrow as pa

    return {name: table[name].to_numpy() for name in table.column_names if not pa.types.is_large_list(table[name].type)}
