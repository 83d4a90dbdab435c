"""What a model is made of, in Meta's words (`params.json` of the published weights), and the published sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from herdbook.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """Llama 3.1's frequency scaling for contexts longer than the one first trained on."""

    factor: float = 8.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_seq_len: int = 8192


@dataclass(frozen=True, kw_only=True)
class ModelArgs:
    """Shape of a Llama 3 transformer. Defaults are those of the published 8B model."""

    dim: int = 4096
    """Width of the residual stream."""
    n_layers: int = 32
    """Number of transformer blocks."""
    n_heads: int = 32
    """Query heads."""
    n_kv_heads: int = 8
    """Key/value heads; fewer than n_heads means grouped-query attention."""
    vocab_size: int = 128_256
    """Rows of the embedding: base tokens and special tokens."""
    ffn_dim_multiplier: float | None = 1.3
    """Scales the SwiGLU width of 2/3 * 4 * dim; None leaves it alone."""
    multiple_of: int = 1024
    """The SwiGLU width is rounded up to a multiple of this."""
    norm_eps: float = 1e-5
    """Added to the mean square inside RMSNorm."""
    rope_theta: float = 500_000.0
    """Base of the rotary frequencies (Llama 2: 10,000)."""
    max_seq_len: int = 8192
    """Longest sequence that the model is meant for, in tokens."""
    tied_embeddings: bool = False
    """Whether the output matrix is the embedding (Llama 3.2 1B and 3B)."""
    rope_scaling: RopeScaling | None = None
    """None for Llama 3; factor 8 for 3.1, 32 for 3.2 1B/3B."""

    def __post_init__(self) -> None:
        for key in ("dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "multiple_of", "max_seq_len"):
            if getattr(self, key) < 1:
                raise ConfigError(f"model.{key}={getattr(self, key)} must be at least 1", key=f"model.{key}")
        if self.dim % self.n_heads:
            raise ConfigError(
                f"model.dim={self.dim} must be a multiple of model.n_heads={self.n_heads}", key="model.n_heads"
            )
        if self.head_dim % 2:
            raise ConfigError(f"the head dimension {self.head_dim} must be even for RoPE", key="model.n_heads")
        if self.n_heads % self.n_kv_heads:
            raise ConfigError(
                f"model.n_heads={self.n_heads} must be a multiple of model.n_kv_heads={self.n_kv_heads}",
                key="model.n_kv_heads",
            )

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.dim // self.n_heads

    @property
    def ffn_dim(self) -> int:
        """Width of the SwiGLU hidden layer, by Meta's rule (llama3 `model.py`)."""
        hidden = int(2 * (4 * self.dim) / 3)
        if self.ffn_dim_multiplier is not None:
            hidden = int(self.ffn_dim_multiplier * hidden)
        return self.multiple_of * -(-hidden // self.multiple_of)

    @property
    def special_tokens(self) -> str:
        """Meta's table of special tokens that goes with these settings: models with scaled RoPE are 3.1 and later."""
        return "llama3" if self.rope_scaling is None else "llama3.1"

    def to_json(self) -> dict[str, Any]:
        """Plain values for `params.json`."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> ModelArgs:
        """The inverse of `to_json`."""
        values = dict(values)
        if values.get("rope_scaling"):
            values["rope_scaling"] = RopeScaling(**values["rope_scaling"])
        return ModelArgs(**values)


_LLAMA31_SCALING = RopeScaling(factor=8.0)
_LLAMA32_SCALING = RopeScaling(factor=32.0)
_SIZE_8B: dict[str, Any] = {}
_SIZE_70B: dict[str, Any] = dict(dim=8192, n_layers=80, n_heads=64, multiple_of=4096)
_LONG_31: dict[str, Any] = dict(max_seq_len=131_072, rope_scaling=_LLAMA31_SCALING)
_LONG_32: dict[str, Any] = dict(max_seq_len=131_072, rope_scaling=_LLAMA32_SCALING, tied_embeddings=True)

PRESETS: dict[str, ModelArgs] = {
    "llama3_8b": ModelArgs(**_SIZE_8B),
    "llama3_70b": ModelArgs(**_SIZE_70B),
    "llama3.1_8b": ModelArgs(**_SIZE_8B, **_LONG_31),
    "llama3.1_70b": ModelArgs(**_SIZE_70B, **_LONG_31),
    "llama3.1_405b": ModelArgs(
        dim=16_384, n_layers=126, n_heads=128, multiple_of=4096, ffn_dim_multiplier=1.2, **_LONG_31
    ),
    "llama3.2_1b": ModelArgs(dim=2048, n_layers=16, n_heads=32, multiple_of=256, ffn_dim_multiplier=1.5, **_LONG_32),
    "llama3.2_3b": ModelArgs(dim=3072, n_layers=28, n_heads=24, multiple_of=256, ffn_dim_multiplier=1.0, **_LONG_32),
    "llama2_7b": ModelArgs(
        n_kv_heads=32,
        vocab_size=32_000,
        ffn_dim_multiplier=None,
        multiple_of=256,
        rope_theta=10_000.0,
        max_seq_len=4096,
    ),
}
"""Published sizes. The parameter counts are checked against the published ones by the tests."""
