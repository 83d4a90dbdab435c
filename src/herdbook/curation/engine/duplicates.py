"""Duplicates that a sort or a look-up finds: the same URL, the same text, lines that everybody has, near-duplicates.

Each function judges what is left in the ledger and returns verdicts: a table of place, reason and, where another
document stays instead, its place and similarity.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.dedup.recall import Recall
from herdbook.curation.engine.ledger import STATEMENT, Ledger
from herdbook.curation.engine.preference import order_by, places_in_order
from herdbook.curation.engine.shingled import Shingled
from herdbook.storage import remove_tree

if TYPE_CHECKING:
    import pyarrow as pa

    from herdbook.curation.dedup.verified import NearDuplicates as Selected


def same_key(ledger: Ledger, key: str, reason: str, order: str) -> pa.Table:
    """Documents with the `key` of another one that comes before them in `order`."""
    return ledger.table(
        f"SELECT place, ? AS reason, first AS kept_instead, 1.0 AS similarity FROM (SELECT place, "
        f"row_number() OVER w AS number, first_value(place) OVER w AS first FROM documents "
        f"WHERE step IS NULL AND kind <> '{STATEMENT}' AND {key} IS NOT NULL "
        f"WINDOW w AS (PARTITION BY {key} ORDER BY {order})) WHERE number > 1 ORDER BY place",
        [reason],
    )


def same_url(ledger: Ledger) -> pa.Table:
    """Older versions of a page: the newest stays, of equally old ones the longest."""
    return same_key(ledger, "url_key", "same_url", "date DESC NULLS LAST, n_bytes DESC, id")


def same_text(ledger: Ledger, prefer: Sequence[str]) -> pa.Table:
    """Documents whose text is that of a preferred one, letter case and blanks aside."""
    return same_key(ledger, "exact_key", "exact_duplicate", order_by(prefer))


class NearDuplicates:
    """Verified near-duplicates among what is left in the ledger when this is made: code apart, prose by language.

    `shingled` holds what is left, and may hold documents that went meanwhile: these take no part. `against`: indexes of
    older corpora.
    """

    def __init__(self, ledger: Ledger, shingled: Shingled, prefer: Sequence[str], against: Sequence[Path]) -> None:
        self.ledger = ledger
        self.shingled = shingled
        self.against = against
        self.order = shingled.position(places_in_order(ledger, prefer, f"kind <> '{STATEMENT}'"))
        self.groups = _groups(ledger, shingled)
        self._selected = False

    def _select(self) -> Selected:
        self._selected = True
        return self.shingled.store.select(self.order, against=self.against, groups=self.groups)

    def judge(self, index: Path | None) -> tuple[pa.Table, dict[str, Any]]:
        """(verdicts, figures). `index`: folder to which the index for later runs is written."""
        import pyarrow as pa

        place_of, config = self.shingled.places_M, self.shingled.config
        found = self._select()
        if index is not None:
            remove_tree(index)

            def ids(rows: Any) -> pa.Array:
                return pa.array(self.ledger.ids(place_of[rows]), pa.large_string())

            self.shingled.store.index(index, ids)
        gone = np.flatnonzero(~found.kept)
        twin = found.kept_instead[gone]
        here = twin < len(place_of)
        instead = place_of[np.where(here, twin, 0)] if len(gone) else np.empty(0, np.int64)
        old = found.kept_instead_old
        details = (
            [None] * len(gone)
            if old is None
            else [_kept_earlier(name) for name in old.take(pa.array(gone)).to_pylist()]
        )
        verdicts = pa.table({
            "place": pa.array(place_of[gone]),
            "reason": pa.array(["near_duplicate"] * len(gone), type=pa.string()),
            "detail": pa.array(details, type=pa.string()),
            "kept_instead": pa.array(instead, mask=~here),
            "similarity": pa.array(found.similarity[gone]),
        })  # fmt: skip
        return verdicts, {
            "pairs_candidates": found.n_candidates,
            "pairs_checked": found.n_compared,
            "pairs_true": len(gone),
            "clusters": int((np.unique(found.cluster, return_counts=True)[1] > 1).sum()),
            "threshold": config.threshold,
            "shingle_words": config.words,
        }

    def recall(self, sample: int, seed: int) -> dict[str, Any]:
        """Figures of the recall that was measured on `sample` documents (0: none). Judges again where an earlier
        process had judged."""
        if sample and not self._selected:
            self._select()
        found = self.shingled.store.measured_recall(sample, seed) if sample else Recall(None, 0, 0)
        return {
            "measured_recall_on_sample": None if found.recall is None else round(found.recall, 6),
            "sample_true_pairs": found.n_true_pairs,
            "sample_documents": found.n_documents,
        }


def _groups(ledger: Ledger, shingled: Shingled) -> pa.Array:
    """What each document is compared with: code, or prose of its language; null for those that take no part. A
    dictionary array [M]: four bytes a document."""
    import pyarrow as pa

    left = f"step IS NULL AND kind <> '{STATEMENT}'"
    group = "CASE WHEN kind = 'code' THEN 'code' ELSE coalesce(language, 'unknown') END"
    names = ledger.table(f"SELECT DISTINCT {group} AS name FROM documents WHERE {left} ORDER BY name")
    numbered = names.append_column("number", pa.array(range(names.num_rows), pa.int32()))
    with ledger.given(numbered):
        rows = ledger.table(f"SELECT place, number FROM documents JOIN given ON name = {group} WHERE {left}")
    numbers = np.full(len(shingled.places_M), -1, dtype=np.int32)
    numbers[shingled.position(rows["place"].to_numpy())] = rows["number"].to_numpy()
    return pa.DictionaryArray.from_arrays(pa.array(numbers, mask=numbers < 0), names["name"].combine_chunks())


def _kept_earlier(name: str | None) -> str | None:
    return None if name is None else f"kept earlier: {name}"
