"""Peak memory of a training step with Llama 3's vocabulary: herdbook's frugal cross-entropy and transformers' loss.

Same weights, same batch, float32, forward and backward, no optimiser; each contestant works in a process of its own.
Peak memory is the largest resident size during two steps less that after importing: weights, gradients, activations
and whatever the loss needs. Before anything is measured, losses and gradients must agree.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _bench import ratio, save, start, table

VOCAB = 128_256
SIZES: dict[str, dict[str, int]] = {
    "full": dict(dim=512, n_layers=4, n_heads=8, n_kv_heads=2, batch=4, seq_len=1024),
    "quick": dict(dim=256, n_layers=2, n_heads=4, n_kv_heads=2, batch=1, seq_len=1024),
}
SAME = 1e-5
"""Largest max|difference| / max|reference| of the gradients of two contestants (float32, other order of summation)."""


def memory(field: str) -> float:
    """VmRSS or VmHWM of this process, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise SystemExit("herdbook: this benchmark reads /proc, so it needs Linux")


def work(contestant: str, size: dict[str, int]) -> dict[str, Any]:
    """The child process: two steps, then peak memory, seconds of the second step, and what must agree."""
    import torch
    from train_cpu import peer_weights
    from transformers import LlamaConfig, LlamaForCausalLM

    from herdbook.model.args import ModelArgs
    from herdbook.model.frugal_cross_entropy import frugal_cross_entropy
    from herdbook.model.transformer import Transformer, init_weights

    shape = {key: size[key] for key in ("dim", "n_layers", "n_heads", "n_kv_heads")}
    args = ModelArgs(**shape, vocab_size=VOCAB, tied_embeddings=True, max_seq_len=size["seq_len"], multiple_of=256)
    before = memory("VmRSS")
    ours = Transformer(args)
    init_weights(ours, torch.Generator().manual_seed(0))
    rows = torch.randint(VOCAB, (size["batch"], size["seq_len"] + 1), generator=torch.Generator().manual_seed(1))
    inputs, targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
    if contestant == "herdbook":
        model: Any = ours

        def loss() -> torch.Tensor:
            return frugal_cross_entropy(ours.hidden(inputs).flatten(0, 1), ours.output.weight, targets.flatten())

        watched = ours.tok_embeddings.weight, ours.layers[0].attention.wv.weight
    else:
        config = LlamaConfig(
            hidden_size=args.dim, num_hidden_layers=args.n_layers, num_attention_heads=args.n_heads,
            num_key_value_heads=args.n_kv_heads, intermediate_size=args.ffn_dim, vocab_size=VOCAB,
            rms_norm_eps=args.norm_eps, max_position_embeddings=args.max_seq_len,
            rope_parameters={"rope_type": "default", "rope_theta": args.rope_theta},
            tie_word_embeddings=True, use_cache=False,
        )  # fmt: skip
        with torch.device("meta"):
            model = LlamaForCausalLM(config)
        model.load_state_dict(peer_weights(ours.state_dict(), args.n_heads, args.n_kv_heads), assign=True)
        model.tie_weights()
        model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its buffers were on the meta device
        del ours
        watched = model.model.embed_tokens.weight, model.model.layers[0].self_attn.v_proj.weight
        called = torch.compile(model) if contestant == "compiled" else model

        def loss() -> torch.Tensor:
            return called(input_ids=inputs, labels=inputs, shift_labels=targets).loss

    seconds = []
    for _ in range(2):
        model.zero_grad(set_to_none=True)
        if contestant != "compiled" or seconds:  # the compiler's own memory is not the step's
            Path("/proc/self/clear_refs").write_text("5")
        began = time.perf_counter()
        value = loss()
        value.backward()
        seconds.append(time.perf_counter() - began)
    grads = [parameter.grad.float().flatten()[:: max(1, parameter.numel() // 4096)] for parameter in watched]
    return {
        "peak_mb": memory("VmHWM") - before, "seconds": seconds[-1], "loss": value.item(),
        "gradients": [grad.tolist() for grad in grads],
    }  # fmt: skip


def agree(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """Largest relative difference of loss and gradients."""
    pairs = [([ours["loss"]], [theirs["loss"]]), *zip(ours["gradients"], theirs["gradients"])]
    return max(max(abs(a - b) for a, b in zip(x, y)) / max(map(abs, y)) for x, y in pairs)


def main() -> None:
    if sys.argv[1:2] == ["--contestant"]:
        print(json.dumps(work(sys.argv[2], json.loads(sys.argv[3]))))
        return
    options = start(__doc__.splitlines()[0])
    import torch
    import transformers

    name = "quick" if options.quick else "full"
    size = SIZES[name]
    found: dict[str, dict[str, Any]] = {}
    for contestant in ("herdbook", "compiled", "eager"):
        command = [sys.executable, __file__, "--contestant", contestant, json.dumps(size)]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            raise SystemExit(f"herdbook: {contestant} failed:\n{answer.stderr}")
        found[contestant] = json.loads(answer.stdout.splitlines()[-1])
    for peer in ("compiled", "eager"):
        difference = agree(found["herdbook"], found[peer])
        if not difference <= SAME:
            raise SystemExit(f"herdbook: {peer} computes other gradients: they differ by {difference:.1e}")
        found[peer]["difference"] = difference
    print(f"{size['batch']} x {size['seq_len']} tokens, vocabulary {VOCAB:,}, dim {size['dim']}, "
          f"{size['n_layers']} layers, tied, float32")  # fmt: skip
    rows = [[who, f["peak_mb"], f["seconds"], f"{f.get('difference', 0):.1e}"] for who, f in found.items()]
    print(table(["", "peak MB", "s/step", "difference"], rows))
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {torch.get_num_threads()} threads")
    for values in found.values():
        del values["gradients"]
    results = {"transformers": transformers.__version__, "threads": torch.get_num_threads(), **size, "found": found}
    print(f"written: {save('memory_vocab', options, results)}")
    for peer in ("compiled", "eager"):
        ratio(peer, "s/step", found[peer]["seconds"] / found["herdbook"]["seconds"])
    for peer in ("compiled", "eager"):
        ratio(peer, "peak memory", found[peer]["peak_mb"] / found["herdbook"]["peak_mb"])


if __name__ == "__main__":
    main()
