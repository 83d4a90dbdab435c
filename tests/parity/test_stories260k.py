"""A trained model of Llama's architecture: stories260K (grouped-query attention, SentencePiece vocabulary)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from llama_cpp import greedy
from llama_pair import within

from herdbook.inference import Engine, SamplingParams
from herdbook.weights.convert import convert
from herdbook.weights.loading import load_any

N = 256
"""Tokens that run.c makes by default."""


@pytest.fixture(scope="module")
def weights(test_data: Path) -> Path:
    return test_data / "weights" / "stories260K" / "stories260K.bin"


@pytest.fixture(scope="module")
def published(weights: Path) -> str:
    """The greedy text that the model's page prints."""
    page = weights.with_suffix(".md").read_text()
    match = re.search(r"-t 0\.0\n(.*?)\n```", page, flags=re.DOTALL)
    assert match
    return match[1]


def continue_greedily(path: Path, prompt: str, n: int) -> str:
    model, tokenizer = load_any(path)
    params = SamplingParams(max_new_tokens=n, stop_ids=())
    return prompt + Engine(model, tokenizer).generate([tokenizer.encode(prompt, bos=True)], params)[0][0].text


def test_the_published_greedy_text(weights: Path, published: str) -> None:
    assert len(published) > 500
    text = continue_greedily(weights, "", N)
    assert text.strip() == published.strip()


@pytest.mark.parametrize("to", ["meta", "hf", "gguf", "herdbook"])
def test_the_same_text_from_every_format(weights: Path, published: str, tmp_path: Path, to: str) -> None:
    made = convert(weights, tmp_path / ("out.gguf" if to == "gguf" else "out"), to)
    assert continue_greedily(made, "", N).strip() == published.strip()


@pytest.mark.usefixtures("transformers")
def test_transformers_says_the_same(weights: Path, published: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = convert(weights, tmp_path / "hf", "hf")
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("", return_tensors="pt").input_ids
    assert ids.tolist() == [[1]]
    out = theirs.generate(ids, max_new_tokens=N, do_sample=False, eos_token_id=None)
    text = tokenizer.decode(out[0], skip_special_tokens=True)
    assert text.strip() == published.strip()
    ours, our_tokenizer = load_any(weights)
    words = our_tokenizer.encode(published, bos=True)
    assert words == tokenizer(published).input_ids
    with torch.no_grad():
        logits = ours(torch.tensor([words])), theirs(torch.tensor([words])).logits
        assert within("stories260K, float32: logits", *logits, 1e-5)


def test_llama_cpp_says_the_same(weights: Path, published: str, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install -e '.[dev]'")
    file = convert(weights, tmp_path / "stories.gguf", "gguf")
    with greedy(file, 512) as answer:
        assert answer([1], N).strip() == published.strip()
