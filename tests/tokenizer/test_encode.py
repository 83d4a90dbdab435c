"""Ids: equal to raw tiktoken's, to llama.cpp's vectors and to the slow twin's; text survives the round trip."""

import base64
import unicodedata

import numpy as np
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.errors import InputError
from herdbook.tokenizer import Tokenizer
from herdbook.tokenizer.slow import slow_encode
from herdbook.tokenizer.special_tokens import special_tokens
from herdbook.tokenizer.surrogates import clean_surrogates

META_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=[]), max_size=200)
TEXT_LIKE = st.lists(
    st.sampled_from(
        ["'s", "'LL", " ", "  ", "\n", "\r\n", "\t", "a", "Llama", "é", "e\u0301", "한", "글", "🦙", "👨\u200d👩",
         "1", "12345", "٣",
         ".", "...", "!?\n", "\x00", "\u3000", "\ufeff", "\u200b", "ſ", "K", "<|eot_id|>", "\ud83e", "\udd99", "x" * 40]
    ),
    max_size=40,
).map("".join)  # fmt: skip


def test_pattern_is_metas(small):
    assert small.split_pattern == META_PATTERN


def test_vectors_of_llama_cpp(meta, meta_file):
    """llama.cpp's `ggml-vocab-llama-bpe`: texts end with a marker line each, ids stand one text a line."""
    content = meta_file.with_name("ggml-vocab-llama-bpe.gguf.inp").read_text("utf-8")
    texts = content.split("\n__ggml_vocab_test__\n")[:-1]
    lines = meta_file.with_name("ggml-vocab-llama-bpe.gguf.out").read_text("utf-8").splitlines()
    ids = [[int(word) for word in line.split()] for line in lines]
    assert len(texts) == len(ids) >= 40
    for text, expected in zip(texts, ids, strict=True):
        assert meta.encode(text) == expected, repr(text)
        assert slow_encode(text, meta.ranks) == expected, repr(text)


@pytest.fixture(scope="module")
def raw(meta):
    """Raw tiktoken on Meta's ranks, with nothing of ours between."""
    return tiktoken.Encoding("raw", pat_str=META_PATTERN, mergeable_ranks=meta.ranks, special_tokens={})


def test_texts_of_all_vectors_equal_raw_tiktoken(meta, raw, meta_file):
    """The texts that llama.cpp encodes with three vocabularies, here with Llama 3's."""
    files = sorted(meta_file.parent.glob("ggml-vocab-*.gguf.inp"))
    assert len(files) == 3
    for file in files:
        for text in file.read_text("utf-8").split("\n__ggml_vocab_test__\n"):
            assert meta.encode(text) == raw.encode(text, disallowed_special=()), repr(text)
            assert meta.decode(meta.encode(text)) == text


@settings(max_examples=400, deadline=None)
@given(ANY_TEXT | TEXT_LIKE)
def test_equals_raw_tiktoken(meta, raw, text):
    ids = meta.encode(text)
    assert ids == raw.encode(text, disallowed_special=())
    assert meta.encode_array(text).tolist() == ids
    assert meta.decode(ids) == clean_surrogates(text)


@settings(max_examples=300, deadline=None)
@given(TEXT_LIKE)
def test_equals_the_slow_twin(small, text):
    expected = slow_encode(clean_surrogates(text), small.ranks)
    assert small.encode(text) == expected
    assert small._engine.exact.encode_by_pieces(clean_surrogates(text)) == expected
    assert small.encode_batch([text, "", text]) == [expected, [], expected]
    flat, offsets = small.encode_flat([text, "", text])
    assert flat.tolist() == expected * 2 and offsets.tolist() == [0, *[len(expected)] * 2, 2 * len(expected)]


def test_every_character_is_cut_as_tiktoken_cuts_it(small):
    """`regex` and tiktoken's engine may know different versions of Unicode: they differ on new letters only."""

    def sentence(c: str) -> str:
        return f"a{c}b 1{c} 9 {c}{c}\n!{c}'{c} "

    def differs(text: str) -> bool:
        exact = small._engine.exact
        return exact.raw.encode_ordinary(text) != exact.encode_by_pieces(text)

    assigned = [*range(0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xE1000)]  # the other planes are empty
    points = [chr(point) for point in assigned]
    differ = []
    for start in range(0, len(points), 256):  # whole blocks first: nearly all agree
        block = points[start : start + 256]
        if differs("".join(map(sentence, block))):
            differ += [c for c in block if differs(sentence(c))]
    assert [c for c in differ if unicodedata.category(c) != "Cn"] == []
    assert len(differ) < 1000


def test_surrogates():
    assert clean_surrogates("a\ud800b") == "a\ufffdb"
    assert clean_surrogates("\udc00\udc00") == "\ufffd\ufffd"
    assert clean_surrogates("\ud83e\udd99") == "🦙"
    assert clean_surrogates("\ufeffa\ud800") == "\ufeffa\ufffd"


@pytest.mark.parametrize("c", [" ", "\u3000", "\n", "a", "\t", "!"])
def test_a_million_of_one_character(small, c):
    """tiktoken panics on a million blanks; ids must come all the same, and be the right ones."""
    text = "x" + c * 1_000_000 + "x"
    ids = small.encode(text)
    assert small.decode(ids) == text
    assert ids == small.encode_array(text).tolist() == small.encode_batch(["y", text])[1]
    shorter = "x" + c * 150_000 + "x"  # still within tiktoken's means: both roads give the same
    assert small.encode(shorter) == small._engine.exact.raw.encode_ordinary(shorter)


def test_special_tokens_in_text_are_text(small):
    for name, row in small.special.items():
        ids = small.encode("a" + name + "b")
        assert row not in ids and max(ids) < small.n_base
        assert small.decode(ids) == "a" + name + "b"


def test_special_tokens_when_asked_for(small):
    text = "a<|eot_id|>b<|end_of_text|>"
    assert small.encode(text, allowed_special="all") == [
        *small.encode("a"), small.eot_id, *small.encode("b"), small.eos_id,
    ]  # fmt: skip
    only_eot = small.encode(text, allowed_special={"<|eot_id|>"})
    assert only_eot == [*small.encode("a"), small.eot_id, *small.encode("b<|end_of_text|>")]
    with pytest.raises(InputError, match="eat_id"):
        small.encode(text, allowed_special={"<|eat_id|>"})


def test_begin_and_end(small):
    assert small.encode("a", bos=True, eos=True) == [small.bos_id, *small.encode("a"), small.eos_id]
    assert small.encode("") == []


def test_rows_of_metas_tokenizer(meta):
    assert (meta.n_base, meta.vocab_size) == (128_000, 128_256)
    assert (meta.bos_id, meta.eos_id, meta.eot_id, meta.pad_id) == (128_000, 128_001, 128_009, 128_004)
    assert meta.special["<|start_header_id|>"] == 128_006 and meta.special["<|end_header_id|>"] == 128_007
    assert meta.special["<|reserved_special_token_5|>"] == 128_010
    assert meta.special["<|reserved_special_token_250|>"] == 128_255
    assert meta.stop_ids == (128_001, 128_009)


def test_table_of_llama_3_1():
    rows = special_tokens("llama3.1")
    assert len(rows) == len(set(rows)) == 256
    assert rows[:11] == [
        "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
        "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>", "<|start_header_id|>", "<|end_header_id|>",
        "<|eom_id|>", "<|eot_id|>", "<|python_tag|>",
    ]  # fmt: skip
    assert rows[11] == "<|reserved_special_token_3|>" and rows[255] == "<|reserved_special_token_247|>"


def test_decode_names_special_tokens_or_leaves_them_out(small):
    ids = [small.bos_id, *small.encode("llama"), small.eot_id]
    assert small.decode(ids) == "<|begin_of_text|>llama<|eot_id|>"
    assert small.decode(ids, skip_special=True) == "llama"
    assert small.decode(np.array(ids)) == "<|begin_of_text|>llama<|eot_id|>"


@pytest.mark.parametrize("bad", [-1, 10**6])
def test_an_id_outside_the_vocabulary(small, bad):
    with pytest.raises(InputError, match="outside the vocabulary"):
        small.decode([0, bad])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 399)) | TEXT_LIKE)
def test_streaming_equals_decoding(small, ids_or_text):
    ids = small.encode(ids_or_text) if isinstance(ids_or_text, str) else ids_or_text
    decoder = small.stream_decoder()
    assert "".join([*(decoder.push(i) for i in ids), decoder.finish()]) == small.decode(ids)


def test_streaming_never_emits_half_a_character(small):
    text = "é🦙한" * 20
    ids = [small.ranks[bytes([b])] for b in text.encode()]  # one id a byte: every character is cut
    decoder = small.stream_decoder()
    pieces = [decoder.push(i) for i in ids]
    assert "\ufffd" not in "".join(pieces) and {len(p) for p in pieces} == {0, 1}
    decoder.push(ids[0])
    assert decoder.finish() == "\ufffd"
    with pytest.raises(IndexError):
        decoder.push(small.vocab_size)


def test_saved_and_loaded_again(small, tmp_path):
    small.save(tmp_path / "a")
    again = Tokenizer.load(tmp_path / "a")
    again.save(tmp_path / "b")
    for name in ("tokenizer.model", "tokenizer_config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert again.config() == small.config()
    assert again.encode("They'll drink 12345 🦙") == small.encode("They'll drink 12345 🦙")
    assert Tokenizer.load(tmp_path / "a" / "tokenizer.model").vocab_size == small.vocab_size


def test_metas_file_is_written_byte_for_byte(meta, meta_file, tmp_path):
    meta.save(tmp_path)
    assert (tmp_path / "tokenizer.model").read_bytes() == meta_file.read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n\x0e\n\x05<unk>\x15\x00", "not a whole SentencePiece"),
        (b"PK\x03\x04", "not a line of tiktoken"),
        (b"IQ== 0\nIQ== 1\n", "listed twice"),
        (b"IQ== 0\nIg== 2\n", "ranks are not"),
        (b"IQ== 0\n", "255 of the 256 single bytes are missing"),
        (base64.b64encode(b"a") + b" x\n", "not a line of tiktoken"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, content, message):
    (tmp_path / "tokenizer.model").write_bytes(content)
    with pytest.raises(InputError, match=message):
        Tokenizer.load(tmp_path)


def test_files_that_do_not_belong_together(small, tmp_path):
    small.save(tmp_path)
    text = (tmp_path / "tokenizer_config.json").read_text()
    (tmp_path / "tokenizer_config.json").write_text(text.replace(f'"n_base": {small.n_base}', '"n_base": 999'))
    with pytest.raises(InputError, match="999"):
        Tokenizer.load(tmp_path)
    with pytest.raises(InputError, match="no tokenizer at"):
        Tokenizer.load(tmp_path / "nowhere")
