"""Stage `pretrain`: a Llama 3 architecture from scratch on token shards (claims 1, 3 and 4).

Rows are packed documents with a document mask: attention does not cross from one document to the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import nn

from herdbook.data.batch import Batch
from herdbook.data.loader import PackedLoader, evaluation_batches
from herdbook.data.shards import TokenShards
from herdbook.lineage import Artifact
from herdbook.model.args import ModelArgs
from herdbook.model.transformer import Transformer, init_weights, num_params
from herdbook.storage import read_json
from herdbook.tokenizer import Tokenizer
from herdbook.train.loop import OptimizerConfig, train
from herdbook.train.loss import IGNORE, next_token_loss
from herdbook.train.precision import autocast, resolve
from herdbook.weights.native import save_model
from herdbook.workspace import InputSpec, Workspace

KIND_OUT = "model"
VERSION = 1
INPUTS = {"shards": InputSpec(("token_shards",)), "tokenizer": InputSpec(("tokenizer",))}


@dataclass(frozen=True, kw_only=True)
class Config(OptimizerConfig):
    """Shape of the model and length of the run. The vocabulary size comes from the tokenizer."""

    dim: int = 256
    """Width of the residual stream."""
    n_layers: int = 4
    """Blocks."""
    n_heads: int = 4
    """Query heads."""
    n_kv_heads: int = 2
    """Key/value heads (grouped-query attention)."""
    ffn_dim_multiplier: float | None = 1.0
    """Scales the SwiGLU width of 2/3 * 4 * dim."""
    multiple_of: int = 32
    """The SwiGLU width is rounded up to a multiple of this."""
    rope_theta: float = 500_000.0
    """Base of the rotary frequencies."""
    max_seq_len: int = 512
    """Longest sequence that the model is meant for."""
    tied_embeddings: bool = False
    """Output matrix and token embeddings are one, as in Llama 3.2's 1B and 3B models."""
    lr: float = 3e-3
    """Peak learning rate."""
    n_steps: int = 200
    """Optimiser steps."""
    batch_size: int = 16
    """Rows per step."""
    seq_len: int = 256
    """Tokens per row."""
    init_std: float = 0.02
    """Standard deviation of the initial weights."""
    precision: str = "auto"
    """auto, float32 or bfloat16 products; weights are float32."""
    eval_steps: int = 50
    """Steps between measurements on held-out documents."""
    eval_batches: int = 8
    """Held-out batches in each measurement; the last one uses four times as many."""
    checkpoint_seconds: float = field(default=20.0, metadata={"identity": False})
    """Seconds between checkpoints."""


def estimate(config: Config) -> float:
    """Seconds on two cores, from about 220 GFLOP/s in bfloat16 and 60 in float32."""
    per_token = 6.0 * (config.n_layers * 12 * config.dim**2 + 4096 * config.dim)
    speed = 2.2e11 if resolve(config.precision, "cpu") == "bfloat16" else 6e10
    return config.n_steps * config.batch_size * config.seq_len * per_token / speed


def heldout_loss(model: Transformer, batches: Iterable[Batch]) -> float:
    """Mean loss in nats per token over held-out batches."""
    total, count = 0.0, 0
    for batch in batches:
        n = int((batch.targets_BT != IGNORE).sum())
        total += next_token_loss(model, batch.tokens_BT, batch.targets_BT, batch.document_BT).item() * n
        count += n
    return total / max(count, 1)


def run(config: Config, inputs: dict[str, Artifact], workspace: Workspace) -> dict[str, Any]:
    """Trains and writes a model; returns loss and held-out bits per byte."""
    tokenizer = Tokenizer.load(inputs["tokenizer"].path)
    args = ModelArgs(
        dim=config.dim,
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        n_kv_heads=config.n_kv_heads,
        vocab_size=tokenizer.vocab_size,
        ffn_dim_multiplier=config.ffn_dim_multiplier,
        multiple_of=config.multiple_of,
        rope_theta=config.rope_theta,
        max_seq_len=config.max_seq_len,
        tied_embeddings=config.tied_embeddings,
    )
    device = workspace.device
    model = Transformer(args)
    init_weights(model, torch.Generator().manual_seed(workspace.seed), config.init_std)
    model.to(device)
    precision = resolve(config.precision, device)
    shards = inputs["shards"]
    loader = PackedLoader(shards, "train", batch_size=config.batch_size, seq_len=config.seq_len, seed=workspace.seed)
    has_heldout = "heldout" in read_json(shards.file("index.json"))["splits"]
    heldout = TokenShards(shards, "heldout") if has_heldout else None
    targets_per_byte = heldout.n_targets / max(heldout.n_bytes, 1) if heldout else 0.0

    def step(number: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = loader.batch(number).to(device)
        with autocast(precision, device):
            return next_token_loss(model, batch.tokens_BT, batch.targets_BT, batch.document_BT), {}

    def measure(done: int) -> dict[str, float]:
        if heldout is None:
            return {}
        n = config.eval_batches * (4 if done == config.n_steps else 1)
        batches = evaluation_batches(heldout, batch_size=config.batch_size, seq_len=config.seq_len)
        with autocast(precision, device):
            nats = heldout_loss(model, (batch.to(device) for batch in islice(batches, n)))
        return {"heldout_loss": nats, "heldout_bits_per_byte": nats / math.log(2) * targets_per_byte}

    tokens_per_step = config.batch_size * config.seq_len
    figures = train(
        workspace,
        nn.ModuleList([model]),
        config,
        config.n_steps,
        step,
        label="pretrain",
        items_per_step=tokens_per_step,
        checkpoint_seconds=config.checkpoint_seconds,
        each=measure,
        each_steps=config.eval_steps,
    )
    training = {"n_steps": config.n_steps, "n_tokens": config.n_steps * tokens_per_step}
    save_model(workspace.out, model, tokenizer, training)
    return {**figures, **training, "n_params": num_params(model), "precision": precision}
