"""Number formats of stored tensors, by the names that the file formats use."""

from __future__ import annotations

import torch

from herdbook.errors import ConfigError

DTYPES: dict[str, torch.dtype] = {
    "float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16,
}  # fmt: skip
SHORT = {"fp64": "float64", "f64": "float64", "fp32": "float32", "f32": "float32", "fp16": "float16", "f16": "float16",
         "half": "float16", "bf16": "bfloat16"}  # fmt: skip
SAFETENSORS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
SAFETENSORS_NAMES = {dtype: name for name, dtype in SAFETENSORS.items()}


def parse_dtype(name: str | torch.dtype) -> torch.dtype:
    """`bfloat16` or `bf16` to torch.bfloat16. Raises ConfigError for what weights are not stored in."""
    if isinstance(name, torch.dtype):
        name = dtype_name(name)
    known = SHORT.get(name.lower(), name.lower())
    if known not in DTYPES:
        raise ConfigError(
            f"dtype {name!r} is unknown.", key="dtype", value=name, remedy=f"Take one of {', '.join(DTYPES)}."
        )
    return DTYPES[known]


def dtype_name(dtype: torch.dtype) -> str:
    """torch.bfloat16 to `bfloat16`."""
    return str(dtype).removeprefix("torch.")
