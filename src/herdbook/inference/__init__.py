"""Room `inference`: text from a model. Sampling, sequences, scheduler, runner, engine; talking to a model.

>>> from herdbook.inference import Engine, SamplingParams
>>> answers = Engine(model, tokenizer).generate(prompts, SamplingParams(temperature=1.0, n=8))  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from herdbook.inference.chat_model import ChatModel, load
    from herdbook.inference.engine import Engine
    from herdbook.inference.sampling import SamplingParams
    from herdbook.inference.sequence import Completion

__all__ = ["ChatModel", "Completion", "Engine", "SamplingParams", "load"]

_HOME = {
    "ChatModel": "herdbook.inference.chat_model",
    "Completion": "herdbook.inference.sequence",
    "Engine": "herdbook.inference.engine",
    "SamplingParams": "herdbook.inference.sampling",
    "load": "herdbook.inference.chat_model",
}


def __getattr__(name: str) -> Any:
    """Imports a public name from its file on first use, so that importing the room does not import torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
