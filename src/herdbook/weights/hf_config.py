"""Hugging Face's names of tensors and `config.json` of Llama models, to and from ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from herdbook.errors import InputError
from herdbook.model.args import ModelArgs, RopeScaling
from herdbook.weights.shapes import ffn_rule
from herdbook.weights.tensor_names import translate

_TOP = {"tok_embeddings": "model.embed_tokens", "norm": "model.norm", "output": "lm_head"}
_LAYER = {
    "attention.wq": "self_attn.q_proj", "attention.wk": "self_attn.k_proj", "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj", "feed_forward.w1": "mlp.gate_proj", "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj", "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}  # fmt: skip


def hf_name(name: str) -> str:
    """`layers.3.attention.wq.weight` to `model.layers.3.self_attn.q_proj.weight`."""
    return translate(name, _TOP, _LAYER, "model.layers")


def config_from_args(args: ModelArgs) -> dict[str, Any]:
    """`config.json` without what concerns the tokenizer and the dtype."""
    scaling = args.rope_scaling
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": args.dim,
        "num_hidden_layers": args.n_layers,
        "num_attention_heads": args.n_heads,
        "num_key_value_heads": args.n_kv_heads,
        "head_dim": args.head_dim,
        "intermediate_size": args.ffn_dim,
        "vocab_size": args.vocab_size,
        "max_position_embeddings": args.max_seq_len,
        "rms_norm_eps": args.norm_eps,
        "rope_theta": args.rope_theta,
        "rope_scaling": None
        if scaling is None
        else {
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_freq_factor,
            "high_freq_factor": scaling.high_freq_factor,
            "original_max_position_embeddings": scaling.original_max_seq_len,
        },
        "tie_word_embeddings": args.tied_embeddings,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
    }


def args_from_config(config: Any, where: Path) -> ModelArgs:
    """ModelArgs of a `config.json`, of transformers 4 or 5. Raises InputError for what is not a plain Llama."""
    if not isinstance(config, dict):
        raise InputError(f"{where} is not a table.", key=str(where))
    _refuse_others(config, where)
    try:
        rope = config.get("rope_parameters") or {}
        scaling = config.get("rope_scaling") or (rope if "factor" in rope else None)
        dim, n_heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        multiplier, multiple_of = ffn_rule(dim, int(config["intermediate_size"]))
        args = ModelArgs(
            dim=dim,
            n_layers=int(config["num_hidden_layers"]),
            n_heads=n_heads,
            n_kv_heads=int(config.get("num_key_value_heads") or n_heads),
            vocab_size=int(config["vocab_size"]),
            ffn_dim_multiplier=multiplier,
            multiple_of=multiple_of,
            norm_eps=float(config.get("rms_norm_eps", 1e-6)),
            rope_theta=float(config.get("rope_theta") or rope.get("rope_theta") or 10_000.0),
            max_seq_len=int(config.get("max_position_embeddings", 2048)),
            tied_embeddings=bool(config.get("tie_word_embeddings", False)),
            rope_scaling=None
            if scaling is None
            else RopeScaling(
                factor=float(scaling["factor"]),
                low_freq_factor=float(scaling["low_freq_factor"]),
                high_freq_factor=float(scaling["high_freq_factor"]),
                original_max_seq_len=int(scaling["original_max_position_embeddings"]),
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where} does not describe a Llama model: {error!r}.", key=str(where)) from None
    if int(config.get("head_dim") or args.head_dim) != args.head_dim:
        raise InputError(
            f"{where}: head_dim {config['head_dim']} is not hidden_size / num_attention_heads.", key="head_dim"
        )
    return args


def _refuse_others(config: dict[str, Any], where: Path) -> None:
    """Whatever would compute something else than our Transformer."""
    if config.get("model_type") != "llama":
        raise InputError(
            f"{where}: this is a model of architecture `{config.get('model_type')}`.",
            key="model_type",
            value=config.get("model_type"),
            remedy="Models of architecture `llama` are read.",
        )
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = rope.get("rope_type", rope.get("type", "default")) if isinstance(rope, dict) else rope
    plain = {
        "hidden_act": (config.get("hidden_act", "silu"), ("silu",)),
        "attention_bias": (bool(config.get("attention_bias")), (False,)),
        "mlp_bias": (bool(config.get("mlp_bias")), (False,)),
        "rope_type": (kind, ("default", "llama3")),
    }
    if (quantised := config.get("quantization_config")) is not None:
        how = quantised.get("quant_method") if isinstance(quantised, dict) else quantised
        raise InputError(
            f"{where}: these weights are quantised ({how}), which is not read (quantization_config).",
            key="quantization_config",
            value=str(how),
            remedy="Take the model in bfloat16, or as a quantised GGUF.",
        )
    for key, (value, allowed) in plain.items():
        if value not in allowed:
            raise InputError(
                f"{where}: {key} = {value!r} is not read.",
                key=key,
                value=str(value),
                remedy=f"Models with {key} = {' or '.join(map(str, allowed))} are read.",
            )
