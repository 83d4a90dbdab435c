"""What importing costs: the command line starts with nothing heavy, and working on text loads no torch."""

import subprocess
import sys

import pytest


def loaded_after(statement: str) -> set[str]:
    """Names of all modules that a fresh Python has loaded after `statement`."""
    program = f"{statement}\nimport sys; print('\\n'.join(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


HEAVY = {"torch", "pyarrow", "matplotlib", "tokenizers", "tiktoken", "transformers", "fasttext", "uvicorn"}


@pytest.mark.parametrize("statement", ["import herdbook", "import herdbook.cli.main"])
def test_nothing_heavy_is_loaded_before_a_verb_is_chosen(statement: str) -> None:
    assert loaded_after(statement) & (HEAVY | {"numpy"}) == set()


TEXT_STAGES = ["herdbook.curation.collect", "herdbook.curation.curate_stage", "herdbook.tasks.questions"]


@pytest.mark.parametrize("module", TEXT_STAGES)
def test_working_on_text_needs_no_torch(module: str) -> None:
    assert "torch" not in loaded_after(f"import {module}")


def test_torch_would_be_seen() -> None:
    assert "torch" in loaded_after("import herdbook.model.transformer")
