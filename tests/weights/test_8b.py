"""A model of the size of Llama 3 8B, random weights, on a machine of 24 GB: convert, then one forward pass.

Writes 34 GB, so only where HERDBOOK_LARGE names a folder with that much room: HERDBOOK_LARGE=/tmp/large pytest -s
tests/weights/test_8b.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
pytestmark = [pytest.mark.slow, pytest.mark.skipif("HERDBOOK_LARGE" not in os.environ, reason="set HERDBOOK_LARGE")]

CHILD = """
import sys, time
from pathlib import Path

def status(field):
    return next(int(line.split()[1]) / 1e6 for line in Path("/proc/self/status").read_text().splitlines()
                if line.startswith(field))

began = time.time()
if sys.argv[1] == "convert":
    from herdbook.weights.convert import convert
    convert(sys.argv[2], sys.argv[3], "hf")
else:
    import torch
    from herdbook.weights.loading import load_weights
    from herdbook.weights.opening import open_checkpoint
    model = load_weights(open_checkpoint(sys.argv[2]))
    with torch.inference_mode():
        logits = model(torch.arange(16)[None] * 7000)
    assert logits.shape == (1, 16, 128256) and bool(torch.isfinite(logits).all())
    print(f"checksum {logits.double().abs().mean().item():.12g}")
anonymous, mapped = status("RssAnon"), status("RssFile")
print(f"{sys.argv[1]}: {time.time() - began:.0f} s, peak {status('VmHWM'):.2f} GB, at the end {anonymous:.2f} GB its "
      f"own, {mapped:.2f} GB mapped from files, swapped {status('VmSwap'):.2f} GB")
assert status("VmSwap") == 0
"""


def run(*arguments: str) -> str:
    answer = subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    print(answer.stdout)
    return answer.stdout


def test_convert_and_forward() -> None:
    folder = Path(os.environ["HERDBOOK_LARGE"]) / "herdbook-8b"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([sys.executable, str(HERE / "random_weights.py"), "llama3_8b", str(folder / "meta")], check=True)
        run("convert", str(folder / "meta"), str(folder / "hf"))
        sums = {run("forward", str(folder / kind)).split("\n")[0] for kind in ("meta", "hf")}
        assert len(sums) == 1  # the same logits from both
    finally:
        shutil.rmtree(folder, ignore_errors=True)
