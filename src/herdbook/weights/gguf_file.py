"""GGUF, llama.cpp's format: one file with settings, vocabulary and tensors, quantised or not.

Files of architecture `llama` keep wq and wk in Meta's order of rows. Header and quantised types are read by the `gguf`
package; Llama 3.1's frequencies stand in a tensor `rope_freqs` as divisors of the plain ones.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch import Tensor

from herdbook.errors import HerdbookError, InputError
from herdbook.model.args import ModelArgs, RopeScaling
from herdbook.model.rope import frequencies
from herdbook.weights.checkpoint import Checkpoint, check_no_more, check_shapes
from herdbook.weights.gguf_header import PART, check_header
from herdbook.weights.safetensors_file import read_bytes
from herdbook.weights.shapes import ffn_rule
from herdbook.weights.tensor_names import translate

_TOP = {"tok_embeddings": "token_embd", "norm": "output_norm", "output": "output"}
_LAYER = {
    "attention.wq": "attn_q", "attention.wk": "attn_k", "attention.wv": "attn_v", "attention.wo": "attn_output",
    "feed_forward.w1": "ffn_gate", "feed_forward.w2": "ffn_down", "feed_forward.w3": "ffn_up",
    "attention_norm": "attn_norm", "ffn_norm": "ffn_norm",
}  # fmt: skip
ROPE_FREQS = "rope_freqs.weight"
PLAIN = {
    gguf.GGMLQuantizationType.F32: torch.float32, gguf.GGMLQuantizationType.F16: torch.float16,
    gguf.GGMLQuantizationType.BF16: torch.bfloat16, gguf.GGMLQuantizationType.F64: torch.float64,
}  # fmt: skip


def gguf_name(name: str) -> str:
    """`layers.3.attention.wq.weight` to `blk.3.attn_q.weight`."""
    return translate(name, _TOP, _LAYER, "blk")


def rope_divisors(head_dim: int, theta: float, scaling: RopeScaling) -> np.ndarray:
    """What llama.cpp divides the plain frequencies by, float32 (head_dim / 2,)."""
    divisors = frequencies(head_dim, theta) / frequencies(head_dim, theta, scaling)
    return divisors.to(torch.float32).numpy()


class GGUFCheckpoint(Checkpoint):
    """One file, or all parts of a split one, of which any may be given."""

    format = "gguf"

    def __init__(self, path: Path) -> None:
        self._tensors, self.fields, self._places = _read_parts(path)
        args = _args(self.fields, self._tensors, path)
        super().__init__(path, args)
        self._names = {name: gguf_name(name) for name in self.shapes}
        shapes = {name: tuple(int(n) for n in reversed(t.shape)) for name, t in self._tensors.items()}
        check_shapes(shapes, args, path, names=self._names)
        check_no_more(self._tensors, set(self._names.values()) | {ROPE_FREQS}, path)
        for name in self._names.values():
            kind = self._tensors[name].tensor_type
            if kind not in PLAIN and kind not in gguf.quants._type_traits:
                raise InputError(f"{path}: {name} is stored as {kind.name}, which is not read.", key=name)
        self._norms_as_matrices = all(
            torch.equal(rows.to(self.matrix_dtype).to(rows.dtype), rows)
            for rows in (self._stored(name, 0, 1 << 30) for name, shape in self.shapes.items() if len(shape) == 1)
        )

    @property
    def files(self) -> list[Path]:
        return sorted(set(self._places.values()))

    @property
    def tokenizer_path(self) -> Path | None:
        return self.path if "tokenizer.ggml.tokens" in self.fields else None

    @property
    def stored_as(self) -> str:
        kinds = [self._tensors[self._names[name]].tensor_type.name for name, s in self.shapes.items() if len(s) == 2]
        return ", ".join(sorted(set(kinds), key=kinds.count, reverse=True))

    @property
    def is_quantised(self) -> bool:
        """Whether any matrix is."""
        return any(self._tensors[name].tensor_type not in PLAIN for name in self._names.values())

    def dtype(self, name: str) -> torch.dtype:
        """llama.cpp keeps norms as float32 beside matrices of 16 bits: they take the matrices' dtype where that is
        exact."""
        if name != "tok_embeddings.weight" and len(self.shapes[name]) == 1 and self._norms_as_matrices:
            return self.matrix_dtype
        return PLAIN.get(self._tensors[self._names[name]].tensor_type, torch.float32)

    def rows(self, name: str, start: int, end: int) -> Tensor:
        return self._stored(name, start, end).to(self.dtype(name))

    def _stored(self, name: str, start: int, end: int) -> Tensor:
        tensor, shape = self._tensors[self._names[name]], self.shapes[name]
        end = min(end, shape[0])
        row_bytes = int(tensor.n_bytes) // shape[0]
        offset = int(tensor.data_offset) + start * row_bytes
        raw = read_bytes(self._places[self._names[name]], offset, (end - start) * row_bytes)
        plain = PLAIN.get(tensor.tensor_type)
        if plain is not None:
            return torch.frombuffer(raw, dtype=plain).view(end - start, *shape[1:])
        blocks = np.frombuffer(raw, dtype=np.uint8).reshape(end - start, row_bytes)
        return torch.from_numpy(gguf.quants.dequantize(blocks, tensor.tensor_type))


def _read_parts(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Path]]:
    """Tensors, settings, and the file of each tensor. The first of several parts has the settings of all."""
    tensors, fields = _read(path)
    n = int(fields.get("split.count", 1) or 1)
    if n == 1:
        return tensors, fields, dict.fromkeys(tensors, path)
    found = PART.search(path.name)
    if found is None or int(found[2]) != n:
        raise InputError(
            f"{path} is one of {n} parts, but its name does not say which.",
            key=str(path),
            remedy=f"Name the parts NAME-00001-of-{n:05d}.gguf and so on.",
        )
    parts = [path.with_name(f"{path.name[: found.start()]}-{i:05d}-of-{n:05d}.gguf") for i in range(1, n + 1)]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise InputError(
            f"{path.parent} lacks {missing[0]}; it has {n - len(missing)} of {n} parts.",
            key=str(path),
            remedy="Fetch the missing file of the weights.",
        )
    places: dict[str, Path] = {}
    tensors = {}
    for i, part in enumerate(parts):
        more, settings = _read(part)
        counted = (int(settings.get("split.no", -1)), int(settings.get("split.count", 0)))
        if counted != (i, n) or set(more) & set(places):
            raise InputError(f"{part} is not part {i + 1} of these {n}.", key=str(part), remedy="Fetch it again.")
        fields = settings if i == 0 else fields
        tensors |= more
        places |= dict.fromkeys(more, part)
    return tensors, fields, places


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and settings of a file; InputError where it is cut off or damaged."""
    try:
        check_header(path)
        reader = gguf.GGUFReader(path)
        size = path.stat().st_size
        tensors = {str(tensor.name): tensor for tensor in reader.tensors}
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except (HerdbookError, KeyboardInterrupt):
        raise
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.", key=str(path)) from None
    except Exception as error:  # the reader meets damage with whatever numpy or struct happen to raise
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            f"{path} is cut off or no GGUF file ({reason[:200]}).", key=str(path), remedy="Fetch it again."
        ) from None
    for name, tensor in tensors.items():
        if int(tensor.data_offset) + int(tensor.n_bytes) > size:
            raise InputError(
                f"{path} is cut off: it ends before the end of {name}.", key=str(path), remedy="Fetch it again."
            )
    return tensors, fields


def _args(fields: dict[str, Any], tensors: dict[str, Any], path: Path) -> ModelArgs:
    architecture = fields.get("general.architecture")
    if architecture != "llama":
        raise InputError(
            f"{path}: this is a model of architecture `{architecture}`.",
            key="general.architecture",
            value=architecture,
            remedy="Models of architecture `llama` are read.",
        )
    if fields.get("llama.expert_count") or fields.get("llama.rope.scaling.type", "none") not in ("none", None):
        raise InputError(f"{path}: experts and linear or yarn scaling of RoPE are not read.", key=str(path))
    try:
        dim, n_heads = int(fields["llama.embedding_length"]), int(fields["llama.attention.head_count"])
        multiplier, multiple_of = ffn_rule(dim, int(fields["llama.feed_forward_length"]))
        args = ModelArgs(
            dim=dim,
            n_layers=int(fields["llama.block_count"]),
            n_heads=n_heads,
            n_kv_heads=int(fields.get("llama.attention.head_count_kv", n_heads)),
            vocab_size=int(tensors["token_embd.weight"].shape[1]),
            ffn_dim_multiplier=multiplier,
            multiple_of=multiple_of,
            norm_eps=_shortest(fields["llama.attention.layer_norm_rms_epsilon"]),
            rope_theta=_shortest(fields.get("llama.rope.freq_base", 10_000.0)),
            max_seq_len=int(fields["llama.context_length"]),
            tied_embeddings="output.weight" not in tensors,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{path} does not describe a Llama model: {error!r}.", key=str(path)) from None
    if int(fields.get("llama.rope.dimension_count", args.head_dim)) != args.head_dim:
        raise InputError(f"{path}: RoPE over a part of a head is not read.", key="llama.rope.dimension_count")
    if ROPE_FREQS not in tensors:
        return args
    from dataclasses import replace

    return replace(args, rope_scaling=_scaling(args, np.asarray(tensors[ROPE_FREQS].data, dtype=np.float32), path))


def _scaling(args: ModelArgs, divisors: np.ndarray, path: Path) -> RopeScaling:
    """The published scaling that has these divisors: factor from the largest, the rest as in Llama 3.1."""
    scaling = RopeScaling(factor=float(round(float(divisors.max()), 4)))
    ours = rope_divisors(args.head_dim, args.rope_theta, scaling)
    if divisors.shape != ours.shape or not np.allclose(divisors, ours, rtol=1e-5):
        raise InputError(f"{path}: its RoPE frequencies are not those of Llama 3.1 or 3.2.", key=ROPE_FREQS)
    return scaling


def _shortest(value: float) -> float:
    """A float32 setting as the number that was meant: 9.999999747378752e-06 is 1e-5."""
    (single,) = struct.unpack("<f", struct.pack("<f", float(value)))
    for digits in range(1, 9):
        if struct.unpack("<f", struct.pack("<f", float(f"{single:.{digits}g}")))[0] == single:
            return float(f"{single:.{digits}g}")
    return single
