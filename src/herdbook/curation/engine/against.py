"""Older corpora that new documents are deduplicated against: their indexes, looked at before any work is done."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from herdbook.errors import ArtifactError, InputError

COLUMNS = {"id", "exact_key", "url_key"}


def indexes(corpora: Iterable[Path]) -> list[Path]:
    """The index folder of each corpus. Raises InputError where there is none, ArtifactError where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = []
    for corpus in corpora:
        folder = corpus / "index"
        if not folder.is_dir():
            raise InputError(
                f"{corpus} has no index to deduplicate against.", key="against", value=str(corpus),
                remedy="Make it again with --curate.keep_index=true.",
            )  # fmt: skip
        try:
            names = set(pq.read_schema(folder / "keys.parquet").names)
        except (OSError, pa.ArrowInvalid):
            names = set()
        if not names >= COLUMNS:
            raise ArtifactError(
                f"{folder / 'keys.parquet'} is damaged or missing.", key="against", value=str(corpus),
                remedy="Make the corpus again with --curate.keep_index=true.",
            )  # fmt: skip
        found.append(folder)
    return found
