"""Random weights of any shape, written as Meta ships them: a tool for tests of size, not a model.

python tests/weights/random_weights.py llama3_8b FOLDER [SHARDS]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from torch import Tensor

from herdbook.model.args import PRESETS, ModelArgs
from herdbook.progress import Progress
from herdbook.weights.checkpoint import Checkpoint
from herdbook.weights.convert import Job
from herdbook.weights.meta_writer import write

BLOCK = 1 << 22


class RandomCheckpoint(Checkpoint):
    """bfloat16, normal with standard deviation 0.02, norms around 1; the same numbers each time."""

    format = "random"

    def __init__(self, args: ModelArgs) -> None:
        super().__init__(Path("random"), args)
        self._block = (0.02 * torch.randn(BLOCK, generator=torch.Generator().manual_seed(0))).bfloat16()

    @property
    def files(self) -> list[Path]:
        return []

    def dtype(self, name: str) -> torch.dtype:
        return torch.bfloat16

    def rows(self, name: str, start: int, end: int) -> Tensor:
        """Cut from one block of random numbers, at a place that differs from row to row."""
        shape = self.shapes[name]
        if len(shape) == 1:
            return 1 + self._block[: end - start]
        n, seed = shape[1], sum(name.encode())
        places = [(row * 7919 + seed * 104_729) % (BLOCK - n) for row in range(start, end)]
        return torch.stack([self._block[place : place + n] for place in places])


def make(args: ModelArgs, folder: Path, n_shards: int = 1) -> None:
    """Writes consolidated.NN.pth and params.json."""
    source = RandomCheckpoint(args)
    total = 2 * sum(math.prod(shape) for shape in source.shapes.values()) / 1e6
    folder.mkdir(parents=True)
    with Progress(total, "MB", "random weights") as bar:
        write(Job(source, folder, folder.name, None, None, n_shards, 0, bar))


if __name__ == "__main__":
    make(PRESETS[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
