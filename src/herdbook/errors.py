"""The exception tree of herdbook.

::

    HerdbookError             exit 1    anything that herdbook reports itself; `message` and `remedy` are for the reader
    ├── UserError             exit 2    a mistake that the user can mend; carries `key`, `value` and `remedy`
    │   ├── ConfigError                 a setting: unknown name, wrong type, value out of range
    │   ├── RecipeError                 a recipe: bad TOML, unknown stage, inputs that do not fit
    │   ├── InputError                  a file, folder or text that was given: missing, unreadable, unfit
    │   ├── ArtifactError               an artifact: damaged, incomplete, of the wrong kind
    │   └── LockedError                 another run holds the run folder
    ├── ResourceError         exit 1    the machine is too small
    │   ├── DiskFullError
    │   └── OutOfMemory
    ├── StageFailed           exit 1    an unexpected exception in a stage; carries `log`, the file with the traceback
    └── Interrupted           exit 130  Ctrl-C or a request to stop

The command line prints `message` and `remedy`, no traceback, and ends with `exit_code`. From Python the same errors are
raised.
"""

from __future__ import annotations

import errno
from typing import Any


class HerdbookError(Exception):
    """Base of all errors of this package. `remedy` says what to do next, in one sentence."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str | None = None, key: str | None = None, value: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.key = key
        self.value = value

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class UserError(HerdbookError):
    """A mistake that the user can mend: `key` names the setting or file, `value` what was given."""

    exit_code = 2


class ConfigError(UserError):
    """A setting is unknown, of the wrong type, or out of range."""


class RecipeError(UserError):
    """A recipe cannot be read, or its stages do not fit together."""


class InputError(UserError):
    """A file, folder or text that the user gave is missing, unreadable or not what it should be."""


class ArtifactError(UserError):
    """An artifact is damaged, incomplete or of the wrong kind."""


class LockedError(UserError):
    """Another run holds the exclusive lock of the run folder."""


class ResourceError(HerdbookError):
    """The machine has too little of something."""


class DiskFullError(ResourceError):
    """No space is left on the disk (or quota)."""


class OutOfMemory(ResourceError):
    """Memory ran out, or the limit of the run was passed."""


class StageFailed(HerdbookError):
    """A stage ended by an exception that nobody foresaw; `log` is the file with its traceback."""

    log: str | None = None


class Interrupted(HerdbookError):
    """The user stopped the work (Ctrl-C). What was finished is kept."""

    exit_code = 130


_CLASSES: dict[str, type[HerdbookError]] = {
    c.__name__: c
    for c in (
        HerdbookError, UserError, ConfigError, RecipeError, InputError, ArtifactError, LockedError,
        ResourceError, DiskFullError, OutOfMemory, StageFailed, Interrupted,
    )
}  # fmt: skip

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_DISK_FULL_TEXT = ("No space left on device", "Disk quota exceeded", "os error 28")
_MEMORY_TEXT = ("can't allocate memory", "CUDA out of memory", "Cannot allocate memory", "std::bad_alloc")


def translate(error: BaseException) -> HerdbookError | None:
    """The error of this package that a foreign exception stands for, or None where there is none.

    Looks through the chain of causes: a full disk (ENOSPC, EDQUOT, or the words that the Rust and C++ libraries use for
    them) becomes `DiskFullError`, a refused allocation `OutOfMemory`.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, HerdbookError):
            return current
        text = str(current)
        if (isinstance(current, OSError) and current.errno in _DISK_FULL) or any(t in text for t in _DISK_FULL_TEXT):
            where = getattr(current, "filename", None)
            return DiskFullError(
                "The disk is full" + (f" (while writing {where})." if where else "."),
                remedy="Free some space, or choose another folder with --out, then give the same command again.",
            )
        if (
            isinstance(current, MemoryError)
            or type(current).__name__ in ("OutOfMemoryError", "OutOfMemoryException")  # torch's, DuckDB's
            or (isinstance(current, OSError) and current.errno == errno.ENOMEM)
            or (isinstance(current, (RuntimeError, OSError)) and any(t in text for t in _MEMORY_TEXT))
        ):
            return OutOfMemory(
                "Memory ran out.",
                remedy="Close other programs, take a smaller batch or model, or a machine with more memory; "
                "then give the same command again.",
            )
        current = current.__cause__ or current.__context__
    return None


def to_json(error: HerdbookError) -> dict[str, Any]:
    """An error as plain data, to cross from a stage's process to the runner."""
    value = error.value if isinstance(error.value, (str, int, float, bool, type(None))) else repr(error.value)
    name = next((c.__name__ for c in type(error).__mro__ if c.__name__ in _CLASSES), "HerdbookError")
    return {"class": name, "message": error.message, "remedy": error.remedy, "key": error.key, "value": value}


def from_json(data: dict[str, Any]) -> HerdbookError:
    """The reverse of `to_json`."""
    cls = _CLASSES.get(str(data.get("class")), HerdbookError)
    return cls(str(data["message"]), remedy=data.get("remedy"), key=data.get("key"), value=data.get("value"))
