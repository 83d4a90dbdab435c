"""Token shards that tell where each token is from: id = 16 x document + place, so that a mix-up shows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from herdbook.data.shards import FORMAT_VERSION, INDEX, ShardWriter, token_dtype
from herdbook.storage import atomic_write_json


@pytest.fixture
def write_shards(tmp_path: Path) -> Callable[[list[int], int], Path]:
    """write_shards(lengths, n_files): a folder of token shards with one split, `train`, of such documents."""
    return lambda lengths, n_files=2: _write(tmp_path / "shards", lengths, n_files)


def _write(folder: Path, lengths: list[int], n_files: int) -> Path:
    folder.mkdir()
    names = [f"train-{i:05d}" for i in range(n_files)]
    for file, part in zip(names, np.array_split(np.arange(len(lengths)), n_files), strict=True):
        with ShardWriter(folder / file, token_dtype(4096)) as writer:
            for document in part:
                writer.add(16 * document + np.arange(lengths[document]))
    split = {"files": names, "n_tokens": sum(lengths), "n_documents": len(lengths), "n_bytes": 4 * sum(lengths)}
    index = {"format_version": FORMAT_VERSION, "dtype": "<u2", "vocab_size": 4096, "splits": {"train": split}}
    atomic_write_json(folder / INDEX, index)
    return folder
