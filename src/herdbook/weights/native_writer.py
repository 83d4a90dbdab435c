"""Writes herdbook's own folder: model.safetensors by Meta's names, params.json, the tokenizer's files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from herdbook.storage import atomic_write_json
from herdbook.weights.safetensors_file import write_safetensors

if TYPE_CHECKING:
    from herdbook.weights.convert import Job


def write(job: Job) -> None:
    """All files of the folder."""
    atomic_write_json(job.folder / "params.json", job.args.to_json())
    if job.tokenizer is not None:
        job.tokenizer.save(job.folder)
    if job.source.format == "herdbook":
        for name in ("generation.json", "training.json"):
            if (job.source.path / name).is_file():
                shutil.copyfile(job.source.path / name, job.folder / name)
    write_safetensors(job.folder / "model.safetensors", [job.stream(name) for name in job.source.shapes])
