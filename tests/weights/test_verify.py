"""`herd verify`: what is right is said, what is wrong is found."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from herdbook.cli.main import main
from herdbook.model.args import PRESETS, RopeScaling
from herdbook.weights.convert import convert
from herdbook.weights.hf_config import config_from_args, hf_name
from herdbook.weights.opening import open_checkpoint
from herdbook.weights.verify import VOCABULARIES, _vocabulary_hash, check_tokenizer, recognise, verify


def line(report, what: str):
    (found,) = [finding for finding in report.findings if finding.what == what]
    return found


@pytest.mark.parametrize("to", ["meta", "hf", "gguf", "herdbook"])
def test_whole_weights(make, tmp_path, to) -> None:
    pytest.importorskip("transformers")
    source, tensors, _ = make(torch.float32)
    report = verify(convert(source, tmp_path / ("o.gguf" if to == "gguf" else "o"), to))
    assert report.ok
    assert line(report, "logits").standing == "ok"
    assert line(report, "values").text == f"{sum(t.numel() for t in tensors.values()):,} numbers, all finite"
    assert f"{sum(t.numel() for t in tensors.values()):,} parameters" in line(report, "model").text
    assert "scaled by 8" in line(report, "RoPE").text
    assert str(tmp_path) not in str(report)


def test_numbers_that_are_not_finite_and_holes(make) -> None:
    source, tensors, _ = make(torch.float32)
    tensors["layers.1.feed_forward.w2.weight"][3, 4] = float("nan")
    tensors["layers.2.attention.wq.weight"].zero_()
    tensors["norm.weight"][:2] = float("inf")
    save_file(tensors, source / "model.safetensors")
    report = verify(source)
    assert not report.ok
    text = line(report, "values").text
    assert "layers.1.feed_forward.w2.weight has 1 numbers that are not finite" in text
    assert "layers.2.attention.wq.weight is all zeros" in text
    assert "norm.weight has 2 numbers" in text
    assert line(report, "logits").standing == "not checked"


def test_a_stretch_of_zeros_is_a_hole(make) -> None:
    source, tensors, _ = make(torch.float32, vocab_size=200_000, n_layers=1)
    assert line(verify(source, logits=False), "values").standing == "ok"
    tensors["tok_embeddings.weight"][100_000:190_000] = 0
    save_file(tensors, source / "model.safetensors")
    text = line(verify(source, logits=False), "values").text
    assert text.startswith("tok_embeddings.weight has a stretch of")


def test_swapped_rows_are_found_by_the_logits(make, tmp_path, monkeypatch) -> None:
    """A permutation of wk forgotten in reading a Hugging Face folder changes no shape, only logits."""
    pytest.importorskip("transformers")
    from herdbook.weights import huggingface

    source, _, _ = make(torch.float32)
    folder = convert(source, tmp_path / "hf", "hf")
    assert verify(folder).ok
    monkeypatch.setattr(huggingface, "to_pairs", lambda rows, n_heads: rows)
    report = verify(folder)
    assert line(report, "logits").standing == "bad"
    assert not report.ok


@pytest.mark.parametrize("name, kind", [("checklist.chk", "md5"), ("SHA256SUMS", "sha256")])
def test_checksum_files(make, name, kind) -> None:
    source, _, _ = make()
    model = (source / "model.safetensors").read_bytes()
    lines = [f"{hashlib.new(kind, model).hexdigest()}  model.safetensors", f"{'0' * 64}  ../elsewhere"]
    (source / name).write_text("\n".join(lines) + "\n")
    assert line(verify(source, logits=False), "checksums").text == "1 files are as their checksums say"
    (source / name).write_text(f"{hashlib.new(kind, b'x').hexdigest()} *model.safetensors\n")
    report = verify(source, logits=False)
    assert line(report, "checksums").standing == "bad"
    (source / name).write_text(f"{hashlib.new(kind, b'x').hexdigest()} gone.pth\n")
    assert "gone.pth is missing" in line(verify(source, logits=False), "checksums").text


@pytest.mark.parametrize(
    "preset, title",
    [("llama3_8b", "Llama 3 8B"), ("llama3.1_8b", "Llama 3.1 8B"), ("llama3.2_1b", "Llama 3.2 1B"),
     ("llama3.2_3b", "Llama 3.2 3B"), ("llama3.1_405b", "Llama 3.1 405B"), ("llama2_7b", "Llama 2 7B")],
)  # fmt: skip
def test_published_models_are_recognised(preset, title) -> None:
    assert recognise(PRESETS[preset]).startswith(f"{title} (")


def test_other_models_are_not(make) -> None:
    _, _, args = make()
    assert recognise(args).startswith("none of Meta's (dim 64, 3 layers")


def test_metas_vocabularies_are_recognised(make, tmp_path, test_data) -> None:
    """By content: from tokenizer.model, and from a tokenizer.json that was made of it."""
    files = {"llama3_tokenizer.model": 128_256, "llama2_tokenizer.model": 32_000}
    for name, vocab_size in files.items():
        source, _, _ = make(name=name, vocab_size=vocab_size, n_layers=1)
        folder = convert(source, tmp_path / f"meta-{name}", "meta")
        (folder / "tokenizer_config.json").unlink()
        shutil.copy(test_data / "tokenizer" / name, folder / "tokenizer.model")
        whose = "Llama 3's" if "llama3" in name else "Llama 2's"
        for path in (folder, convert(folder, tmp_path / f"hf-{name}", "hf")):
            report = verify(path, logits=False)
            if path == folder or "llama3" in name:
                assert whose in line(report, "tokenizer").text
                assert line(report, "tokenizer").standing == "ok"
    assert len(VOCABULARIES) == 2


def test_a_model_of_metas_with_another_vocabulary_is_wrong(make, monkeypatch) -> None:
    source, _, _ = make()
    checkpoint = open_checkpoint(source)
    from herdbook.weights.tokenizer_files import tokenizer_of

    tokenizer = tokenizer_of(checkpoint)
    assert check_tokenizer(checkpoint, tokenizer).standing == "note"
    checkpoint.args = PRESETS["llama3_8b"]
    assert check_tokenizer(checkpoint, tokenizer).standing == "bad"


def test_the_table_of_special_tokens_follows_the_model(make, tmp_path) -> None:
    """Meta's bare file does not name its special tokens; the settings of the model beside it do."""
    from herdbook.inference import load
    from herdbook.tokenizer import Tokenizer
    from herdbook.tokenizer.special_tokens import special_tokens
    from herdbook.weights.tokenizer_files import tokenizer_of

    for scaling, table in ((None, "llama3"), (RopeScaling(factor=8.0), "llama3.1")):
        source, _, _ = make(name=f"native-{table}", rope_scaling=scaling, vocab_size=288 + 256)
        meta = convert(source, tmp_path / f"meta-{table}", "meta")
        (meta / "tokenizer_config.json").unlink(missing_ok=True)
        names = special_tokens(table)
        assert list(tokenizer_of(open_checkpoint(meta)).special) == names
        assert f"special tokens of {table}" in line(verify(meta, logits=False), "tokenizer").text
        assert load(meta).tokenizer.table == table  # herd chat, herd serve
        hf = convert(meta, tmp_path / f"hf-{table}", "hf")
        gguf = convert(meta, tmp_path / f"{table}.gguf", "gguf")
        assert list(Tokenizer.load(hf).special) == names
        assert list(tokenizer_of(open_checkpoint(gguf)).special) == names
    assert [PRESETS[name].special_tokens for name in ("llama3_8b", "llama3.1_8b", "llama3.2_1b")] == [
        "llama3", "llama3.1", "llama3.1",
    ]  # fmt: skip


def test_metas_vocabulary_with_the_other_table_is_wrong(make, monkeypatch) -> None:
    source, _, _ = make(rope_scaling=None)
    checkpoint = open_checkpoint(source)
    from herdbook.weights.tokenizer_files import tokenizer_of

    tokenizer = tokenizer_of(checkpoint)
    monkeypatch.setitem(VOCABULARIES, _vocabulary_hash(checkpoint, tokenizer), "Llama 3's")
    assert check_tokenizer(checkpoint, tokenizer).standing == "ok"
    checkpoint.args = dataclasses.replace(checkpoint.args, rope_scaling=RopeScaling())
    finding = check_tokenizer(checkpoint, tokenizer)
    assert finding.standing == "bad" and "such a model has those of llama3.1" in finding.text


def test_tokens_without_rows_are_wrong(make, tokenizer) -> None:
    source, _, _ = make(vocab_size=tokenizer.vocab_size - 8)
    assert line(verify(source, logits=False), "tokenizer").standing == "bad"


def test_the_command(make, capsys) -> None:
    source, tensors, _ = make(torch.float32)
    assert main(["verify", str(source), "--no-logits", "--quiet"]) == 0
    assert capsys.readouterr().out.endswith("nothing wrong found\n")
    tensors["norm.weight"][0] = float("nan")
    save_file(tensors, source / "model.safetensors")
    assert main(["verify", str(source), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_without_a_tokenizer(make, tmp_path: Path) -> None:
    _, tensors, args = make(torch.float32)
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config_from_args(args)))
    from herdbook.weights.rope_layout import to_halves
    from herdbook.weights.shapes import rotated_heads

    table = {}
    for name, tensor in tensors.items():
        heads = rotated_heads(name, args)
        table[hf_name(name)] = tensor if heads is None else to_halves(tensor, heads)
    save_file(table, folder / "model.safetensors")
    report = verify(folder)
    assert report.ok
    assert line(report, "tokenizer").standing == "not checked"
