"""What every test gets: no network, one thread, the same examples each time, real data where there is some."""

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import settings

REPO = Path(__file__).resolve().parent.parent
NO_NETWORK = Path(__file__).resolve().parent / "no_network"

# Before anything imports torch or numpy: the models of the tests are so small that a second thread only costs time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# A property that fails must fail again on the next run, and a slow machine is no failure.
settings.register_profile("herdbook", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("herdbook")


def block_network() -> None:
    """Here and, by PYTHONPATH, in every Python that a test starts."""
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(NO_NETWORK)] + ([inherited] if inherited else []))
    spec = importlib.util.spec_from_file_location("herdbook_no_network", NO_NETWORK / "sitecustomize.py")
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


block_network()


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the repository."""
    return REPO


@pytest.fixture(scope="session")
def test_data() -> Path:
    """A folder of real texts, weights and vectors that are not in the repository; HERDBOOK_TEST_DATA says where."""
    folder = Path(os.environ.get("HERDBOOK_TEST_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set HERDBOOK_TEST_DATA to a folder that has them")
    return folder
