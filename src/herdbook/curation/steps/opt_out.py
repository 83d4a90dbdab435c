"""Who does not want to be learnt from: lists that the user gives, and what a page says of itself.

A page's word is read from the documents' `meta`: the key "robots" (the content of its robots tag or of the header
X-Robots-Tag) with `noai` or `noimageai`, or the key "tdm-reservation" with 1 (TDM Reservation Protocol).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.steps import block_list
from herdbook.curation.steps.rows import matching

if TYPE_CHECKING:
    import pyarrow as pa

_CANDIDATE = "noai|noimageai|tdm-reservation"

MEASURED_BY = ("files", "page_tags")
"""Settings that `mend` and `measure` read; the others are thresholds."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Whose wish counts."""

    files: tuple[str, ...] = ()
    """Text files with hosts, addresses or ids that opted out, one a line."""
    page_tags: bool = True
    """Whether a page's own tags count."""


def reserved(meta: str) -> bool:
    """Whether a document's meta (JSON) says that it is not to be learnt from."""
    try:
        values = json.loads(meta)
    except ValueError:
        return False
    if not isinstance(values, dict):
        return False
    robots = str(values.get("robots", "")).lower().replace(",", " ").replace(";", " ").split()
    return "noai" in robots or "noimageai" in robots or str(values.get("tdm-reservation", "0")).strip() == "1"


def measure(table: pa.Table, config: Config | None = None, listed: block_list.Entries | None = None) -> pa.Table:
    """Bool columns `opt_out_listed` and `opt_out_page`."""
    import pyarrow as pa

    config = config or Config()
    found = block_list.found_in(table, listed or block_list.read(config.files))
    by_page = np.zeros(table.num_rows, dtype=bool)
    if config.page_tags:
        by_page = matching(table["meta"], _CANDIDATE, ignore_case=True)
        metas = table["meta"].filter(pa.array(by_page)).to_pylist()
        by_page[by_page] = [reserved(meta) for meta in metas]
    listed_mask = found["domain"] | found["url"] | found["id"]
    return pa.table({"opt_out_listed": listed_mask, "opt_out_page": by_page})


def rules(signals: Mapping[str, Any], config: Config) -> list[tuple[str, Any]]:
    """Documents whose owners opted out ("opted_out")."""
    return [("opted_out", np.asarray(signals["opt_out_listed"]) | np.asarray(signals["opt_out_page"]))]
