"""What counts against a memory limit: memory of the process's own, not files that it has mapped."""

import os
import sys

import numpy as np
import pytest

from herdbook.recipe.child import mapped_bytes

MIB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is mapped")
def test_files_count_and_arrays_do_not(tmp_path):
    size = 64 * MIB
    (tmp_path / "vectors").write_bytes(os.urandom(size))
    before = mapped_bytes(os.getpid())
    array = np.ones(size, dtype=np.uint8)
    assert mapped_bytes(os.getpid()) - before < 16 * MIB
    vectors = np.memmap(tmp_path / "vectors", dtype=np.uint8, mode="r")
    assert int(vectors.sum(dtype=np.int64)) > int(array[0])
    assert size - 16 * MIB < mapped_bytes(os.getpid()) - before < size + 16 * MIB


def test_of_a_process_that_has_ended():
    assert mapped_bytes(2**22 + 1) == 0
