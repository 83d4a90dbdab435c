"""The package as a program sees it: names, and an import that costs nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import herdbook


def test_the_import_is_cheap() -> None:
    code = "import sys, importlib; before = set(sys.modules); import herdbook; print(sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "['herdbook']"


def test_every_public_name_is_there() -> None:
    for name in herdbook.__all__:
        assert getattr(herdbook, name) is not None
        assert name in dir(herdbook)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = herdbook.nothing


def test_the_version_is_the_projects(repo: Path) -> None:
    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    assert project["version"] == herdbook.__version__
