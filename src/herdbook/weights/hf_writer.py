"""Writes Hugging Face's folder: config.json, generation_config.json, safetensors (with an index where there are several
files), tokenizer.json and tokenizer_config.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from herdbook.storage import atomic_write_json
from herdbook.weights.dtypes import dtype_name
from herdbook.weights.hf_config import config_from_args, hf_name
from herdbook.weights.rope_layout import to_halves
from herdbook.weights.safetensors_file import Stream, write_safetensors
from herdbook.weights.shapes import rotated_heads

if TYPE_CHECKING:
    from herdbook.weights.convert import Job


def write(job: Job) -> None:
    """All files of the folder."""
    ids = _token_ids(job)
    dtype = dtype_name(job.dtype_of("tok_embeddings.weight"))
    atomic_write_json(job.folder / "config.json", {**config_from_args(job.args), "torch_dtype": dtype, **ids})
    atomic_write_json(job.folder / "generation_config.json", {"do_sample": False, **ids})
    if job.tokenizer is not None:
        from herdbook.tokenizer.hf_export import export_hf

        end = "turn" if job.tuned else "text"
        export_hf(job.tokenizer, job.folder, end=end, max_length=job.args.max_seq_len)  # type: ignore[arg-type]
    groups = _groups([_stream(job, name) for name in job.source.shapes], job.shard_bytes)
    if len(groups) == 1:
        write_safetensors(job.folder / "model.safetensors", groups[0])
        return
    places: dict[str, str] = {}
    for number, group in enumerate(groups, 1):
        file = f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        write_safetensors(job.folder / file, group)
        places |= {stream.name: file for stream in group}
    total = sum(stream.nbytes for group in groups for stream in group)
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    atomic_write_json(job.folder / "model.safetensors.index.json", index)


def _stream(job: Job, name: str) -> Stream:
    if rotated_heads(name, job.args) is None:
        return job.stream(name, hf_name(name))
    E = job.args.head_dim
    return job.stream(name, hf_name(name), lambda rows: to_halves(rows, len(rows) // E))


def _groups(streams: list[Stream], limit: int) -> list[list[Stream]]:
    """Neighbouring tensors together, each file at most `limit` bytes, or one tensor that is larger."""
    groups: list[list[Stream]] = [[]]
    for stream in streams:
        if groups[-1] and sum(s.nbytes for s in groups[-1]) + stream.nbytes > limit:
            groups.append([])
        groups[-1].append(stream)
    return groups


def _token_ids(job: Job) -> dict[str, Any]:
    """Begin and end tokens. A tuned model stops at any of its stop tokens, a base model at the end of a text."""
    tokenizer = job.tokenizer
    if tokenizer is None:
        return {}
    stops = list(tokenizer.stop_ids) if job.tuned else [tokenizer.eos_id]
    return {
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": stops[0] if len(stops) == 1 else stops,
        "pad_token_id": tokenizer.pad_id,
    }
