"""The columns of the NSFW step, a row for each document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from herdbook.curation.heuristics.word_list import count_entries
from herdbook.curation.heuristics.words import split_words, texts_of
from herdbook.curation.nsfw import classifier, lists
from herdbook.curation.nsfw.config import Config
from herdbook.curation.nsfw.domains import host_of, is_adult_name, is_listed


def _column(table: pa.Table, name: str) -> list[Any]:
    return table[name].to_pylist() if name in table.column_names else [None] * table.num_rows


def _judged(languages: Sequence[str | None], kinds: Sequence[str | None], config: Config) -> tuple[Any, Any]:
    """Which documents are prose [N], and which of them are in a language whose toxicity is judged [N]."""
    prose = np.fromiter((kind != "code" for kind in kinds), np.bool_, count=len(kinds))
    known = np.fromiter(
        (language is None or language.split("-")[0] in config.languages for language in languages),
        np.bool_, count=len(languages),
    )  # fmt: skip
    return prose, prose & known


def measured(table: pa.Table, config: Config) -> pa.Table:
    """The columns nsfw_* of a table of documents:

    nsfw_score, nsfw_toxic_score float32 (null for code; the second also for languages that are not judged),
    nsfw_n_passages int32, nsfw_n_words int32 (listed words) and nsfw_word_share float32, nsfw_adult_domain bool
    (listed) and nsfw_adult_host bool (by its name). InputError where a list cannot be read."""
    texts = texts_of(table["text"])
    languages = _column(table, "language")
    prose, judged = _judged(languages, _column(table, "kind"), config)
    found = classifier.score(texts, classifier.weights())
    scores = classifier.document_scores(found)
    n_words, share = np.zeros(len(texts), np.int32), np.zeros(len(texts), np.float32)
    listed_words = lists.word_lists(config.word_lists)
    if listed_words is not None:
        words = split_words(texts, languages)
        n_words = count_entries(words, listed_words, languages).astype(np.int32)
        share = (n_words / np.maximum(np.diff(words.bounds_N1), 1)).astype(np.float32)
    hosts = [host_of(url) for url in _column(table, "url")]
    listed = lists.domains(config.domains)
    return pa.table(
        {
            "nsfw_score": pa.array(scores[:, 0], pa.float32(), mask=~prose),
            "nsfw_toxic_score": pa.array(scores[:, 1], pa.float32(), mask=~judged),
            "nsfw_n_passages": pa.array(np.diff(found.bounds_N1), pa.int32()),
            "nsfw_n_words": pa.array(n_words, pa.int32()),
            "nsfw_word_share": pa.array(share, pa.float32()),
            "nsfw_adult_domain": pa.array([is_listed(host, listed) for host in hosts], pa.bool_()),
            "nsfw_adult_host": pa.array([is_adult_name(host) for host in hosts], pa.bool_()),
        }
    )
