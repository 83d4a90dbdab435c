"""Room `inference`: text from a model. Sampling, sequences, scheduler, runner, engine; talking to a model.

>>> from herdbook.inference import Engine, SamplingParams
>>> answers = Engine(model, tokenizer).generate(prompts, SamplingParams(temperature=1.0, n=8))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from herdbook.lazy import names_from

if TYPE_CHECKING:
    from herdbook.inference.chat_model import ChatModel, load
    from herdbook.inference.engine import Engine
    from herdbook.inference.sampling import SamplingParams
    from herdbook.inference.sequence import Completion

__all__ = ["ChatModel", "Completion", "Engine", "SamplingParams", "load"]

__getattr__ = names_from(
    {
        "ChatModel": "herdbook.inference.chat_model",
        "Completion": "herdbook.inference.sequence",
        "Engine": "herdbook.inference.engine",
        "SamplingParams": "herdbook.inference.sampling",
        "load": "herdbook.inference.chat_model",
    },
    __name__,
)
