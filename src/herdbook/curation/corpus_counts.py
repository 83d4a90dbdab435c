"""What is in a corpus, counted batch by batch: documents and bytes by source, licence, language and kind, and dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

BY = {"sources": "source", "licences": "license", "languages": "language", "kinds": "kind"}


class CorpusCounts:
    """Counts of all batches that were added; `report()` gives them as plain data, the same in any order of batches."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, list[int]]] = {name: {} for name in BY}
        self._dates: dict[str, int] = {}
        self._undated = 0

    def add(self, table: pa.Table) -> None:
        """Counts a batch of documents."""
        import pyarrow as pa
        import pyarrow.compute as pc

        sizes = pc.fill_null(pc.binary_length(table["text"]), 0).cast(pa.int64())
        for name, column in BY.items():
            rows = pa.table({"key": pc.fill_null(table[column], "unknown"), "bytes": sizes})
            for row in rows.group_by("key").aggregate([("bytes", "count"), ("bytes", "sum")]).to_pylist():
                entry = self._counts[name].setdefault(row["key"], [0, 0])
                entry[0] += row["bytes_count"]
                entry[1] += row["bytes_sum"]
        for row in pc.value_counts(pc.utf8_slice_codeunits(table["date"], 0, 4)).to_pylist():
            if row["values"]:
                self._dates[row["values"]] = self._dates.get(row["values"], 0) + row["counts"]
            else:
                self._undated += row["counts"]

    def report(self) -> dict[str, Any]:
        """`documents`, `bytes`; for sources, licences, languages and kinds a mapping of name to documents and bytes,
        most bytes first; `dates`: documents by year, and `undated`.
        """
        found: dict[str, Any] = {
            name: {
                key: {"documents": n, "bytes": size}
                for key, (n, size) in sorted(entries.items(), key=lambda item: (-item[1][1], item[0]))
            }
            for name, entries in self._counts.items()
        }
        every = self._counts["kinds"].values()
        return {
            "documents": sum(n for n, _ in every),
            "bytes": sum(size for _, size in every),
            **found,
            "dates": dict(sorted(self._dates.items())),
            "undated": self._undated,
        }
