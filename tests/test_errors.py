"""The exception tree: exit codes, travel between processes, foreign exceptions."""

from __future__ import annotations

import errno
import re

import pytest

from herdbook import errors


def test_the_docstring_shows_the_tree_as_it_is() -> None:
    assert errors.__doc__ is not None
    shown = {
        name: int(code) if code else None
        for name, code in re.findall(
            r"^(?:    |│   |├── |└── )*(\w+)(?: +exit (\d+))?", errors.__doc__.split("::")[1], re.M
        )
    }
    for name, cls in vars(errors).items():
        if isinstance(cls, type) and issubclass(cls, errors.HerdbookError):
            assert name in shown
            if shown[name] is not None:
                assert cls.exit_code == shown[name]
            base = cls.__mro__[1]
            assert cls.exit_code == base.exit_code if shown[name] is None else True


@pytest.mark.parametrize("cls", list(errors._CLASSES.values()))
def test_errors_cross_a_process(cls: type[errors.HerdbookError]) -> None:
    error = cls("what", remedy="do this", key="k", value=[1])
    back = errors.from_json(errors.to_json(error))
    assert type(back) is cls
    assert (str(back), back.key, back.value, back.exit_code) == ("what do this", "k", "[1]", cls.exit_code)


def test_subclasses_of_a_room_arrive_as_their_base() -> None:
    class Special(errors.InputError):
        pass

    assert type(errors.from_json(errors.to_json(Special("x")))) is errors.InputError


class TorchOutOfMemoryError(RuntimeError):
    pass


TorchOutOfMemoryError.__name__ = "OutOfMemoryError"


@pytest.mark.parametrize(
    "foreign, kind",
    [
        (OSError(errno.ENOSPC, "No space left on device"), errors.DiskFullError),
        (Exception("I/O error: No space left on device (os error 28)"), errors.DiskFullError),
        (MemoryError(), errors.OutOfMemory),
        (TorchOutOfMemoryError("CUDA out of memory"), errors.OutOfMemory),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), errors.OutOfMemory),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), errors.OutOfMemory),
        (errors.InputError("x"), errors.InputError),
        (ValueError("x"), type(None)),
        (ValueError("the words can't allocate memory in a document"), type(None)),
    ],
)
def test_foreign_exceptions(foreign: Exception, kind: type) -> None:
    assert type(errors.translate(foreign)) is kind
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = foreign
    assert type(errors.translate(wrapped)) is kind
