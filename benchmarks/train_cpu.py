"""Tokens per second of one pretraining step on the CPU: herdbook's and transformers' LlamaForCausalLM in a plain loop.

Both start from the same weights, see the same rows, compute in the same precision (bfloat16 where the processor has
it) and step with the same AdamW and clipping; before anything is timed, their logits must agree. herdbook masks
attention at document boundaries, as its pretraining does; the peer, as in a plain loop, does not: less work for it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _bench import in_turns, median_and_spread, ratio, save, start, table

SIZES: dict[str, dict[str, Any]] = {
    "quickstart": dict(dim=256, n_layers=4, n_heads=4, n_kv_heads=2, vocab_size=4112, batch=16, seq_len=256),
    "wider": dict(dim=512, n_layers=8, n_heads=8, n_kv_heads=4, vocab_size=8208, batch=8, seq_len=512),
}
SAME_LOGITS = 1e-5
"""Largest max|difference| / max|reference| of the two models' float32 logits."""


def peer_weights(state: dict[str, Any], n_heads: int, n_kv_heads: int) -> dict[str, Any]:
    """Meta's names and interleaved rotary pairs to Hugging Face's names and half-split pairs."""
    names = {
        "tok_embeddings": "model.embed_tokens", "norm": "model.norm", "output": "lm_head",
        "attention.wq": "self_attn.q_proj", "attention.wk": "self_attn.k_proj", "attention.wv": "self_attn.v_proj",
        "attention.wo": "self_attn.o_proj", "feed_forward.w1": "mlp.gate_proj", "feed_forward.w2": "mlp.down_proj",
        "feed_forward.w3": "mlp.up_proj", "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    }  # fmt: skip
    heads = {"attention.wq": n_heads, "attention.wk": n_kv_heads}
    out = {}
    for name, tensor in state.items():
        stem, place = name.removesuffix(".weight"), ""
        if stem.startswith("layers."):
            _, index, stem = stem.split(".", 2)
            place = f"model.layers.{index}."
        if stem in heads:
            rows, columns = tensor.shape
            pairs = tensor.view(heads[stem], rows // heads[stem] // 2, 2, columns)
            tensor = pairs.transpose(1, 2).reshape(rows, columns)
        out[f"{place}{names[stem]}.weight"] = tensor.clone()
    return out


def documents(batch: int, seq_len: int, seed: int) -> Any:
    """Document numbers of packed rows, (batch, seq_len): lengths exponential with a mean of 200 tokens."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    ends = torch.rand(batch, seq_len, generator=generator) < 1 / 200
    return ends.cumsum(dim=1).to(torch.int32)


def contestants(size: dict[str, Any]) -> tuple[dict[str, Callable[[], Any]], dict[str, float]]:
    """A function per contestant that makes one step, and what was checked beforehand."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from herdbook.model.args import ModelArgs
    from herdbook.model.transformer import Transformer, init_weights
    from herdbook.train.loss import next_token_loss
    from herdbook.train.optimizer import adamw
    from herdbook.train.precision import autocast, resolve

    shape = {key: size[key] for key in ("dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size")}
    args = ModelArgs(**shape, ffn_dim_multiplier=1.0, multiple_of=32, max_seq_len=size["seq_len"])
    ours = Transformer(args)
    init_weights(ours, torch.Generator().manual_seed(0))
    state = peer_weights(ours.state_dict(), args.n_heads, args.n_kv_heads)

    def new_peer() -> Any:
        config = LlamaConfig(
            hidden_size=args.dim, num_hidden_layers=args.n_layers, num_attention_heads=args.n_heads,
            num_key_value_heads=args.n_kv_heads, intermediate_size=args.ffn_dim, vocab_size=args.vocab_size,
            rms_norm_eps=args.norm_eps, rope_theta=args.rope_theta, max_position_embeddings=args.max_seq_len,
            rope_parameters={"rope_type": "default", "rope_theta": args.rope_theta},
            tie_word_embeddings=False, use_cache=False,
        )  # fmt: skip
        peer = LlamaForCausalLM(config)
        peer.load_state_dict(state, strict=True)
        return peer.train()

    shape_of_rows = (size["batch"], size["seq_len"] + 1)
    tokens = torch.randint(args.vocab_size, shape_of_rows, generator=torch.Generator().manual_seed(1))
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    document = documents(size["batch"], size["seq_len"], 2)
    precision = resolve("auto", "cpu")

    def peer_loss(model: Any) -> torch.Tensor:
        return model(input_ids=inputs, labels=inputs, shift_labels=targets).loss

    def step(model: Any, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
        optimizer = adamw([model], 1e-4)

        def one() -> None:
            with autocast(precision, "cpu"):
                value = loss()
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            value.item()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        return one

    eager, compiled = new_peer(), new_peer()
    with torch.no_grad():
        a, b = ours(inputs[:2]), eager(input_ids=inputs[:2]).logits
    difference = ((a - b).abs().max() / b.abs().max()).item()
    if not difference <= SAME_LOGITS:
        raise SystemExit(f"herdbook: the two models do not compute the same logits: they differ by {difference:.1e}")
    fast = torch.compile(compiled)
    steps = {
        "herdbook": step(ours, lambda: next_token_loss(ours, inputs, targets, document)),
        "eager": step(eager, lambda: peer_loss(eager)),
        "compiled": step(compiled, lambda: peer_loss(fast)),
    }
    n_params = sum(parameter.numel() for parameter in ours.parameters())
    return steps, {"n_params": n_params, "logits_difference": difference, "precision": precision}  # type: ignore[dict-item]


def main() -> None:
    options = start(__doc__.splitlines()[0])
    import torch
    import transformers

    versions = {"transformers": transformers.__version__, "threads": torch.get_num_threads()}
    results: dict[str, Any] = {**versions, "sizes": {}}
    names = ["quickstart"] if options.quick else ["wider", "quickstart"]
    rounds, seconds = (3, 2.0) if options.quick else (7, 10.0)
    for name in names:
        size = SIZES[name]
        steps, checked = contestants(size)
        rates = in_turns(steps, rounds, seconds)
        per_step = size["batch"] * size["seq_len"]
        rows, found = [], {}
        for who, values in rates.items():
            median, spread = median_and_spread(values)
            found[who] = {"tokens_per_second": median * per_step, "spread": spread}
            rows.append([who, median * per_step, f"{spread:.1%}"])
        print(f"\n{name}: {checked['n_params']:,} parameters, {size['batch']} x {size['seq_len']} tokens, "
              f"{checked['precision']}, logits agree to {checked['logits_difference']:.1e}")  # fmt: skip
        print(table(["", "tokens/s", "spread"], rows), flush=True)
        results["sizes"][name] = {**size, **checked, "contestants": found}
    print(f"\ntorch {torch.__version__}, transformers {transformers.__version__}, {results['threads']} threads")
    print(f"written: {save('train_cpu', options, results)}")
    for name in names:
        found = results["sizes"][name]["contestants"]
        for who in ("compiled", "eager"):
            advantage = found["herdbook"]["tokens_per_second"] / found[who]["tokens_per_second"]
            ratio(who, "tokens/s" if name == "quickstart" else f"tokens/s ({name})", advantage)


if __name__ == "__main__":
    main()
