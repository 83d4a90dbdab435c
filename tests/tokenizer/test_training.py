"""Training: the same merges as the slow twin's, deterministic, every text encodable."""

import hashlib
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.errors import InputError
from herdbook.tokenizer import train_bpe
from herdbook.tokenizer.byte_letters import byte_order
from herdbook.tokenizer.piece_counts import PieceCounts
from herdbook.tokenizer.ranks_file import format_ranks
from herdbook.tokenizer.slow_training import slow_train_ranks
from herdbook.tokenizer.split_pattern import split
from herdbook.tokenizer.surrogates import clean_surrogates
from herdbook.tokenizer.training import count_pieces, extend_bpe, extend_ranks, train_ranks


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


# --- pieces

MIXED = st.lists(
    st.sampled_from(
        ["'s", "'LL", "'ſ", "'l", "'", "a", "Llama", "é", "e\u0301", "한글", "🦙", "12345", "٣", ".", "...",
         "\x00", " ", "  ", "\n", "\r\n", "\t", "\u3000", "\u2028", "\x85", "\x1c", "\ufeff", "\u200b", "!?\n",
         "_", "²", "Ⅷ"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


def counted(text: str) -> dict[bytes, int]:
    return dict(Counter(piece.encode() for piece in split(text)))


@settings(max_examples=500)
@given(MIXED | st.text(max_size=60).map(clean_surrogates))
def test_pieces_equal_the_pattern(text):
    pieces = PieceCounts()
    pieces.add(text)
    assert pieces.as_dict() == counted(text)


def test_every_character_is_cut_as_the_pattern_cuts_it():
    points = [*range(0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xE1000)]
    text = "".join(f"a{c}b 1{c} 9 {c}{c}\n!{c}'{c} '{c}s\t{c}\n \n" for c in map(chr, points))
    pieces = PieceCounts()
    pieces.add(text)
    assert pieces.as_dict() == counted(text)


def test_other_patterns_are_counted_too():
    pieces = count_pieces(["a b's c"], split_pattern=r"\S+|\s+")
    assert pieces.as_dict() == {b"a": 1, b" ": 2, b"b's": 1, b"c": 1}
    assert train_ranks(["ab ab ab"], 257, split_pattern=r"\S+|\s+").keys() - set(byte_order()) == {b"ab"}


# --- memory


def rare_and_frequent() -> list[str]:
    draw = random.Random(5)
    rare = ["".join(draw.choices("abcdefghij", k=12)) for _ in range(60_000)]
    return [f"herd llama {a} river {b} herd" for a, b in zip(rare[::2], rare[1::2])]


def test_little_memory_forgets_what_is_rare():
    """The frequent words are counted exactly, what was left out is known, and the limit holds."""
    texts = rare_and_frequent()
    limit = 16_000_000
    exact, bounded = count_pieces(texts), count_pieces(texts, max_memory_bytes=limit)
    assert exact.forgotten == exact.threshold == 0 and exact.needed_bytes() > limit
    assert bounded.forgotten > 0 and bounded.threshold >= 1
    assert bounded.needed_bytes() < 1.5 * limit
    known, all_counts = bounded.as_dict(), exact.as_dict()
    assert sum(all_counts.values()) == sum(known.values()) + bounded.forgotten
    for word in (b" herd", b" llama", b" river", b"herd"):
        assert known[word] == all_counts[word]
    again = count_pieces(texts, max_memory_bytes=limit)
    assert again.as_dict() == known
    assert train_ranks(texts, 270, max_memory_bytes=limit) == train_ranks(texts, 270, max_memory_bytes=limit)


def test_a_stream_is_read_once_and_not_kept():
    """A hundred megabytes go by; what is kept is one piece's count."""
    text = " herd" * 200_000
    pieces = count_pieces(text for _ in range(100))
    assert pieces.as_dict() == {b" herd": 20_000_000}


# --- extension

KOREAN = "라마는 안데스 산맥에 삽니다. 라마의 털은 부드럽습니다. 라마는 풀을 먹습니다.\n" * 5
ENGLISH = "They'll drink 12345 at the river, won't they?\n\nfor animal in herd: print(animal)\n"


def test_extension_keeps_old_ids(small):
    longer = extend_bpe(small, [KOREAN], 20)
    assert longer.n_base == small.n_base + 20 and longer.vocab_size == small.vocab_size + 20
    assert {token: longer.ranks[token] for token in small.ranks} == small.ranks
    assert list(longer.ranks.values()) == list(range(longer.n_base))
    assert longer.encode(ENGLISH) == small.encode(ENGLISH)
    assert len(longer.encode(KOREAN)) < len(small.encode(KOREAN))
    assert longer.decode(longer.encode(KOREAN + ENGLISH)) == KOREAN + ENGLISH
    assert longer.special["<|eot_id|>"] == small.special["<|eot_id|>"] + 20


def test_extension_of_bytes_is_training(texts):
    """Extending the 256 bytes gives what training from nothing gives."""
    bytes_only = {token: rank for rank, token in enumerate(byte_order())}
    assert extend_ranks(bytes_only, texts, 244) == train_ranks(texts, 500)


def test_extension_in_two_steps_is_extension_in_one(small):
    once = extend_ranks(small.ranks, [KOREAN], 20)
    assert extend_ranks(extend_ranks(small.ranks, [KOREAN], 8), [KOREAN], 12) == once


def test_nothing_to_extend_with(small):
    assert extend_ranks(small.ranks, [""], 5) == small.ranks
    with pytest.raises(InputError, match="extend nothing"):
        extend_ranks(small.ranks, [KOREAN], 0)
