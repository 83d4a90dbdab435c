"""Raw signals of documents: one Arrow row a document, from which every rule is judged afterwards.

A threshold can so be changed, or fitted, without reading the text again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.heuristics import c4_lines
from herdbook.curation.heuristics.distribution import WordDistribution, divergence
from herdbook.curation.heuristics.document import COLUMNS as OF_DOCUMENTS
from herdbook.curation.heuristics.document import document_figures
from herdbook.curation.heuristics.document_words import STOP_WORDS, stop_words_of
from herdbook.curation.heuristics.word_list import WordList, count_entries
from herdbook.curation.heuristics.words import Texts, letters_apart, split_words, texts_of

if TYPE_CHECKING:
    import pyarrow as pa


COLUMNS = (*OF_DOCUMENTS, "n_dirty_words", "kl_divergence")
"""The plain columns, in order; two more and lists follow."""


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
    """Bytes of text whose words are held at once where a word list or a distribution asks for them."""
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


def _of_lists(
    texts: Texts, languages: Any, config: Config, corpus: WordDistribution | None, dirty: WordList | None
) -> dict[str, Any]:
    """The columns for which words are looked up: those of a word list and of the corpus's distribution."""
    found: dict[str, list[Any]] = {"n_dirty_words": [], "kl_divergence": []}
    one = languages is None or isinstance(languages, str)
    asked = dirty is not None or corpus is not None
    for start, stop in _batches(texts, config) if asked else ():
        of_part = languages if one else languages[start:stop]
        words = split_words(Texts(texts.data, texts.offsets_N1[start : stop + 1]), of_part)
        if dirty is not None:
            found["n_dirty_words"].append(count_entries(words, dirty, of_part))
        if corpus is not None:
            found["kl_divergence"].append(divergence(words, corpus))
    columns = {name: np.concatenate(parts) for name, parts in found.items() if parts}
    if corpus is not None:
        columns.setdefault("kl_divergence", np.zeros(len(texts)))
    return {"n_dirty_words": np.zeros(len(texts), dtype=np.int64), **columns}


def signals(
    texts: Any,
    languages: Sequence[str | None] | str | None = "en",
    config: Config | None = None,
    *,
    corpus: WordDistribution | None = None,
    dirty: WordList | None = None,
    stop_words: Mapping[str, Sequence[str]] | None = None,
) -> pa.Table:
    """Raw signals of `texts` (an Arrow array of strings, or a sequence of them): a table with a row for each.

    `languages` is one code for all or one for each; `stop_words` are those of single languages. `corpus` adds the
    column `kl_divergence`; `dirty` is the word list of `n_dirty_words`. The columns are described in docs/curation.md.
    Equal texts give equal rows, however they are put together.
    """
    import pyarrow as pa

    config = config or Config()
    given = texts if isinstance(texts, Texts) else texts_of(texts)
    too_large = np.diff(given.offsets_N1) > config.max_document_bytes
    if too_large.any():
        given = _without(given, too_large)
    n = len(given)
    one = languages is None or isinstance(languages, str)
    stops = stop_words_of([languages] * n if one else languages, config.stop_words, stop_words or {})  # type: ignore[list-item, arg-type]
    figures, lists = document_figures(given, letters_apart(languages, n), stops, config)
    figures |= _of_lists(given, languages, config, corpus, dirty)
    columns = {name: pa.array(figures[name]) for name in COLUMNS if name in figures}
    columns["too_large"] = pa.array(too_large)
    for name, (values, bounds) in lists.items():
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
