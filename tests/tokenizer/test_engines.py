"""The fast engine gives tiktoken's ids: differential fuzzing, all of Unicode, long runs; and life without it."""

import itertools
import random
import time
from collections.abc import Iterator

import pytest
import tiktoken

from herdbook.tokenizer import Tokenizer, engines
from herdbook.tokenizer.engines import AutomaticEngine, GigatokenEngine, is_disputed

WORDS = (
    "'s 'LL 'ſ Llama é e\u0301 한 글 🦙 👨\u200d👩 1 12345 ٣ . ... \x00 ſ K <|eot_id|> aa aaa ab ba == ---- // __ अ ก "
    "中文 ß İ \u0600 ² ½ Ⅷ 𝟘 \u088f \ua7ce \U00010940 \U00033479"
).split(" ")
WORDS += [" ", "  ", "\n", "\r\n", "\t", "!?\n", "\u3000", "\ufeff", "\u200b", "\x0b", "\x1c", "\x85", "\u2028", "  \n"]
RUNS = "aehst =-_*/.#\n\tA1한\u00a0"


def random_strings(seed: int, n: int) -> Iterator[str]:
    """Word-like mixtures, few letters many times, characters from everywhere, runs of two characters."""
    draw = random.Random(seed)
    for _ in range(n):
        kind = draw.randrange(5)
        if kind == 0:
            yield "".join(draw.choices(WORDS, k=draw.randint(1, 12)))
        elif kind == 1:
            yield "".join(draw.choices("abAB '\n\r\t.1\u00a0ſé한", k=draw.randint(1, 20)))
        elif kind == 2:
            yield "".join(draw.choices("abc", k=draw.randint(1, 40)))
        elif kind == 3:
            ends = draw.choices((0x24F, 0xD7FF, 0x1FFFF, 0x10FFFF), k=draw.randint(1, 10))
            points = [draw.randint(0, end) for end in ends]
            yield "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
        else:
            often, seldom = draw.choices(RUNS, k=2)
            yield "".join(draw.choices((often, often, often, seldom), k=draw.randint(1, 60)))


@pytest.fixture(scope="module")
def fast(small) -> Tokenizer:
    return with_gigatoken(small)


def with_gigatoken(tokenizer: Tokenizer) -> Tokenizer:
    copy = Tokenizer(tokenizer.ranks, n_special=len(tokenizer.special))
    try:
        assert copy.use_engine("gigatoken").startswith("gigatoken 0.10")
    except ImportError:
        pytest.skip("gigatoken 0.10 is not installed: pip install 'gigatoken==0.10.*'")
    return copy


def check(tokenizer: Tokenizer, seed: int, n: int) -> None:
    """Raw tiktoken, with nothing of ours between, is the reference."""
    raw = tiktoken.Encoding(
        "raw", pat_str=tokenizer.split_pattern, mergeable_ranks=tokenizer.ranks, special_tokens={}
    )
    done = 0
    while done < n:
        texts = list(random_strings(seed + done, min(10_000, n - done)))
        expected = raw.encode_ordinary_batch(texts, num_threads=1)
        for text, ids, other in zip(texts, tokenizer.encode_batch(texts, threads=1), expected, strict=True):
            assert ids == other, ascii(text)
        done += len(texts)
    flat, offsets = tokenizer.encode_flat(texts, threads=1)
    assert flat.tolist() == [token for ids in expected for token in ids]
    assert offsets.tolist() == [0, *itertools.accumulate(map(len, expected))]
    for text, ids in zip(texts[:300], expected[:300], strict=True):
        assert tokenizer.encode(text) == tokenizer.encode_array(text).tolist() == ids


def test_ten_thousand_random_strings(fast):
    check(fast, 1, 10_000)


def test_ten_thousand_random_strings_with_metas_vocabulary(meta):
    check(with_gigatoken(meta), 2, 10_000)


@pytest.mark.slow
def test_a_million_random_strings(meta):
    check(with_gigatoken(meta), 1_000_000, 1_000_000)


@pytest.fixture(scope="module")
def telltale() -> Tokenizer:
    """A vocabulary in which ids show where text was cut: tokens that join a character's first or last byte with "a",
    "1", "b" or a newline beside it, which exist only where no cut falls between."""
    pairs = [before + bytes([lead]) for before in (b"a", b"1") for lead in range(0xC2, 0xF5)]
    pairs += [bytes([last]) + after for last in range(0x80, 0xC0) for after in (b"b", b"\n")]
    tokens = [*(bytes([byte]) for byte in range(256)), *pairs]
    return with_gigatoken(Tokenizer({token: rank for rank, token in enumerate(tokens)}, n_special=16))


def test_all_of_unicode(telltale):
    """Each code point in several surroundings. Blocks first: where a block agrees, each of its characters does."""
    fast = telltale
    exact = fast._engine.exact

    def sentence(c: str) -> str:
        return f"a{c}b 1{c} 9 {c}{c}\n!{c}'{c} '{c}s\t{c}\n \n"

    assigned = [*range(0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xE1000)]  # the other planes are empty
    points = [chr(point) for point in assigned]
    raw = fast._engine._engine._raw
    disputed = set()
    for start in range(0, len(points), 512):
        block = points[start : start + 512]
        text = "".join(map(sentence, block))
        if raw.encode(text).tolist() != exact.encode(text):
            disputed |= {c for c in block if raw.encode(sentence(c)).tolist() != exact.encode(sentence(c))}
    assert disputed  # else the guard has nothing to guard
    assert [hex(ord(c)) for c in disputed if not is_disputed(c.encode())] == []


def test_who_decides_about_new_characters():
    assert not is_disputed(b"abc") and not is_disputed(b"")
    assert not any(is_disputed(text.encode()) for text in ("라마 🦙", "\u0890 अ ก", "\ua7cd\ua7d0", "\U0003347a"))
    assert is_disputed("라마 \U00033479".encode())
    assert all(is_disputed(c.encode()) for c in "\u088f\u0c5c\u0cdc\ua7ce\ua7f1\U00010940\U0002b73a")


def test_every_disputed_character_is_found_wherever_it_stands():
    """All of them, their neighbours, and each place around the end of a block that is looked through at once."""
    disputed = {point for first, last in engines._DISPUTED for point in range(first, last + 1)}
    beside = {point + step for point in disputed for step in (-1, 1)} - disputed
    assert [point for point in disputed if not is_disputed(chr(point).encode())] == []
    assert [point for point in beside if is_disputed(chr(point).encode())] == []
    for c in ("\u088f", "\U00033479"):
        for n in (*range(4085, 4100), *range(8180, 8195)):
            assert is_disputed(("a" * n + c).encode()) and is_disputed(("라" * (n // 3) + c + "🦙").encode())


@pytest.mark.parametrize("c", ["a", " ", "\n", "!", "한"])
def test_ten_megabytes_of_one_letter(fast, small, c):
    """Both engines, in time that grows with the length; the text comes back."""
    n = 10_000_000 // len(c.encode())
    for tokenizer in (fast, small):
        ids = tokenizer.encode_array(c * n)
        assert tokenizer.decode_bytes(ids[:1000]) == (c * n).encode()[: len(tokenizer.decode_bytes(ids[:1000]))]
        assert sum(map(len, (tokenizer._bytes[i] for i in ids))) == n * len(c.encode())


@pytest.mark.parametrize("c", ["a", " ", "!"])
def test_time_grows_with_the_length_of_a_run(fast, small, c):
    """Eight times as long a run takes about eight times as long (quadratic: sixty-four), with either engine."""

    def seconds(tokenizer: Tokenizer, n: int) -> float:
        tokenizer.encode_array(c * n)
        began = time.process_time()
        tokenizer.encode_array(c * n)
        return time.process_time() - began

    for tokenizer in (fast, small):
        short, long = (min(seconds(tokenizer, n) for _ in range(2)) for n in (125_000, 1_000_000))
        assert long < 24 * short, (tokenizer.engine, short, long)


def test_surrogates_and_disputed_characters_in_a_batch(fast, small):
    texts = ["a\ud800 \U00033479b", "", "\ud83e\udd99", "plain", "\U00033479"]
    flat, offsets = fast.encode_flat(texts, threads=1)
    assert [flat[a:b].tolist() for a, b in itertools.pairwise(offsets)] == [small.encode(text) for text in texts]
    assert fast.encode_batch(texts) == [small.encode(text) for text in texts]


def test_texts_in_utf8(small, monkeypatch):
    """`bytes` give the ids of `str`, on one thread and on two, whatever the engine."""
    texts = [*random_strings(11, 500), "", "\U00033479 disputed", "plain", "é"]
    utf8 = [text.encode() for text in texts]
    monkeypatch.setattr(engines, "PART_CHARACTERS", 300)
    monkeypatch.setattr(engines, "WORTH_ANOTHER", 0)
    for tokenizer in (with_gigatoken(small), small):
        flat, offsets = tokenizer.encode_flat(texts, threads=1)
        for threads in (1, 2):
            ids, ends = tokenizer.encode_flat(utf8, threads=threads)
            assert ids.tolist() == flat.tolist() and ends.tolist() == offsets.tolist()
        broken = [b"a\xff", b"\xed\xa0\x80", "é".encode()[:1]]  # a byte of no character, a surrogate, half a character
        for bad in ([[text] for text in broken] + [[b"fine", "é".encode()[:1], "é".encode()[1:]]]):
            with pytest.raises(UnicodeDecodeError):
                tokenizer.encode_flat(bad)


def test_batches_on_several_threads_are_those_on_one(fast, monkeypatch):
    """Each thread has a tokenizer of the library of its own; the parts join to the same arrays."""
    monkeypatch.setattr(engines, "PART_CHARACTERS", 300)
    engine = fast._engine._engine
    texts = [*random_strings(7, 500), "", "\U00033479 disputed", "a\ud800"] * 2
    expected, ends = fast.encode_flat(texts, threads=1)
    monkeypatch.setattr(engines, "WORTH_ANOTHER", 1e9)
    assert fast.encode_flat(texts, threads=3)[0].tolist() == expected.tolist() and len(engine._raws) == 1
    monkeypatch.setattr(engines, "WORTH_ANOTHER", 0)
    for threads in (2, 3):
        flat, offsets = fast.encode_flat(texts, threads=threads)
        assert flat.dtype == expected.dtype and offsets.dtype == ends.dtype
        assert flat.tolist() == expected.tolist() and offsets.tolist() == ends.tolist()
        assert len(engine._raws) == threads


def test_even_parts(monkeypatch):
    monkeypatch.setattr(engines, "PART_CHARACTERS", 10)
    assert engines.even_parts(["a" * 10, "b" * 10, "c" * 20], 2) == [["a" * 10, "b" * 10], ["c" * 20]]
    for texts, threads in ((["a" * 30] * 7, 3), (["", "a" * 100, ""], 2), ([], 2), (["ab"] * 3, 4), (["x" * 99], 2)):
        parts = engines.even_parts(texts, threads)
        assert len(parts) <= threads and [text for part in parts for text in part] == texts


def test_takes_over_when_there_is_text_enough(small):
    engine = AutomaticEngine(small.ranks, small.split_pattern)
    text = "They'll drink. " * 100
    before = engine.encode(text)
    assert engine.name.startswith("tiktoken")
    for _ in range(20):
        assert engine.encode(text) == before
    if engines.gigatoken_version() is not None:
        assert engine.name.startswith("gigatoken")


def test_without_the_library(small, monkeypatch):
    """The same ids; `engine` says who works."""

    monkeypatch.setattr(engines, "gigatoken_version", lambda: None)
    with pytest.raises(ImportError):
        GigatokenEngine(small.ranks, engines.TiktokenEngine(small.ranks, small.split_pattern))
    tokenizer = Tokenizer(small.ranks, n_special=16)
    text = "They'll drink. " * 5000
    assert tokenizer.encode(text) == tokenizer.encode(text)
    assert tokenizer.engine.startswith("tiktoken")
    monkeypatch.setattr(engines, "gigatoken_version", lambda: "0.99.0")
    with pytest.raises(ImportError):
        tokenizer.use_engine("gigatoken")


def test_other_patterns_stay_with_tiktoken(small):
    other = Tokenizer(small.ranks, n_special=16, split_pattern=r"\S+|\s+")
    with pytest.raises((ValueError, ImportError)):
        other.use_engine("gigatoken")
    assert other.encode("walk the herd " * 10_000) and other.engine.startswith("tiktoken")
