"""Room `data`: from texts and dialogs to batches of token ids.

`tokenize_stage` writes token shards, `PackedLoader` reads them for pretraining, `PackedDialogs` packs chat
dialogs for tuning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from herdbook.lazy import names_from

if TYPE_CHECKING:
    from herdbook.data.batch import Batch
    from herdbook.data.loader import PackedLoader
    from herdbook.data.packing import PackedDialogs, pack_dialogs
    from herdbook.data.shards import ShardWriter, TokenShards

__all__ = ["Batch", "PackedDialogs", "PackedLoader", "ShardWriter", "TokenShards", "pack_dialogs"]

__getattr__ = names_from(
    {
        "Batch": "herdbook.data.batch",
        "PackedDialogs": "herdbook.data.packing",
        "PackedLoader": "herdbook.data.loader",
        "ShardWriter": "herdbook.data.shards",
        "TokenShards": "herdbook.data.shards",
        "pack_dialogs": "herdbook.data.packing",
    },
    __name__,
)
