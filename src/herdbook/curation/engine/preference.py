"""Which of several equal documents stays: the order of preference, as an SQL expression and as an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from herdbook.curation.engine.ledger import Ledger


def order_by(prefer: Sequence[str]) -> str:
    """ORDER BY of the documents, best first: sources named in `prefer` in that order, then the others; longer before
    shorter; newer before older; then by id."""
    quoted = ["'" + name.replace("'", "''") + "'" for name in prefer]
    cases = " ".join(f"WHEN {name} THEN {rank}" for rank, name in enumerate(quoted))
    rank = f"CASE source {cases} ELSE {len(quoted)} END, " if quoted else ""
    return f"{rank}n_bytes DESC, date DESC NULLS LAST, id"


def places_in_order(ledger: Ledger, prefer: Sequence[str], where: str = "true") -> npt.NDArray[np.int64]:
    """Places of the documents that are still there, best first."""
    query = f"SELECT place FROM documents WHERE step IS NULL AND ({where}) ORDER BY {order_by(prefer)}"
    return ledger.column(query).astype(np.int64)
