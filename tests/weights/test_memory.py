"""Peak memory of a conversion: at most 1.3 times the largest shard, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from herdbook.model.args import ModelArgs
from herdbook.model.transformer import Transformer
from herdbook.storage import atomic_write_json
from herdbook.weights.convert import convert
from herdbook.weights.native import state
from herdbook.weights.opening import open_checkpoint

CHILD = """
import sys
from pathlib import Path
from herdbook.weights.convert import convert

def memory(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024

source, target, to, shards, warm = sys.argv[1:]
convert(warm, target + "-warm" + (".gguf" if to == "gguf" else ""), to)  # imports, and what libraries keep
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
convert(source, target, to, n_shards=int(shards), shard_gb=0.1)
print(memory("VmHWM") - before)
"""


@pytest.fixture(scope="module")
def big(tmp_path_factory) -> Path:
    """About 260 MB of float32 with an embedding that is a third of it, as two shards of Meta's."""
    folder = tmp_path_factory.mktemp("big")
    args = ModelArgs(dim=512, n_layers=10, n_heads=8, n_kv_heads=4, vocab_size=40_000, multiple_of=256)
    torch.manual_seed(0)
    (folder / "native").mkdir()
    save_file(state(Transformer(args)), folder / "native" / "model.safetensors")
    atomic_write_json(folder / "native" / "params.json", args.to_json())
    convert(folder / "native", folder / "meta", "meta", n_shards=2)
    convert(folder / "native", folder / "hf", "hf", shard_gb=0.13)
    return folder


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc of Linux")
@pytest.mark.parametrize(
    "source, to, shards",
    [
        ("meta", "hf", 1),
        ("hf", "meta", 2),
        pytest.param("hf", "meta", 1, marks=pytest.mark.slow),
        pytest.param("meta", "gguf", 1, marks=pytest.mark.slow),
        pytest.param("meta", "meta", 4, marks=pytest.mark.slow),
    ],
)
def test_peak_memory_is_bounded_by_the_largest_shard(make, big, tmp_path, source, to, shards) -> None:
    warm, _, _ = make()
    target = tmp_path / ("out.gguf" if to == "gguf" else "out")
    command = [sys.executable, "-c", CHILD, str(big / source), str(target), to, str(shards), str(warm)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    largest = max(file.stat().st_size for file in open_checkpoint(big / source).files)
    peak = int(answer.stdout)
    print(json.dumps({"from": source, "to": to, "peak_mb": peak / 1e6, "largest_shard_mb": largest / 1e6}))
    assert peak <= 1.3 * largest
