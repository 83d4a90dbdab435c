"""Training: the same merges as the slow twin's, deterministic, every text encodable."""

import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.errors import InputError
from herdbook.tokenizer import train_bpe
from herdbook.tokenizer.byte_letters import byte_order
from herdbook.tokenizer.ranks_file import format_ranks
from herdbook.tokenizer.slow_training import slow_train_ranks
from herdbook.tokenizer.training import train_ranks


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Real code and prose: a few modules of the standard library."""
    import argparse
    import textwrap

    return [Path(str(module.__file__)).read_text("utf-8") for module in (textwrap, argparse)]


def test_equals_the_slow_twin(texts):
    ranks = train_ranks(texts, 700)
    assert len(ranks) == 700
    assert ranks == slow_train_ranks(texts, 700)


@settings(max_examples=60)
@given(st.lists(st.text("ab cé\n", max_size=30), max_size=8))
def test_equals_the_slow_twin_on_tiny_texts(tiny):
    """Tiny alphabets are full of ties and of overlapping pairs ("aaa")."""
    assert train_ranks(tiny, 270) == slow_train_ranks(tiny, 270)


def test_ties_go_to_the_lowest_pair_of_ids():
    ranks = train_ranks(["ba", "ba", "ab", "ab"], 257)
    assert max(ranks, key=ranks.__getitem__) == b"ab"


def test_order_and_repetition_do_not_matter(texts):
    documents = [line for text in texts for line in text.splitlines(keepends=True)]
    first = train_ranks(documents, 500)
    random.Random(3).shuffle(documents)
    assert train_ranks(documents, 500) == first
    assert train_ranks(documents * 2, 500, min_count=4) == first


def test_first_256_rows_are_metas(meta):
    assert {token: meta.ranks[token] for token in byte_order()} == {token: i for i, token in enumerate(byte_order())}


def test_a_text_too_small_for_the_vocabulary():
    """No pair twice: nothing to learn; the bytes remain and everything can be encoded."""
    tokenizer = train_bpe(["abc"], 1000, n_special=16)
    assert (tokenizer.n_base, tokenizer.vocab_size) == (256, 272)
    assert tokenizer.decode(tokenizer.encode("라마 \x00")) == "라마 \x00"


def test_too_small_a_vocabulary():
    with pytest.raises(InputError, match="256"):
        train_bpe(["a"], 260, n_special=16)


def test_lone_surrogates_in_the_text():
    assert train_ranks(["a\ud800" * 3], 258) == train_ranks(["a\ufffd" * 3], 258)


def test_fixed_result(small):
    """The file of the shared small tokenizer, pinned: a change of merges or of format must be seen."""
    assert hashlib.sha256(format_ranks(small.ranks)).hexdigest()[:16] == "4e9a7349abb6d3d1"
