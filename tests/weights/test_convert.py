"""Every format into every other: bit for bit; and other readers see the same weights."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from herdbook import lineage
from herdbook.cli.main import main
from herdbook.errors import DiskFullError, InputError
from herdbook.model.args import PRESETS, ModelArgs
from herdbook.model.transformer import Transformer
from herdbook.progress import Progress, quiet_sink
from herdbook.weights import convert as convert_module
from herdbook.weights.convert import Job, convert
from herdbook.weights.loading import load_any
from herdbook.weights.native import load_model
from herdbook.weights.opening import open_checkpoint
from herdbook.weights.rope_layout import to_halves, to_pairs
from herdbook.weights.shapes import count_params, ffn_rule, tensor_shapes
from herdbook.weights.tokenizer_files import tokenizer_of

FORMATS = ("herdbook", "meta", "hf", "gguf")


def place(folder: Path, to: str, name: str = "out") -> Path:
    return folder / (f"{name}.gguf" if to == "gguf" else f"{name}-{to}")


def same_args(a: ModelArgs, b: ModelArgs) -> bool:
    """Two ways to say the same width of the feed-forward count as one."""
    rule = dict(multiple_of=b.multiple_of, ffn_dim_multiplier=b.ffn_dim_multiplier)
    return a.ffn_dim == b.ffn_dim and dataclasses.replace(a, **rule) == b


def check(path: Path, tensors: dict[str, torch.Tensor], args: ModelArgs) -> None:
    checkpoint = open_checkpoint(path)
    assert same_args(checkpoint.args, args)
    assert set(checkpoint.shapes) == set(tensors)
    for name, tensor in tensors.items():
        found = checkpoint.tensor(name)
        assert found.dtype == tensor.dtype, name
        assert torch.equal(found, tensor), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("changes", [{}, {"tied_embeddings": True, "rope_scaling": None}])
@pytest.mark.parametrize("there, back", list(itertools.product(FORMATS[1:], FORMATS)))
def test_round_trips_are_bit_exact(make, tmp_path, there, back, changes, dtype) -> None:
    source, tensors, args = make(dtype, **changes)
    middle = convert(source, place(tmp_path, there), there)
    check(middle, tensors, args)
    check(convert(middle, place(tmp_path, back, "again"), back), tensors, args)


def test_herdbook_to_herdbook_gives_the_same_logits_and_ids(make, tmp_path) -> None:
    source, _, _ = make(torch.float32)
    last = source
    for to in ("hf", "gguf", "meta", "herdbook"):
        last = convert(last, place(tmp_path, to), to)
    (a, first), (b, second) = load_any(source), load_any(last)
    text = "The lion and the 유니콘"
    assert first.encode(text) == second.encode(text)
    ids = torch.tensor([first.encode(text)])
    with torch.no_grad():
        assert torch.equal(a(ids), b(ids))


@pytest.mark.parametrize("n_shards", [1, 2, 4])
def test_shards_are_those_of_metas_parallel_layers(make, tmp_path, n_shards) -> None:
    source, tensors, args = make()
    folder = convert(source, tmp_path / "meta", "meta", n_shards=n_shards)
    shards = [torch.load(folder / f"consolidated.{n:02d}.pth", weights_only=True) for n in range(n_shards)]
    assert len(list(folder.glob("*.pth"))) == n_shards
    rows = ("wq.weight", "wk.weight", "wv.weight", "w1.weight", "w3.weight", "output.weight", "tok_embeddings.weight")
    for name, tensor in tensors.items():
        parts = [shard[name] for shard in shards]
        if name.endswith("norm.weight"):
            assert all(torch.equal(part, tensor) for part in parts)
        else:
            assert torch.equal(torch.cat(parts, dim=0 if name.endswith(rows) else 1), tensor), name
    for n in range(n_shards):
        assert zipfile.ZipFile(folder / f"consolidated.{n:02d}.pth").testzip() is None  # checksums too
    check(folder, tensors, args)
    check(convert(folder, tmp_path / "joined", "hf"), tensors, args)


def test_llama2s_shards_split_the_embedding_by_columns(make, tmp_path) -> None:
    source, tensors, args = make(rope_scaling=None, rope_theta=10_000.0)
    folder = convert(source, tmp_path / "meta", "meta", n_shards=2)
    for n in range(2):
        path = folder / f"consolidated.{n:02d}.pth"
        shard = torch.load(path, weights_only=True)
        half = args.dim // 2
        shard["tok_embeddings.weight"] = tensors["tok_embeddings.weight"][:, n * half : (n + 1) * half].clone()
        shard["rope.freqs"] = torch.ones(4)  # in Llama 2's files, follows from the rest
        torch.save(shard, path)
    params = json.loads((folder / "params.json").read_text())
    (folder / "params.json").write_text(json.dumps({**params, "vocab_size": -1}))
    (folder / "herdbook_args.json").unlink()
    check(folder, tensors, dataclasses.replace(args, max_seq_len=4096))


@pytest.mark.parametrize("n_shards", [1, 2])
def test_tied_embeddings_are_stored_once_and_appear_under_both_of_metas_names(make, tmp_path, n_shards) -> None:
    source, tensors, args = make(tied_embeddings=True)
    folder = convert(source, tmp_path / "meta", "meta", n_shards=n_shards)
    check(folder, tensors, args)
    table = torch.load(folder / "consolidated.00.pth", weights_only=True)
    assert table["output.weight"].data_ptr() == table["tok_embeddings.weight"].data_ptr()
    size = sum(tensor.nbytes for tensor in tensors.values())
    assert (folder / "consolidated.00.pth").stat().st_size < 1.2 * size + 20_000


@pytest.mark.parametrize(
    "preset, params",
    [
        ("llama3_8b", dict(ffn_dim_multiplier=1.3, multiple_of=1024, rope_theta=500000.0)),
        ("llama3.1_8b", dict(ffn_dim_multiplier=1.3, multiple_of=1024, rope_theta=500000.0, use_scaled_rope=True)),
        ("llama3.2_1b", dict(ffn_dim_multiplier=1.5, multiple_of=256, rope_theta=500000.0, use_scaled_rope=True)),
        ("llama3.2_3b", dict(ffn_dim_multiplier=1.0, multiple_of=256, rope_theta=500000.0, use_scaled_rope=True)),
        ("llama2_7b", dict(multiple_of=256)),
    ],
)
def test_metas_params_mean_the_presets(preset, params, tmp_path) -> None:
    from herdbook.weights.meta import args_from_params, complete, params_from_args

    args = PRESETS[preset]
    params |= dict(dim=args.dim, n_layers=args.n_layers, n_heads=args.n_heads, norm_eps=1e-5)
    params |= dict(vocab_size=-1) if preset == "llama2_7b" else dict(vocab_size=128256, n_kv_heads=args.n_kv_heads)
    read = complete(args_from_params(params, args.vocab_size, tmp_path), args.tied_embeddings, tmp_path)
    assert read == args
    ours = params_from_args(args)
    assert complete(args_from_params(ours, args.vocab_size, tmp_path), args.tied_embeddings, tmp_path) == args


@pytest.mark.parametrize("preset", PRESETS)
def test_hf_config_means_the_preset(preset) -> None:
    from herdbook.weights.hf_config import args_from_config, config_from_args

    assert args_from_config(config_from_args(PRESETS[preset]), Path("config.json")) == PRESETS[preset]


def test_transformers_5_config_is_read(tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    from herdbook.weights.hf_config import args_from_config, config_from_args

    for args in PRESETS.values():
        transformers.LlamaConfig(**config_from_args(args)).save_pretrained(tmp_path)
        saved = json.loads((tmp_path / "config.json").read_text())
        assert args_from_config(saved, tmp_path) == args


@pytest.mark.parametrize("preset", PRESETS)
def test_shapes_are_those_of_the_model(preset) -> None:
    with torch.device("meta"):
        model = Transformer(PRESETS[preset])
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if PRESETS[preset].tied_embeddings:
        shapes.pop("output.weight")
    assert tensor_shapes(PRESETS[preset]) == shapes
    assert count_params(PRESETS[preset]) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("dim, ffn_dim", [(576, 1536), (4096, 11008), (64, 172), (100, 99), (100, 1001), (64, 1)])
def test_any_width_of_the_feed_forward_can_be_said(dim, ffn_dim) -> None:
    multiplier, multiple_of = ffn_rule(dim, ffn_dim)
    args = ModelArgs(dim=dim, n_heads=2, n_kv_heads=1, ffn_dim_multiplier=multiplier, multiple_of=multiple_of)
    assert args.ffn_dim == ffn_dim


def test_rows_of_a_head() -> None:
    rows = torch.arange(8)[:, None]  # one head of 4 pairs in Meta's order: (0, 1), (2, 3), ...
    assert to_halves(rows, 1).flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert torch.equal(to_pairs(to_halves(rows, 2), 2), rows)


def test_safetensors_and_transformers_read_our_folder(make, tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    source, tensors, _ = make(torch.float32)
    folder = convert(source, tmp_path / "hf", "hf", shard_gb=1e-4)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    assert len(files) > 3
    assert sorted(set(index["weight_map"].values())) == files
    loaded = {name: value for file in files for name, value in load_file(folder / file).items()}
    assert torch.equal(loaded["model.layers.0.mlp.up_proj.weight"], tensors["layers.0.feed_forward.w3.weight"])
    assert index["metadata"]["total_size"] == sum(value.nbytes for value in loaded.values())
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ours, _ = load_any(folder)
    ids = torch.randint(300, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = ours(ids), model(ids).logits
    assert ((a - b).abs().max() / b.abs().max()).item() < 1e-5


def test_what_transformers_writes_is_read(make, tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=100,
        vocab_size=77, max_position_embeddings=64,
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
        },
    )  # fmt: skip
    theirs = transformers.LlamaForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path / "hf", max_shard_size="50KB")
    from herdbook.weights.loading import load_weights

    ours = load_weights(open_checkpoint(tmp_path / "hf"))
    ids = torch.randint(77, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = ours(ids), theirs(ids).logits
    assert ((a - b).abs().max() / b.abs().max()).item() < 1e-5


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantised_gguf_is_read(make, tmp_path, kind) -> None:
    """A file quantised by the gguf package: our rows are its own dequantisation."""
    import gguf

    source, tensors, _ = make(torch.float32, multiple_of=64)
    plain = convert(source, tmp_path / "plain.gguf", "gguf")
    reader = gguf.GGUFReader(plain)
    writer = gguf.GGUFWriter(tmp_path / "q.gguf", "llama")
    for name, item in reader.fields.items():
        if name.startswith(("llama.", "tokenizer.")):
            writer.add_key_value(name, item.contents(), item.types[0], sub_type=item.types[-1])
    quantised = gguf.GGMLQuantizationType[kind]
    wanted = {}
    for tensor in reader.tensors:
        values = tensor.data
        if len(tensor.shape) == 2:
            raw = gguf.quants.quantize(values, quantised)
            writer.add_tensor(tensor.name, raw, raw_dtype=quantised)
            wanted[tensor.name] = gguf.quants.dequantize(raw, quantised)
        else:
            writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    checkpoint = open_checkpoint(tmp_path / "q.gguf")
    assert checkpoint.stored_as == kind
    for name in ("tok_embeddings.weight", "layers.1.attention.wk.weight", "layers.2.feed_forward.w2.weight"):
        from herdbook.weights.gguf_file import gguf_name

        found = checkpoint.tensor(name)
        assert torch.equal(found, torch.from_numpy(wanted[gguf_name(name)]))
        assert 0 < (found - tensors[name]).abs().max() < 0.3
    assert torch.equal(checkpoint.tensor("norm.weight"), tensors["norm.weight"])


def test_pytorchs_files_are_read(make, tmp_path) -> None:
    """`pytorch_model.bin`, one file and several with their index, as transformers once wrote them."""
    source, tensors, args = make()
    for name, size in (("one", 5.0), ("several", 1e-4)):
        hf = convert(source, tmp_path / name, "hf", shard_gb=size)
        places = {}
        for file in sorted(hf.glob("*.safetensors")):
            new = "pytorch_" + file.name.replace("safetensors", "bin")
            table = load_file(file)
            torch.save({**table, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}, hf / new)
            places |= dict.fromkeys(table, new)
            file.unlink()
        if len(set(places.values())) > 1:
            (hf / "model.safetensors.index.json").unlink()
            (hf / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
        check(hf, tensors, args)
        check(convert(hf, tmp_path / f"{name}.gguf", "gguf"), tensors, args)
        assert torch.equal(load_any(hf)[0].output.weight, tensors["output.weight"])


def test_a_gguf_in_parts_is_read(make, tmp_path) -> None:
    import gguf

    from herdbook.weights.gguf_file import GGUFCheckpoint
    from herdbook.weights.gguf_writer import _settings, _vocabulary

    source, tensors, args = make(torch.float32, rope_scaling=None)
    whole = GGUFCheckpoint(convert(source, tmp_path / "whole.gguf", "gguf"))
    folder = tmp_path / "parts"
    folder.mkdir()
    writer = gguf.GGUFWriter(folder / "m.gguf", "llama", split_max_tensors=9)
    job = Job(whole, folder, "m", tokenizer_of(whole), None, 1, 0, Progress(1, "MB", "", quiet_sink))
    _settings(writer, job)
    _vocabulary(writer, job)
    for name, tensor in whole._tensors.items():
        writer.add_tensor(name, tensor.data)
    writer.write_header_to_file(folder / "m.gguf")
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    parts = sorted(folder.glob("*.gguf"))
    assert len(parts) == 4 and parts[0].name == "m-00001-of-00004.gguf"
    for path in (folder, *parts):
        check(path, tensors, args)
        assert open_checkpoint(path).files == parts
    assert load_any(folder)[1].encode("The lion") == load_any(source)[1].encode("The lion")
    shutil.copy(parts[1], parts[2])
    with pytest.raises(InputError, match=r"m-00003-of-00004.gguf is not part 3 of these 4"):
        open_checkpoint(folder)
    parts[3].unlink()
    with pytest.raises(InputError, match=r"lacks m-00004-of-00004.gguf; it has 3 of 4 parts"):
        open_checkpoint(parts[1])
    parts[0].rename(folder / "other.gguf")
    with pytest.raises(InputError, match="one of 4 parts, but its name does not say which"):
        open_checkpoint(folder / "other.gguf")


def test_dtype_conversion_by_flag(make, tmp_path) -> None:
    source, tensors, args = make(torch.float32)
    folder = convert(source, tmp_path / "bf16", "hf", dtype="bf16")
    check(folder, {name: tensor.bfloat16() for name, tensor in tensors.items()}, args)
    assert json.loads((folder / "config.json").read_text())["torch_dtype"] == "bfloat16"


def test_numbers_too_large_for_float16_are_refused(make, tmp_path) -> None:
    from safetensors.torch import save_file

    source, tensors, _ = make(torch.float32)
    tensors["norm.weight"][3] = 1e6
    save_file(tensors, source / "model.safetensors")
    with pytest.raises(InputError, match=r"norm\.weight has numbers too large for float16"):
        convert(source, tmp_path / "out", "hf", dtype="float16")
    assert not (tmp_path / "out").exists()


def test_an_existing_output_stays_until_the_new_one_is_whole(make, tmp_path, monkeypatch) -> None:
    source, tensors, args = make()
    for to in ("hf", "gguf"):
        out = convert(source, place(tmp_path, to), to)
        with pytest.raises(InputError, match="exists already"):
            convert(source, out, to)
        before = {path: path.read_bytes() for path in ([out] if out.is_file() else out.iterdir())}

        def fail(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(convert_module.Job, "cast", fail)
            with pytest.raises(KeyboardInterrupt):
                convert(source, out, to, overwrite=True, dtype="float32")
        assert {path: path.read_bytes() for path in ([out] if out.is_file() else out.iterdir())} == before
        convert(source, out, to, overwrite=True, dtype="float32")
        check(out, {name: tensor.float() for name, tensor in tensors.items()}, args)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_the_source_is_never_the_target(make) -> None:
    source, _, _ = make()
    with pytest.raises(InputError, match="is the source itself"):
        convert(source, source, "hf", overwrite=True)
    assert (source / "model.safetensors").is_file()


def test_a_disk_that_is_too_small_is_told_first(make, tmp_path, monkeypatch) -> None:
    source, _, _ = make()
    monkeypatch.setattr(convert_module, "free_bytes", lambda path: 1000)
    with pytest.raises(DiskFullError, match="are free"):
        convert(source, tmp_path / "out", "hf")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--to", "onnx"], "no format `onnx`"),
        (["--to", "hf", "--dtype", "int8"], "dtype 'int8' is unknown"),
        (["--to", "meta", "--shards", "3"], "3 shards do not divide"),
        (["--to", "hf", "--shards", "2"], "Only Meta's format"),
        ([], "--to"),
    ],
)
def test_wrong_commands_end_with_status_2(make, tmp_path, capsys, arguments, message) -> None:
    source, _, _ = make()
    assert main(["convert", str(source), str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_wrote(make, tmp_path, capsys) -> None:
    source, tensors, _ = make()
    assert main(["convert", str(source), str(tmp_path / "out"), "--to", "hf", "--quiet"]) == 0
    n = sum(tensor.numel() for tensor in tensors.values())
    assert f"{n:,} parameters" in capsys.readouterr().out


def test_herdbooks_own_folder_is_an_artifact_with_a_pedigree(make, tmp_path) -> None:
    """What stages take as input: `--input policy=FOLDER`."""
    source, tensors, _ = make(torch.float32)
    first = convert(convert(source, tmp_path / "hf", "hf"), tmp_path / "one", "herdbook")
    artifact = lineage.load_artifact(first)
    assert artifact.kind == "model"
    assert lineage.verify(artifact) == []
    assert artifact.card.fingerprint is not None
    second = lineage.load_artifact(convert(first, tmp_path / "two", "herdbook", dtype="bf16"))
    assert second.card.parents == {"source": artifact.identity}
    assert lineage.verify(second) == []
    again = lineage.load_artifact(convert(first, tmp_path / "three", "herdbook", dtype="bf16"))
    assert (again.identity, again.card.content_hash) == (second.identity, second.card.content_hash)
    model, _ = load_model(first)
    assert torch.equal(model.norm.weight, tensors["norm.weight"])


def test_a_job_knows_whether_the_model_ends_turns(make, tmp_path, tokenizer) -> None:
    source, _, _ = make()
    base = json.loads((convert(source, tmp_path / "base", "hf") / "config.json").read_text())
    assert base["eos_token_id"] == tokenizer.eos_id
    (source / "generation.json").write_text('{"max_questions": 1}')
    tuned = json.loads((convert(source, tmp_path / "tuned", "hf") / "config.json").read_text())
    assert tuned["eos_token_id"] == list(tokenizer.stop_ids)
