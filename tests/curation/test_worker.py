"""Workers of the engine: they end with the process that started them, and load nothing that no unit asks for."""

import os
import signal
import subprocess
import sys
import time

WORKER = """
import sys, time
from herdbook.curation.engine.worker import begin
begin()
import numba, pyarrow as pa, numpy as np
pa.array(np.ones(2)); numba.njit(lambda x: x + 1)(1)
print(sorted({"pandas", "awkward"} & set(sys.modules)), flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline().strip(), flush=True)
time.sleep(60)
"""


def test_a_worker_is_light_and_ends_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, WORKER], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, _, loaded = parent.stdout.readline().strip().partition(" ")
    assert loaded == "[]"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":  # ended; nobody has asked how
                return
        time.sleep(0.05)
    raise AssertionError("the worker lives on")
