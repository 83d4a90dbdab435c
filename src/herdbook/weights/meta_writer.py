"""Writes Meta's folder: one consolidated file for each tensor-parallel shard, params.json, tokenizer.model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor

from herdbook.storage import atomic_write_json
from herdbook.weights.checkpoint import CHUNK_BYTES
from herdbook.weights.meta import ARGS_FILE, params_from_args
from herdbook.weights.safetensors_file import Stream
from herdbook.weights.shapes import split_axis
from herdbook.weights.torch_file import write_torch_file

if TYPE_CHECKING:
    from herdbook.weights.convert import Job


def write(job: Job) -> None:
    """All files of the folder. Tied embeddings appear under both names, stored once."""
    atomic_write_json(job.folder / "params.json", params_from_args(job.args))
    atomic_write_json(job.folder / ARGS_FILE, job.args.to_json())
    if job.tokenizer is not None:
        job.tokenizer.save(job.folder)
    aliases = {"output.weight": "tok_embeddings.weight"} if job.args.tied_embeddings else {}
    for shard in range(job.n_shards):
        streams = [_part(job, name, shard) for name in job.source.shapes]
        write_torch_file(job.folder / f"consolidated.{shard:02d}.pth", streams, aliases)


def _part(job: Job, name: str, shard: int) -> Stream:
    """The rows or columns of a tensor that belong to a shard; norms belong to every one."""
    shape, axis, n = list(job.source.shapes[name]), split_axis(name), job.n_shards
    if axis is None or n == 1:
        return job.stream(name)
    shape[axis] //= n
    dtype, source = job.dtype_of(name), job.source
    width = shape[axis]

    def chunks() -> Iterator[Tensor]:
        first, last = (shard * width, (shard + 1) * width) if axis == 0 else (0, shape[0])
        step = source.rows_per_chunk(name, CHUNK_BYTES)
        for start in range(first, last, step):
            rows = source.rows(name, start, min(last, start + step))
            if axis == 1:
                rows = rows[:, shard * width : (shard + 1) * width]
            job.bar.update(rows.nbytes / 1e6)
            yield job.cast(rows, dtype, name)

    return Stream(name, tuple(shape), dtype, chunks)
