"""A model and a tokenizer made by herdbook, exported by one command: transformers and llama.cpp answer as we do.

Random weights; and the final model of the quickstart, where it has been made (`make quickstart`), or a trained one that
HERDBOOK_MODEL names.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from llama_cpp import greedy

import herdbook
from herdbook.cli.main import main
from herdbook.errors import UserError
from herdbook.inference.chat_model import ChatModel
from herdbook.model.args import ModelArgs
from herdbook.model.transformer import Transformer, init_weights
from herdbook.tokenizer import train_bpe
from herdbook.weights.locate import find_weights
from herdbook.weights.native import save_model

TEXT = "What does `shutil.copytree` do? It copies a whole tree of folders. I do not know that name. 나는 모른다. " * 4
QUESTIONS = ["What does `shutil.copytree` do?", "  I do not know ", "나는 <|eot_id|> 모른다"]
N = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights so large that hardly two logits are alike: greedy answers then do not hang on rounding."""
    tokenizer = train_bpe([TEXT], 400, n_special=16)
    args = ModelArgs(
        dim=64, n_layers=3, n_heads=8, n_kv_heads=2, vocab_size=tokenizer.vocab_size, multiple_of=32, max_seq_len=256
    )
    model = Transformer(args)
    init_weights(model, torch.Generator().manual_seed(3), std=0.25)
    folder = tmp_path_factory.mktemp("own") / "model"
    save_model(folder, model, tokenizer, max_questions=1)
    return folder


@pytest.fixture(scope="module")
def ours(folder: Path) -> ChatModel:
    return herdbook.load(folder)


@pytest.fixture(scope="module")
def trained(repo: Path) -> Path:
    """The quickstart's final model, or the one that HERDBOOK_MODEL names."""
    try:
        return find_weights(os.environ.get("HERDBOOK_MODEL", repo / "runs" / "quickstart"))
    except UserError as error:
        pytest.skip(f"no trained model: {error}")


def export(folder: Path, tmp_path: Path, to: str) -> Path:
    target = tmp_path / ("model.gguf" if to == "gguf" else "model")
    assert main(["convert", str(folder), str(target), "--to", to, "--quiet"]) == 0
    return target


def test_transformers_gives_the_same_answers(folder: Path, ours: ChatModel, tmp_path: Path, transformers: Any) -> None:
    exported = export(folder, tmp_path, "hf")
    model = transformers.AutoModelForCausalLM.from_pretrained(exported)
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported)
    for question in QUESTIONS:
        prompt = ours.prompt(question, ours.params(max_new_tokens=N)).ids
        if "<|" not in question:  # there transformers reads the user's text as a special token
            messages = [{"role": "user", "content": question}]
            assert tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False) == prompt
        out = model.generate(torch.tensor([prompt]), max_new_tokens=N, do_sample=False)[0, len(prompt) :]
        (completion,) = ours.complete(question, max_new_tokens=N)
        assert out.tolist() == completion.ids
        said = tokenizer.decode(out, skip_special_tokens=True)
        plain = [i for i in completion.ids if i not in ours.tokenizer.special.values()]
        assert said == ours.tokenizer.decode(plain)


def test_llama_cpp_gives_the_same_answers(folder: Path, ours: ChatModel, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install -e '.[dev]'")
    exported = export(folder, tmp_path, "gguf")
    with greedy(exported, 256) as answer:
        for question in QUESTIONS:
            prompt = ours.prompt(question, ours.params(max_new_tokens=N)).ids
            (completion,) = ours.complete(question, max_new_tokens=N)
            plain = [i for i in completion.ids if i not in ours.tokenizer.special.values()]
            assert answer(prompt, N) == ours.tokenizer.decode(plain)


@pytest.mark.slow
def test_the_quickstarts_final_model_answers_alike_everywhere(trained: Path, tmp_path: Path, transformers: Any) -> None:
    """A hundred names of the standard library, greedy, up to 40 tokens each."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install -e '.[dev]'")
    ours = herdbook.load(trained)
    (tmp_path / "hf").mkdir()
    theirs = transformers.AutoModelForCausalLM.from_pretrained(export(trained, tmp_path / "hf", "hf"))
    names = [f"{module.__name__}.{name}" for module in (json, shutil, os) for name in module.__all__][:100]
    with greedy(export(trained, tmp_path, "gguf"), 256) as answer:
        for name in names:
            question = f"What does `{name}` do?"
            prompt = ours.prompt(question, ours.params(max_new_tokens=40)).ids
            (completion,) = ours.complete(question, max_new_tokens=40)
            out = theirs.generate(torch.tensor([prompt]), max_new_tokens=40, do_sample=False)[0, len(prompt) :]
            assert out.tolist() == completion.ids, question
            assert answer(prompt, 40) == completion.text, question
