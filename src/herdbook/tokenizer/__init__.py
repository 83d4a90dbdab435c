"""Room `tokenizer`: text to ids and back, exactly as Llama 3 does it.

Training, special tokens, chat format and comparison live here too.

Numbers and text only: nothing here imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from herdbook.tokenizer.chat import ChatFormat
    from herdbook.tokenizer.comparison import compare
    from herdbook.tokenizer.template_chat import chat_format
    from herdbook.tokenizer.tokenizer import Tokenizer
    from herdbook.tokenizer.training import train_bpe

__all__ = ["ChatFormat", "Tokenizer", "chat_format", "compare", "train_bpe"]

_HOME = {
    "ChatFormat": "herdbook.tokenizer.chat",
    "Tokenizer": "herdbook.tokenizer.tokenizer",
    "chat_format": "herdbook.tokenizer.template_chat",
    "compare": "herdbook.tokenizer.comparison",
    "train_bpe": "herdbook.tokenizer.training",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its file on first use, so that `import herdbook.tokenizer` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
