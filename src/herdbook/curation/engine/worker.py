"""What a process does at its start that works on units and on nothing else."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time


def begin() -> None:
    """Binds this worker to the process that started it, and leaves out what no unit ever asks for."""
    _end_with_parent()
    leave_out()
    atexit.register(_end)


def _end() -> None:
    """Ends the process without taking down what it has loaded, which takes half a second for each worker: whoever
    waits for the workers waits for one after the other. What was registered since runs before this."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def leave_out() -> None:
    """Two packages of others that would be loaded where they are installed, a second together, for nothing. For
    processes that do nothing but curate.

    Numba calls whatever package announces itself as its extension (awkward, which comes with the tokenizer's encoder);
    pyarrow, once in a process, loads pandas to ask whether a NumPy array is one of its series, and once more when it
    makes its first array for NumPy.
    """
    import numpy as np
    import pyarrow as pa
    from numba.core import entrypoints

    entrypoints._already_initialized = True
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array(np.zeros(1)).to_numpy()
    finally:
        sys.meta_path.remove(hidden)


class _Hidden:
    """While it stands first in `sys.meta_path`, pandas is not found where it has not been loaded before."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Says that pandas is not installed, and nothing of other modules."""
        if name == "pandas":
            raise ModuleNotFoundError("not asked for in a worker", name=name)


def _end_with_parent(every: float = 0.2) -> None:
    """Ends this process within `every` seconds of the one that started it, however that ends. A thread looks; to ask
    the kernel for a signal (Linux) would bind the worker to the thread that started it, and threads of a pool come and
    go."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every)
        os._exit(1)

    threading.Thread(target=watch, name="herdbook-parent", daemon=True).start()
