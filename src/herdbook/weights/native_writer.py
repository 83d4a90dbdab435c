"""Writes herdbook's own folder as an artifact of kind `model`, which stages take as input (`--input policy=FOLDER`):
model.safetensors by Meta's names, params.json, the tokenizer's files, the card."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from herdbook.lineage import CARD, Card, Parents, compute_identity, load_artifact, seal_artifact
from herdbook.storage import atomic_write_json, canonical_json, sha256_bytes, sha256_file
from herdbook.weights.dtypes import dtype_name
from herdbook.weights.safetensors_file import write_safetensors

if TYPE_CHECKING:
    from herdbook.weights.convert import Job

STAGE, VERSION = "convert", 1


def write(job: Job) -> None:
    """All files of the folder."""
    source = job.source
    atomic_write_json(job.folder / "params.json", job.args.to_json())
    if job.tokenizer is not None:
        job.tokenizer.save(job.folder)
    if source.format == "herdbook":
        for name in ("generation.json", "training.json"):
            if (source.path / name).is_file():
                shutil.copyfile(source.path / name, job.folder / name)
    write_safetensors(job.folder / "model.safetensors", [job.stream(name) for name in source.shapes])
    seal_artifact(job.folder, _card(job))


def _card(job: Job) -> Card:
    """A pedigree of one step: from the artifact that was converted, or from files of this fingerprint."""
    config = {"dtype": dtype_name(job.dtype) if job.dtype else None, "format": job.source.format}
    parents: Parents = {}
    card = Card(kind="model", name=job.name, identity="", stage=STAGE, config=config, version=VERSION)
    if (job.source.path / CARD).is_file():
        parent = load_artifact(job.source.path)
        parents["source"] = parent.identity
        card.parent_contents = {parent.identity: parent.card.content_hash}
        card.parent_names = {parent.identity: parent.name}
    else:
        card.fingerprint = sha256_bytes(canonical_json([[f.name, sha256_file(f)] for f in job.source.files]))
    card.parents = parents
    card.identity = compute_identity(STAGE, config, 0, parents, VERSION, card.fingerprint)
    return card
