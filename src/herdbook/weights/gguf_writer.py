"""Writes a GGUF file that llama.cpp runs: settings, vocabulary with chat template, tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import torch

from herdbook.errors import InputError
from herdbook.weights.gguf_file import ROPE_FREQS, gguf_name, rope_divisors
from herdbook.weights.safetensors_file import Stream, raw_bytes

if TYPE_CHECKING:
    from herdbook.weights.convert import Job

_KINDS = {
    torch.float32: (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    torch.float16: (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    torch.bfloat16: (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
}


def write(job: Job) -> None:
    """One file, `model.gguf`. Norms are float32, as llama.cpp wants them."""
    dtype = job.dtype_of("tok_embeddings.weight")
    if dtype not in _KINDS:
        raise InputError(f"GGUF files of {dtype} do not run.", key="dtype", remedy="Give --dtype float32.")
    writer = gguf.GGUFWriter(job.folder / "model.gguf", "llama")
    writer.add_file_type(_KINDS[dtype][1])
    _settings(writer, job)
    _vocabulary(writer, job)
    streams = []
    for name, shape in job.source.shapes.items():
        kind = torch.float32 if len(shape) == 1 else dtype
        streams.append(job.stream(name, gguf_name(name), dtype=kind))
    if job.args.rope_scaling is not None:
        divisors = torch.from_numpy(rope_divisors(job.args.head_dim, job.args.rope_theta, job.args.rope_scaling))
        streams.append(Stream(ROPE_FREQS, tuple(divisors.shape), torch.float32, lambda: [divisors]))
    for stream in streams:
        writer.add_tensor_info(
            stream.name, stream.shape, np.dtype(np.float32), stream.nbytes, raw_dtype=_KINDS[stream.dtype][0]
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    assert writer.fout is not None
    file = writer.fout[0]
    writer.write_padding(file, file.tell())
    for stream in streams:
        for chunk in stream.chunks():
            file.write(raw_bytes(chunk))
        writer.write_padding(file, stream.nbytes)
    writer.close()


def _settings(writer: Any, job: Job) -> None:
    args = job.args
    writer.add_name(job.source.path.resolve().name)
    writer.add_context_length(args.max_seq_len)
    writer.add_embedding_length(args.dim)
    writer.add_block_count(args.n_layers)
    writer.add_feed_forward_length(args.ffn_dim)
    writer.add_head_count(args.n_heads)
    writer.add_head_count_kv(args.n_kv_heads)
    writer.add_layer_norm_rms_eps(args.norm_eps)
    writer.add_rope_freq_base(args.rope_theta)
    writer.add_rope_dimension_count(args.head_dim)
    writer.add_vocab_size(args.vocab_size)


def _vocabulary(writer: Any, job: Job) -> None:
    """The `tokenizer.*` fields; without a tokenizer llama.cpp still loads the weights."""
    if job.tokenizer is None:
        writer.add_tokenizer_model("no_vocab")
        return
    from herdbook.tokenizer.gguf_fields import gguf_of_tokenizer

    fields = gguf_of_tokenizer(job.tokenizer, end="turn" if job.tuned else "text")
    missing = job.args.vocab_size - len(fields["tokenizer.ggml.tokens"])
    if missing > 0:  # rows of the embedding that no token has
        fields["tokenizer.ggml.tokens"] = [*fields["tokenizer.ggml.tokens"], *(f"[PAD{n}]" for n in range(missing))]
        fields["tokenizer.ggml.token_type"] = [
            *fields["tokenizer.ggml.token_type"],
            *[int(gguf.TokenType.UNUSED)] * missing,
        ]
        if "tokenizer.ggml.scores" in fields:
            fields["tokenizer.ggml.scores"] = [*fields["tokenizer.ggml.scores"], *[-1000.0] * missing]
    for name, value in fields.items():
        _add(writer, name, value)


def _add(writer: Any, name: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(name, value)
    elif isinstance(value, int):
        writer.add_uint32(name, value)
    elif isinstance(value, float):
        writer.add_float32(name, value)
    elif isinstance(value, str):
        writer.add_string(name, value)
    else:
        writer.add_array(name, list(value))
