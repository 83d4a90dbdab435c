"""Room `data`: from texts and dialogs to batches of token ids.

`tokenize_stage` writes token shards, `PackedLoader` reads them for pretraining, `PackedDialogs` packs chat
dialogs for tuning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from herdbook.data.batch import Batch
    from herdbook.data.loader import PackedLoader
    from herdbook.data.packing import PackedDialogs, pack_dialogs
    from herdbook.data.shards import ShardWriter, TokenShards

__all__ = ["Batch", "PackedDialogs", "PackedLoader", "ShardWriter", "TokenShards", "pack_dialogs"]

_HOME = {
    "Batch": "herdbook.data.batch",
    "PackedDialogs": "herdbook.data.packing",
    "PackedLoader": "herdbook.data.loader",
    "ShardWriter": "herdbook.data.shards",
    "TokenShards": "herdbook.data.shards",
    "pack_dialogs": "herdbook.data.packing",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its file on first use: torch is not loaded by `import herdbook.data`."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
