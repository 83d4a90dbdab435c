"""Tokenizers that the tests share: a small one trained on the spot, and Meta's where its file is at hand."""

from pathlib import Path

import pytest

from herdbook.tokenizer import Tokenizer, train_bpe

SAMPLE = (
    "The herd walks down to the river. It's three o'clock; they'll drink there, won't they?\n\n"
    "def walk(herd: list[str], steps: int = 128) -> None:\n    for animal in herd:\n        print(animal, steps)\n"
    "라마는 안데스 산맥에 삽니다. 라마의 털은 부드럽습니다. Ünïcödé — 12,345.678 🦙🦙 é\u0301\n"
) * 4


@pytest.fixture(scope="session")
def small() -> Tokenizer:
    """256 bytes, 128 merges, 16 special tokens: 400 rows."""
    return train_bpe([SAMPLE], 400, n_special=16)


@pytest.fixture(scope="session")
def meta_file(test_data: Path) -> Path:
    """Llama 3's `tokenizer.model`."""
    path = test_data / "tokenizer" / "llama3_tokenizer.model"
    if not path.exists():
        pytest.skip(f"not present: {path}")
    return path


@pytest.fixture(scope="session")
def meta(meta_file: Path) -> Tokenizer:
    """Llama 3's own tokenizer."""
    return Tokenizer.load(meta_file)
