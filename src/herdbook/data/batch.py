"""What a training step is given.

B rows, T tokens in a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

NO_TARGET = -100
"""Target of positions that carry no loss (PyTorch's `ignore_index`)."""
PAD_DOCUMENT = -1
"""Document number of padding."""


@dataclass(frozen=True)
class Batch:
    """Rows of packed documents, of fixed shape (B, T)."""

    tokens_BT: torch.Tensor
    """int64 ids; padding where `document_BT` is -1."""
    targets_BT: torch.Tensor
    """int64: the id that should come next, or -100: at a document's last token, on padding, where a mask says so."""
    document_BT: torch.Tensor
    """int32: number of the document within its row, from 0; -1 on padding."""
    positions_BT: torch.Tensor
    """int64: 0, 1, 2 … within each document's part of the row; 0 on padding."""

    @property
    def n_targets(self) -> int:
        """How many positions carry loss."""
        return int((self.targets_BT != NO_TARGET).sum())

    @property
    def n_tokens(self) -> int:
        """How many positions are not padding."""
        return int((self.document_BT != PAD_DOCUMENT).sum())

    def to(self, device: Any) -> Batch:
        """The same batch on another device."""
        return Batch(
            self.tokens_BT.to(device),
            self.targets_BT.to(device),
            self.document_BT.to(device),
            self.positions_BT.to(device),
        )


def as_batch(tokens_BT: np.ndarray, targets_BT: np.ndarray, document_BT: np.ndarray, positions_BT: np.ndarray) -> Batch:
    """A `Batch` of NumPy arrays (torch is imported here, not before)."""
    import torch

    return Batch(
        torch.from_numpy(np.ascontiguousarray(tokens_BT, dtype=np.int64)),
        torch.from_numpy(np.ascontiguousarray(targets_BT, dtype=np.int64)),
        torch.from_numpy(np.ascontiguousarray(document_BT, dtype=np.int32)),
        torch.from_numpy(np.ascontiguousarray(positions_BT, dtype=np.int64)),
    )
