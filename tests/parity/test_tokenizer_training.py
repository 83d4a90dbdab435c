"""Merges equal Hugging Face's trainer's, on real text."""

import gzip
import json
from pathlib import Path

import pytest

from herdbook.tokenizer.byte_letters import from_letters
from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN
from herdbook.tokenizer.training import train_ranks

SETS = ("text/enwiki-2015", "text/kowiki", "text/zhwiki-2024", "code/permissive-mix", "text/viwiki-2022")


def peer_ranks(texts: list[str], n_base: int) -> dict[bytes, int]:
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    engine = tokenizers.Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(tokenizers.Regex(LLAMA3_SPLIT_PATTERN), behavior="isolated")
    as_letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    engine.pre_tokenizer = pre_tokenizers.Sequence([cut, as_letters])
    trainer = trainers.BpeTrainer(
        vocab_size=n_base, min_frequency=2, show_progress=False, special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    engine.train_from_iterator(texts, trainer=trainer)
    vocabulary = json.loads(engine.to_str())["model"]["vocab"]
    return {from_letters(token): rank for token, rank in vocabulary.items()}


def test_standard_library():
    import argparse
    import pydoc
    import typing

    texts = [Path(str(module.__file__)).read_text("utf-8") for module in (argparse, pydoc, typing)]
    assert train_ranks(texts, 4080) == peer_ranks(texts, 4080)


@pytest.mark.parametrize("name", SETS)
def test_real_text(test_data, name):
    """Half a megabyte of each: English, Korean, Chinese, code, Vietnamese."""
    (path,) = (test_data / name).glob("*.jsonl.gz")
    texts, size = [], 0
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            texts.append(json.loads(line)["text"].encode("utf-8", "replace").decode())
            size += len(texts[-1])
            if size > 500_000:
                break
    assert train_ranks(texts, 6000) == peer_ranks(texts, 6000)
