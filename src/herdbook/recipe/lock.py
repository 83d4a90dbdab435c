"""One exclusive lock a run folder, held by an open file: it ends with the processes that hold it, however they end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from herdbook import storage
from herdbook.errors import InputError, LockedError

GRACE_SECONDS = 5.0


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Holds the lock of a run folder and yields its file descriptor, to be handed on to child processes.

    Raises LockedError at once when another run holds it.
    """
    with storage.disk_errors():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise InputError(f"Cannot use {folder} as a run folder: {error.strerror}.", key=str(folder)) from None
    try:
        _acquire(handle, folder)
        with contextlib.suppress(OSError):  # the number is a help for people; on a full disk the lock holds without it
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)


def _acquire(handle: int, folder: Path) -> None:
    """Takes the lock. Refused at once while its holder lives; of a holder just killed, the stage gets time to die."""
    deadline = time.monotonic() + GRACE_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
        if _alive(holder) or time.monotonic() > deadline:
            raise LockedError(
                f"Another run is using {folder}{f' (process {holder})' if holder else ''}.",
                remedy="Wait until it ends, or choose another folder with --out.",
                key=str(folder),
            )
        time.sleep(0.02)


def _alive(process: str) -> bool:
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
