"""`herd tokenizer extend`, `encode` and `compare`, as typed."""

import json

import pytest

from herdbook.cli.main import main
from herdbook.tokenizer import Tokenizer, train_bpe
from herdbook.tokenizer.hf_export import export_hf

TEXT = "라마는 안데스 산맥에 삽니다. 라마의 털은 부드럽습니다.\n" * 4


@pytest.fixture
def base(tmp_path):
    train_bpe(["the herd walks to the river " * 4], 300, n_special=16).save(tmp_path / "base")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "korean.txt").write_text(TEXT)
    return tmp_path / "base"


def test_extend(base, tmp_path, capsys):
    out = tmp_path / "new"
    options = ["--text", str(tmp_path / "text"), "--tokens", "10", "--out", str(out)]
    arguments = ["tokenizer", "extend", str(base), *options]
    assert main(arguments) == 0
    assert "+ 10 =" in capsys.readouterr().out
    old, new = Tokenizer.load(base), Tokenizer.load(out)
    assert new.n_base == old.n_base + 10 and old.ranks.items() <= new.ranks.items()
    assert main(arguments) == 2
    assert "there already" in capsys.readouterr().err


def test_extend_without_text(base, tmp_path, capsys):
    (tmp_path / "text" / "korean.txt").unlink()
    out = ["--tokens", "9", "--out", str(tmp_path / "o")]
    assert main(["tokenizer", "extend", str(base), "--text", str(tmp_path / "text"), *out]) == 2
    assert "no text" in capsys.readouterr().err


def test_encode_takes_any_format(base, tmp_path, capsys):
    export_hf(Tokenizer.load(base), tmp_path / "hf")
    shown = []
    for path in (base, base / "tokenizer.model", tmp_path / "hf", tmp_path / "hf" / "tokenizer.json"):
        assert main(["tokenizer", "encode", str(path), "the herd<|eot_id|>"]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert len(shown[0]) > 2 and all(ids == shown[0] for ids in shown)
    assert main(["tokenizer", "encode", str(base), "x<|eot_id|>", "--special"]) == 0
    assert json.loads(capsys.readouterr().out)[-1] == Tokenizer.load(base).eot_id
    assert main(["tokenizer", "encode", str(tmp_path / "none.gguf"), "x"]) == 2
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    assert main(["tokenizer", "encode", str(tmp_path / "broken.gguf"), "x"]) == 2


def test_compare(base, tmp_path, capsys):
    page = tmp_path / "page.html"
    (tmp_path / "parallel").mkdir()
    (tmp_path / "parallel" / "n.eng.txt").write_text("the herd\n")
    (tmp_path / "parallel" / "n.kor.txt").write_text("라마는\n")
    options = ["--text", str(tmp_path / "text"), "--parallel", str(tmp_path / "parallel")]
    assert main(["tokenizer", "compare", str(base), f"same={base}", *options, "--out", str(page)]) == 0
    out = capsys.readouterr().out
    assert "korean" in out and "same" in out and "premium" in out
    assert "<svg" in page.read_text()
    assert main(["tokenizer", "compare", str(base), *options, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows["texts"][0]["text"] == "korean" and len(rows["parallel"]) == 2
    assert main(["tokenizer", "compare", str(base)]) == 2
