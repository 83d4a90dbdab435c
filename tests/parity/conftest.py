"""Reference libraries, where they are installed."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
FOLDER = os.path.dirname(os.path.abspath(__file__))
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of docs/model.md: largest max|difference| / max|reference| of each comparison."""
    found = getattr(sys.modules.get("llama_pair"), "FOUND", {})
    if found:
        terminalreporter.section("largest differences found")
    for what, (difference, limit) in sorted(found.items()):
        terminalreporter.write_line(f"{what:<60} {difference:.1e}   (limit {limit:g})")


@pytest.fixture(scope="session")
def transformers() -> Any:
    return pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[dev]'")


@pytest.fixture
def without_float32_casts(transformers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers' norm, rotary tables and softmax cast to float32 whatever the model's dtype; here they cast to
    float64 instead: its own code, with another meaning of the name."""
    from llama_pair import FloatIsDouble
    from transformers import modeling_rope_utils
    from transformers.models.llama import modeling_llama

    for module in (modeling_llama, modeling_rope_utils):
        monkeypatch.setattr(module, "torch", FloatIsDouble())
