"""Damaged, incomplete and hostile weights: one clear message, before any weight is read."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from herdbook.cli.main import main
from herdbook.errors import InputError, UserError
from herdbook.weights.checkpoint import Checkpoint
from herdbook.weights.convert import convert
from herdbook.weights.opening import open_checkpoint


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test where rows are read (GGUF's norms, a few kilobytes, apart)."""

    def fail(*_: Any) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr(Checkpoint, "chunks", fail)
    monkeypatch.setattr(Checkpoint, "tensor", fail)


def refused(path: Path, tmp_path: Path, message: str) -> None:
    """Opening and converting raise InputError, one line, and nothing is written."""
    for attempt in (lambda: open_checkpoint(path), lambda: convert(path, tmp_path / "never", "herdbook")):
        with pytest.raises(InputError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "never").exists()


@pytest.fixture
def folders(make, tmp_path) -> dict[str, Path]:
    source, _, _ = make()
    return {
        "herdbook": source,
        "meta": convert(source, tmp_path / "meta", "meta", n_shards=2),
        "hf": convert(source, tmp_path / "hf", "hf", shard_gb=1e-4),
        "gguf": convert(source, tmp_path / "model.gguf", "gguf"),
    }


def largest(folder: Path) -> Path:
    files = [folder] if folder.is_file() else [p for p in folder.iterdir() if p.suffix in (".pth", ".safetensors")]
    return max(files, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("kind", ["herdbook", "meta", "hf", "gguf"])
@pytest.mark.parametrize("keep", [0.9, 0.5, 0.001, 0.0])
def test_a_file_that_is_cut_off(folders, tmp_path, no_reading, kind, keep) -> None:
    path = largest(folders[kind])
    os.truncate(path, int(path.stat().st_size * keep))
    refused(folders[kind], tmp_path, path.name)


@pytest.mark.parametrize("kind", ["herdbook", "meta", "hf", "gguf"])
def test_noise_instead_of_a_file(folders, tmp_path, no_reading, kind) -> None:
    path = largest(folders[kind])
    path.write_bytes(os.urandom(5000))
    refused(folders[kind], tmp_path, path.name)


def test_a_missing_shard(folders, tmp_path, no_reading) -> None:
    (folders["meta"] / "consolidated.00.pth").unlink()
    refused(folders["meta"], tmp_path, "lacks consolidated.00.pth; it has 1 of 2 shards")
    next(iter(sorted(folders["hf"].glob("*-00002-*")))).unlink()
    refused(folders["hf"], tmp_path, r"lacks model-00002-of-\d+.safetensors")


def test_a_missing_last_shard(folders, tmp_path, no_reading) -> None:
    (folders["meta"] / "consolidated.01.pth").unlink()
    refused(folders["meta"], tmp_path, "has 1 files consolidated.NN.pth, but each is one of 2 shards")


def test_a_shard_twice(folders, tmp_path, no_reading) -> None:
    shutil.copy(folders["meta"] / "consolidated.00.pth", folders["meta"] / "consolidated.02.pth")
    shutil.copy(folders["meta"] / "consolidated.00.pth", folders["meta"] / "consolidated.03.pth")
    refused(folders["meta"], tmp_path, "has 4 files consolidated.NN.pth, but each is one of 2 shards")


def test_a_wrong_shape(folders, tmp_path, no_reading) -> None:
    params = json.loads((folders["meta"] / "params.json").read_text())
    (folders["meta"] / "herdbook_args.json").unlink()
    for change in ({"n_kv_heads": 8}, {"multiple_of": 512}):
        (folders["meta"] / "params.json").write_text(json.dumps({**params, **change}))
        refused(folders["meta"], tmp_path, "has shape")
    config = json.loads((folders["hf"] / "config.json").read_text())
    (folders["hf"] / "config.json").write_text(json.dumps({**config, "num_key_value_heads": 8}))
    refused(folders["hf"], tmp_path, r"model.layers.0.self_attn.k_proj.weight has shape \(32, 64\)")


class Attack:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_with_code_in_it(folders, tmp_path, no_reading, how) -> None:
    path = folders["meta"] / "consolidated.00.pth"
    table = {**torch.load(path, weights_only=True), "more": Attack(tmp_path / "owned")}
    if how == "torch":
        torch.save(table, path)
        refused(folders["meta"], tmp_path, "holds more than tensors, and nothing else is loaded from it")
    else:
        path.write_bytes(pickle.dumps({"x": Attack(tmp_path / "owned")}))
        refused(folders["meta"], tmp_path, "consolidated.00.pth")
    assert not (tmp_path / "owned").exists()


def test_the_attack_would_work(tmp_path) -> None:
    torch.save({"x": Attack(tmp_path / "owned")}, tmp_path / "file.pth")
    torch.load(tmp_path / "file.pth", weights_only=False)
    assert (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "name", ["../native/model.safetensors", "/etc/passwd", "..", "a/b.safetensors", "a\\b.safetensors"]
)
def test_an_index_that_points_out_of_its_folder(folders, tmp_path, no_reading, name) -> None:
    path = folders["hf"] / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["model.norm.weight"] = name
    path.write_text(json.dumps(index))
    refused(folders["hf"], tmp_path, "is not a safetensors file in its own folder")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model_type": "mistral"}, "architecture `mistral`"),
        ({"attention_bias": True}, "attention_bias = True is not read"),
        ({"hidden_act": "gelu"}, "hidden_act = 'gelu' is not read"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_type = 'yarn' is not read"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"head_dim": 16}, "head_dim 16 is not"),
        ({"hidden_size": None}, "does not describe a Llama model"),
        ({"num_attention_heads": 7}, "must be a multiple"),
    ],
)
def test_another_architecture(folders, tmp_path, no_reading, change, message) -> None:
    path = folders["hf"] / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=message):
        open_checkpoint(folders["hf"])


def test_another_architecture_of_metas(folders, tmp_path, no_reading) -> None:
    path = folders["meta"] / "params.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "moe_args": {"num_experts": 16}}))
    refused(folders["meta"], tmp_path, "has the setting moe_args")


def test_tensors_that_no_llama_has(make, tmp_path, no_reading) -> None:
    source, tensors, _ = make()
    hf = tmp_path / "hf"
    from herdbook.weights.hf_config import config_from_args, hf_name

    hf.mkdir()
    args = open_checkpoint(source).args
    (hf / "config.json").write_text(json.dumps(config_from_args(args)))
    table = {hf_name(name): tensor for name, tensor in tensors.items()}
    save_file({**table, "model.layers.0.self_attn.q_proj.bias": torch.zeros(64)}, hf / "model.safetensors")
    refused(hf, tmp_path, "q_proj.bias, which a Llama model does not have")
    table.pop("model.layers.1.mlp.up_proj.weight")
    save_file(table, hf / "model.safetensors")
    refused(hf, tmp_path, "lacks the tensor model.layers.1.mlp.up_proj.weight")


def test_a_gguf_of_another_architecture(folders, tmp_path, no_reading) -> None:
    raw = folders["gguf"].read_bytes()
    other = tmp_path / "other.gguf"
    five = (5).to_bytes(8, "little")
    other.write_bytes(raw.replace(five + b"llama", five + b"gemma", 1))
    refused(other, tmp_path, "architecture `gemma`")


def test_sizes_that_lie(folders, tmp_path, no_reading) -> None:
    """A header that promises a tensor of a petabyte costs no memory."""
    path = folders["herdbook"] / "model.safetensors"
    header = {"norm.weight": {"dtype": "F32", "shape": [1 << 48], "data_offsets": [0, 1 << 50]}}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    refused(folders["herdbook"], tmp_path, "is cut off")
    path.write_bytes((1 << 60).to_bytes(8, "little") + text)
    refused(folders["herdbook"], tmp_path, "the header is longer than the file")


@pytest.mark.parametrize("count", [1 << 62, 1 << 33, 1 << 20])
@pytest.mark.parametrize("field", ["tokenizer.ggml.token_type", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"])
def test_an_array_of_a_gguf_that_lies_about_its_length(folders, tmp_path, no_reading, field, count) -> None:
    """Unchecked, the reader would make a list of that many entries."""
    raw = bytearray(folders["gguf"].read_bytes())
    at = raw.index(field.encode()) + len(field) + 4 + 4  # type of the value, type of the entries
    raw[at : at + 8] = count.to_bytes(8, "little")
    (tmp_path / "lies.gguf").write_bytes(raw)
    refused(tmp_path / "lies.gguf", tmp_path, "lies.gguf is cut off or no GGUF file")


@pytest.mark.parametrize("kind", ["herdbook", "meta", "hf", "gguf"])
def test_bytes_turned_at_random_in_headers(folders, kind) -> None:
    """Opening ends well or with one line, whatever stands there."""
    folder = folders[kind]
    path = largest(folder)
    whole, rng = path.read_bytes(), random.Random(1)
    refusals: list[str] = []
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 2, 8])):
            place = rng.randrange(min(len(damaged), 6000))
            damaged[-place if kind == "meta" and rng.random() < 0.5 else place] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            open_checkpoint(folder)
        except UserError as error:
            refusals.append(str(error))
    assert len(refusals) > 5
    assert not [message for message in refusals if "\n" in message]


def test_overlapping_tensors(make, tmp_path, no_reading) -> None:
    source, _, _ = make()
    path = source / "model.safetensors"
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    names = sorted((n for n in header if n != "__metadata__"), key=lambda n: header[n]["data_offsets"])
    header[names[1]]["data_offsets"] = header[names[0]]["data_offsets"]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    refused(source, tmp_path, "overlaps another or leaves a hole")


def as_pickles(hf: Path) -> Path:
    """A Hugging Face folder with its weights in PyTorch's files."""
    index = json.loads((hf / "model.safetensors.index.json").read_text())
    for file in hf.glob("*.safetensors"):
        torch.save(load_file(file), hf / file.name.replace("model-", "pytorch_model-").replace("safetensors", "bin"))
        file.unlink()
    renamed = {
        name: file.replace("model-", "pytorch_model-").replace("safetensors", "bin")
        for name, file in index["weight_map"].items()
    }
    (hf / "model.safetensors.index.json").unlink()
    (hf / "pytorch_model.bin.index.json").write_text(json.dumps({**index, "weight_map": renamed}))
    return hf


def test_damaged_and_hostile_pytorch_files(folders, tmp_path, no_reading) -> None:
    hf = as_pickles(folders["hf"])
    path = max(hf.glob("*.bin"), key=lambda file: file.stat().st_size)
    whole = path.read_bytes()
    for keep in (0.9, 0.01, 0.0):
        path.write_bytes(whole[: int(len(whole) * keep)])
        refused(hf, tmp_path, path.name)
    path.unlink()
    refused(hf, tmp_path, f"lacks {path.name}; it has")
    torch.save({"x": Attack(tmp_path / "owned")}, path)
    refused(hf, tmp_path, "holds more than tensors, and nothing else is loaded from it")
    index = json.loads((hf / "pytorch_model.bin.index.json").read_text())
    for name in ("../x.bin", "/etc/passwd", "model.safetensors"):
        index["weight_map"]["model.norm.weight"] = name
        (hf / "pytorch_model.bin.index.json").write_text(json.dumps(index))
        refused(hf, tmp_path, "is not a bin file in its own folder")
    assert not (tmp_path / "owned").exists()


def test_numbers_of_8_bits(folders, tmp_path, no_reading) -> None:
    """FP8: as PyTorch's and as safetensors files, announced by Meta's and Hugging Face's settings or not at all."""
    path = folders["meta"] / "consolidated.00.pth"
    table = torch.load(path, weights_only=True)
    name = "layers.0.feed_forward.w1.weight"
    torch.save({**table, name: table[name].to(torch.float8_e4m3fn)}, path)
    refused(folders["meta"], tmp_path, f"{name} is stored as float8_e4m3fn, which is not read. Take the model in")
    params = json.loads((folders["meta"] / "params.json").read_text())
    torch.save(table, path)
    (folders["meta"] / "params.json").write_text(json.dumps({**params, "quantization_args": {"scheme": "fp8_mixed"}}))
    refused(folders["meta"], tmp_path, "these weights are quantised")
    file = largest(folders["hf"])
    tensors = load_file(file)
    other = next(n for n, tensor in tensors.items() if tensor.ndim == 2)
    save_file({**tensors, other: tensors[other].to(torch.float8_e4m3fn)}, file)
    refused(folders["hf"], tmp_path, "is stored as F8_E4M3, which is not read. Take the model in")
    config = json.loads((folders["hf"] / "config.json").read_text())
    (folders["hf"] / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "fp8"}}))
    refused(folders["hf"], tmp_path, r"quantised \(fp8\), which is not read")


def test_nothing_at_all(tmp_path, no_reading) -> None:
    with pytest.raises(InputError, match="There is nothing at"):
        open_checkpoint(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no weights in a known format"):
        open_checkpoint(tmp_path / "empty")


def test_the_command_prints_one_line(folders, tmp_path, capsys) -> None:
    os.truncate(largest(folders["hf"]), 1000)
    assert main(["convert", str(folders["hf"]), str(tmp_path / "out"), "--to", "meta"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Fetch it again" in error
    assert main(["verify", str(folders["hf"])]) == 2


def test_the_tests_weights_are_whole(folders) -> None:
    assert load_file(folders["herdbook"] / "model.safetensors")
    for path in folders.values():
        open_checkpoint(path)
