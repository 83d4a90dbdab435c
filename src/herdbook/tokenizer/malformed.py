"""Files of others are not to be trusted: whatever is odd in them becomes one clear message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from herdbook.errors import InputError


@contextmanager
def malformed(what: str) -> Iterator[None]:
    """A value of the wrong type, a missing key and their like, met while `what` is read, become an InputError."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{what} is malformed ({type(error).__name__}: {error}).",
            key="tokenizer",
            value=what,
            remedy="Fetch it again, or have its writer write it again.",
        ) from None
