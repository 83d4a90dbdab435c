"""Formats of vocabularies, on small ones made on the spot: out, in again, and refusals of what is broken."""

import copy
import json
import pickle
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herdbook.errors import InputError
from herdbook.tokenizer import Tokenizer
from herdbook.tokenizer.gguf_fields import gguf_of_tokenizer, tokenizer_of_gguf
from herdbook.tokenizer.hf_export import export_hf, hf_config, hf_tokenizer
from herdbook.tokenizer.hf_import import tokenizer_of_json
from herdbook.tokenizer.llama2c_file import parse_llama2c
from herdbook.tokenizer.merges import GPT2_SPLIT_PATTERN, MergesTokenizer
from herdbook.tokenizer.rank_merges import merges_follow_ranks, merges_of_ranks
from herdbook.tokenizer.sentencepiece import SentencePieceTokenizer
from herdbook.tokenizer.sentencepiece_file import SentencePieceModel, format_sentencepiece, parse_sentencepiece

WORDS = ["a", "b", "ab", "\u2581", "\u2581a", "aba", "\u2581\u2581", "ba", "é"]
PIECES = ("<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *WORDS)
TYPES = (2, 3, 3, *(6,) * 256, *(1,) * len(WORDS))
SCORES = (0.0,) * 259 + tuple(-float(place) for place in range(len(WORDS)))
TEXT = "They'll drink 12345 🦙 é\u0301 라마\n\n  x = y  # <|eot_id|>"


@pytest.fixture(scope="module")
def pieces() -> SentencePieceTokenizer:
    return SentencePieceTokenizer(SentencePieceModel(pieces=PIECES, scores=SCORES, types=TYPES))


@pytest.fixture(scope="module")
def merged() -> MergesTokenizer:
    """Special token first, ids in no order."""
    vocabulary = {bytes([byte]): byte + 4 for byte in range(256)} | {b"ab": 3, b" ab": 260, b"bc": 2, b"abc": 1}
    merges = [(b"b", b"c"), (b"a", b"b"), (b" ", b"ab"), (b"a", b"bc")]
    return MergesTokenizer(
        vocabulary, merges, {"<end>": 0}, split_patterns=(r"\p{N}", GPT2_SPLIT_PATTERN), bos_id=0, eos_id=0,
        chat_template="{{ messages }}",
    )  # fmt: skip


@pytest.mark.parametrize("table", ["llama3", "llama3.1"])
def test_our_own_vocabulary_survives_every_format(small, tmp_path, table):
    ours = Tokenizer(small.ranks, n_special=16, table=table)
    export_hf(ours, tmp_path / "hf")
    for again in (Tokenizer.load(tmp_path / "hf"), tokenizer_of_gguf(gguf_of_tokenizer(ours))):
        assert type(again) is Tokenizer
        assert (again.ranks, again.special, again.table) == (ours.ranks, ours.special, table)
        assert again.encode(TEXT) == ours.encode(TEXT)


def test_tokenizers_reads_what_is_written(small):
    """Ids of Hugging Face's own library on our `tokenizer.json`: whole words before merges, begin token in front."""
    from tokenizers import Tokenizer as Peer

    content = hf_tokenizer(small)
    assert content["model"]["ignore_merges"] is True
    peer = Peer.from_str(json.dumps(content))
    assert peer.encode(TEXT.replace("<|eot_id|>", "")).ids == small.encode(TEXT.replace("<|eot_id|>", ""), bos=True)
    assert peer.encode("<|eot_id|>", add_special_tokens=False).ids == [small.eot_id]


def test_end_token_of_base_and_chat_models(small):
    assert hf_config(small)["eos_token"] == "<|eot_id|>"
    assert hf_config(small, end="text", max_length=8192)["eos_token"] == "<|end_of_text|>"
    assert gguf_of_tokenizer(small, end="text")["tokenizer.ggml.eos_token_id"] == small.eos_id


def test_all_ways_to_make_a_token():
    ranks = {b"a": 0, b"b": 1, b"ab": 2, b"ba": 3, b"aba": 4}
    merges = [(b"a", b"b"), (b"b", b"a"), (b"a", b"ba"), (b"ab", b"a")]
    assert merges_of_ranks(ranks) == merges
    assert merges_follow_ranks(merges, ranks)
    assert not merges_follow_ranks(merges[::-1], ranks)
    assert not merges_follow_ranks(merges[:2], ranks)


ABC = st.text("abcé \u2581é\u03019\n", max_size=24)


@given(ABC)
def test_pieces_by_queue_equal_the_slow_twin(pieces, text):
    assert pieces.encode(text) == pieces.slow_encode(text)
    assert pieces.decode(pieces.encode(text)) == text.replace("\u2581", " ")


def test_pieces_worked_out_by_hand(pieces):
    row = {piece: place for place, piece in enumerate(PIECES)}
    assert pieces.encode("aba") == [row["\u2581"], row["ab"], row["a"]] or pieces.encode("aba") == [
        row["\u2581"], row["aba"],
    ]  # fmt: skip
    assert pieces.encode("c") == [row["\u2581"], row["<0x63>"]]
    assert pieces.encode("") == []
    assert pieces.encode("a</s>", allowed_special="all")[-1] == 2
    assert 2 not in pieces.encode("a</s>")
    assert pieces.decode([1, *pieces.encode("a"), 2]) == "<s>a</s>"
    assert pieces.decode([1, *pieces.encode("a"), 2], skip_special=True) == "a"


@given(ABC)
def test_merges_equal_the_slow_twin(merged, text):
    assert merged.encode(text) == merged.slow_encode(text)
    assert merged.decode(merged.encode(text)) == text


def test_merges_worked_out_by_hand(merged):
    assert merged.encode("abc") == [1]  # "bc" goes first, then "a" joins it
    assert merged.encode("xab ab") == [124, 3, 260]
    assert merged.encode("<end>", allowed_special="all") == [0] and 0 not in merged.encode("<end>")


@pytest.mark.parametrize("name", ["pieces", "merged", "small"])
def test_files_of_every_family(name, request, tmp_path):
    tokenizer = request.getfixturevalue(name)
    tokenizer.save(tmp_path)
    copies = [Tokenizer.load(tmp_path), tokenizer_of_json(hf_tokenizer(tokenizer), hf_config(tokenizer))]
    copies += [pickle.loads(pickle.dumps(tokenizer))]  # noqa: S301 (our own bytes)
    if name != "merged":  # GGUF has no name for its two patterns in this order but `smollm`, which is what they are
        copies.append(tokenizer_of_gguf(gguf_of_tokenizer(tokenizer)))
    for again in copies:
        assert type(again) is type(tokenizer)
        assert (again.special, again.vocab_size, again.bos_id) == (
            tokenizer.special, tokenizer.vocab_size, tokenizer.bos_id,
        )  # fmt: skip
        for text in (TEXT, "ab aba", ""):
            ids = tokenizer.encode(text)
            assert again.encode(text) == ids == again.encode_array(text).tolist() == again.encode_batch([text])[0]
            for texts in ([text, "ab"], [text.encode(), b"ab"]):
                assert again.encode_flat(texts)[0].tolist() == [*ids, *tokenizer.encode("ab")]
            stream = again.stream_decoder()
            streamed = "".join([*map(stream.push, ids), stream.finish()])
            assert streamed.removeprefix(" " if name == "pieces" else "") == text


def test_smollm_is_named_in_gguf(merged):
    fields = gguf_of_tokenizer(merged)
    assert fields["tokenizer.ggml.pre"] == "smollm"
    again = tokenizer_of_gguf(fields)
    assert isinstance(again, MergesTokenizer) and again.merges == merged.merges


def test_sentencepiece_file(pieces):
    content = format_sentencepiece(pieces.model)
    assert parse_sentencepiece(content) == pieces.model
    for cut in (1, 3, len(content) // 2, len(content) - 1):
        with pytest.raises(InputError):
            parse_sentencepiece(content[:cut])


@given(st.binary(max_size=60))
def test_noise_is_no_sentencepiece_file(noise):
    with pytest.raises(InputError):
        parse_sentencepiece(b"\n\x03\n" + noise)


def test_llama2c_file(tmp_path):
    rows = ["<unk>", "\n<s>\n", "\n</s>\n", *PIECES[3:]]
    content = struct.pack("<i", 7) + b"".join(
        struct.pack("<fi", score, len(text.replace("\u2581", " ").encode())) + text.replace("\u2581", " ").encode()
        for text, score in zip(rows, SCORES, strict=True)
    )
    (tmp_path / "t.bin").write_bytes(content)
    assert Tokenizer.load(tmp_path / "t.bin").model.pieces == PIECES
    for broken in (content[:-1], content[:900], b"", content.replace(b"<0x41>", b"<0x42>")):
        with pytest.raises(InputError, match=r"llama2\.c"):
            parse_llama2c(broken)


BROKEN_JSON = [
    ({"model": {"type": "Unigram", "vocab": []}}, "type 'Unigram'"),
    ({"model": {"type": "BPE", "vocab": {"ㅎ": 0}}, "pre_tokenizer": {"type": "ByteLevel"}}, "not written in bytes"),
    ({"model": {"type": "BPE", "vocab": {"a": 0}}, "pre_tokenizer": {"type": "Whitespace"}}, "Whitespace"),
    ({"model": {"type": "BPE", "vocab": {"a": 0}}}, "not written in bytes"),
    ({"model": {"type": "BPE", "vocab": {"a": 7}}, "pre_tokenizer": {"type": "ByteLevel"}}, "not 0 to 0"),
    (
        {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a a"]}, "pre_tokenizer": {"type": "ByteLevel"}},
        "makes, no token",
    ),
]


@pytest.mark.parametrize(("content", "message"), BROKEN_JSON)
def test_a_tokenizer_json_that_is_not_read(content, message):
    with pytest.raises(InputError, match=message):
        tokenizer_of_json(content, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenizer.ggml.model": "bert"}, "kind 'bert'"),
        ({"tokenizer.ggml.pre": "qwen2"}, "qwen2"),
        ({"tokenizer.ggml.merges": None}, r"no tokenizer\.ggml\.merges"),
        ({"tokenizer.ggml.bos_token_id": 10**6}, "bos_token_id = 1000000"),
        ({"tokenizer.ggml.token_type": [1]}, "1 types"),
    ],
)
def test_gguf_fields_that_are_not_read(small, change, message):
    with pytest.raises(InputError, match=message):
        tokenizer_of_gguf({**gguf_of_tokenizer(small), **change})


def test_a_pattern_without_a_name_in_gguf(small):
    with pytest.raises(InputError, match="none"):
        gguf_of_tokenizer(Tokenizer(small.ranks, n_special=16, split_pattern=r"\S+|\s+"))


ODD = [None, 0, -1, "x", [], {}, [1], {"a": 1}, 1e9, True]


def changed_somewhere(content, draw):
    """A copy with one value, however deep, gone or replaced by an odd one."""
    copied = at = copy.deepcopy(content)
    while True:
        key = draw.choice(list(at) if isinstance(at, dict) else range(len(at)))
        if isinstance(at[key], (dict, list)) and at[key] and draw.random() < 0.7:
            at = at[key]
        elif isinstance(at, dict) and draw.random() < 0.3:
            del at[key]
            return copied
        else:
            at[key] = draw.choice(ODD)
            return copied


def test_odd_files_are_refused_or_read_but_never_fail_otherwise(small, merged):
    draw = random.Random(1)
    refused = 0
    for tokenizer in (small, merged):
        content, fields = json.loads(json.dumps(hf_tokenizer(tokenizer))), gguf_of_tokenizer(tokenizer)
        for _ in range(40):
            for read, good in ((lambda value: tokenizer_of_json(value, {}), content), (tokenizer_of_gguf, fields)):
                try:
                    read(changed_somewhere(good, draw))
                except InputError:
                    refused += 1
    assert refused > 40
