"""A training step on one GPU with the published shape of Llama 3.2 1B: herdbook and transformers, speed and memory.

Random weights in float32, products in bfloat16, AdamW (fused), a row of 8,192 tokens; every contestant works in a
process of its own; "documents": the row is four documents behind a document mask. MFU counts 6 operations per
matrix parameter and the causal half of attention, over 989 TFLOP/s.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _bench import ratio, save, start, table

PEAK = 989e12
"""Dense bfloat16 operations per second of an H100 or H200 (NVIDIA's data sheet)."""
PRESET = "llama3.2_1b"
SIZES = {
    "full": dict(batch=1, seq_len=8192, steps=16),
    "quick": dict(batch=1, seq_len=8192, steps=6),
}


def work(contestant: str, size: dict[str, int]) -> dict[str, Any]:
    """The child process: seconds of a step (median, after two), peak memory in GB, the first losses."""
    import torch

    from herdbook.model.args import PRESETS
    from herdbook.model.flops import train_flops_per_token
    from herdbook.model.frugal_cross_entropy import frugal_cross_entropy
    from herdbook.model.transformer import Transformer, init_weights
    from herdbook.train.loss import next_token_loss
    from herdbook.train.optimizer import adamw
    from herdbook.weights.hf_config import config_from_args, hf_name
    from herdbook.weights.rope_layout import to_halves

    args = PRESETS[PRESET]
    generator = torch.Generator(device="cuda").manual_seed(0)
    with torch.device("cuda"):
        ours = Transformer(args)
        init_weights(ours, generator)
    rows = torch.randint(args.vocab_size, (size["batch"], size["seq_len"] + 1), generator=generator, device="cuda")
    inputs, targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
    documents = torch.arange(size["seq_len"], device="cuda").mul(4).div(size["seq_len"], rounding_mode="floor")
    documents = documents.expand_as(inputs).contiguous()
    model: Any = ours
    if contestant == "transformers":
        from transformers import LlamaConfig, LlamaForCausalLM

        heads = {"attention.wq.weight": args.n_heads, "attention.wk.weight": args.n_kv_heads}
        state = {}
        for name, tensor in ours.state_dict().items():
            n = next((n for end, n in heads.items() if name.endswith(end)), None)
            state[hf_name(name)] = tensor if n is None else to_halves(tensor, n)
        config = LlamaConfig(**config_from_args(args), attn_implementation="sdpa", use_cache=False)
        model = LlamaForCausalLM(config)
        model.load_state_dict(state, strict=False)
        model.tie_weights()
        model = model.cuda()
        del ours, state
        torch.cuda.empty_cache()
    optimizer = adamw(torch.nn.ModuleList([model]), 1e-5)

    def loss() -> torch.Tensor:
        if contestant == "documents":
            return next_token_loss(model, inputs, targets, documents)
        if contestant == "herdbook":
            return frugal_cross_entropy(model.hidden(inputs).flatten(0, 1), model.output.weight, targets.flatten())
        return model(input_ids=inputs, labels=inputs, shift_labels=targets).loss

    seconds, losses = [], []
    torch.cuda.reset_peak_memory_stats()
    for _ in range(size["steps"]):
        torch.cuda.synchronize()
        began = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            value = loss()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
        losses.append(value.item())
    step = statistics.median(seconds[2:])
    tokens = inputs.numel()
    return {
        "seconds": step, "tokens_per_second": tokens / step, "losses": losses,
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9,
        "mfu": train_flops_per_token(args, size["seq_len"]) * tokens / step / PEAK,
        "device": torch.cuda.get_device_name(),
    }  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--contestant"]:
        print(json.dumps(work(sys.argv[2], json.loads(sys.argv[3]))))
        return
    options = start(__doc__.splitlines()[0])
    import torch
    import transformers

    if not torch.cuda.is_available():
        raise SystemExit("herdbook: this benchmark needs an NVIDIA GPU")
    size = SIZES["quick" if options.quick else "full"]
    found: dict[str, Any] = {}
    for contestant in ("herdbook", "transformers", "documents"):
        command = [sys.executable, __file__, "--contestant", contestant, json.dumps(size)]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            found[contestant] = {"error": answer.stderr.strip().splitlines()[-1][:200]}
        else:
            found[contestant] = json.loads(answer.stdout.splitlines()[-1])
    for name, figures in found.items():
        if "error" in figures:
            raise SystemExit(f"herdbook: {name} failed: {figures['error']}")
    ours, theirs = found["herdbook"], found["transformers"]
    apart = max(abs(a - b) for a, b in zip(ours["losses"], theirs["losses"]))
    if not apart <= 0.05:
        raise SystemExit(f"herdbook: the losses of the two differ by {apart:.3g}")
    print(f"{PRESET}, {size['batch']} x {size['seq_len']} tokens, bfloat16 products, {ours['device']}")
    rows = [[who, f["tokens_per_second"], f["mfu"], f["peak_gb"]] for who, f in found.items()]
    print(table(["", "tokens/s", "MFU", "peak GB"], rows))
    results = {"torch": torch.__version__, "transformers": transformers.__version__, **size, "found": found}
    print(f"written: {save('train_gpu', options, results)}")
    ratio("transformers", "peak memory", theirs["peak_gb"] / ours["peak_gb"])
    ratio("transformers", "tokens/s", ours["tokens_per_second"] / theirs["tokens_per_second"])


if __name__ == "__main__":
    main()
