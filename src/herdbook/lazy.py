"""Public names of a room that are imported from their files on first use, so that the room itself is light.

In a room's `__init__.py`: `__getattr__ = names_from({"Engine": "herdbook.inference.engine"}, __name__)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def names_from(homes: Mapping[str, str], room: str) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562). homes: public name -> the module that has it."""

    def getattribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return getattribute
