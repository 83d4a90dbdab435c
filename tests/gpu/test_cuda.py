"""The same model on a GPU: logits, gradients, losses and answers equal those of the CPU and of transformers."""

from __future__ import annotations

import copy

import pytest
import torch

from herdbook.inference.engine import Engine
from herdbook.inference.sampling import SamplingParams
from herdbook.model.args import ModelArgs, RopeScaling
from herdbook.model.frugal_cross_entropy import frugal_cross_entropy, plain_cross_entropy
from herdbook.model.transformer import Transformer, init_weights
from herdbook.tokenizer import Tokenizer
from herdbook.train.loop import OptimizerConfig, train
from herdbook.train.loss import IGNORE, next_token_loss
from herdbook.workspace import Workspace

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here")

ARGS = ModelArgs(
    dim=64, n_layers=3, n_heads=4, n_kv_heads=2, vocab_size=301, multiple_of=16, max_seq_len=256,
    rope_scaling=RopeScaling(factor=8.0),
)  # fmt: skip


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """max|a - b| / max|b|, in float64 on the CPU."""
    a, b = a.detach().cpu().double(), b.detach().cpu().double()
    return ((a - b).abs().max() / b.abs().max()).item()


def make(args: ModelArgs = ARGS, dtype: torch.dtype = torch.float64, std: float = 0.1) -> Transformer:
    model = Transformer(args)
    init_weights(model, torch.Generator().manual_seed(0), std=std)
    return model.to(dtype)


def batch(n_rows: int = 3, length: int = 97) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, targets of which some are left out, and three documents a row."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(ARGS.vocab_size, (n_rows, length), generator=generator)
    targets = torch.randint(ARGS.vocab_size, (n_rows, length), generator=generator)
    targets[torch.rand(targets.shape, generator=generator) < 0.3] = IGNORE
    document = (torch.arange(length) // 33).expand(n_rows, length).contiguous()
    return tokens, targets, document


def test_logits_and_gradients_of_packed_documents_equal_those_of_the_cpu() -> None:
    tokens, targets, document = batch()
    found = {}
    for device in ("cpu", "cuda"):
        model = make().to(device)
        logits = model(tokens.to(device), document_BT=document.to(device))
        next_token_loss(model, tokens.to(device), targets.to(device), document.to(device)).backward()
        found[device] = [logits, *(parameter.grad for parameter in model.parameters())]
    assert max(relative(a, b) for a, b in zip(found["cuda"], found["cpu"], strict=True)) <= 1e-12


def test_bfloat16_is_no_worse_than_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    from herdbook.weights.hf_config import config_from_args, hf_name
    from herdbook.weights.rope_layout import to_halves

    tokens = batch(4, 200)[0].cuda()
    ours_sum = theirs_sum = 0.0
    args = ModelArgs(dim=512, n_layers=4, n_heads=8, n_kv_heads=2, vocab_size=301, multiple_of=64, max_seq_len=256)
    heads = {"attention.wq.weight": args.n_heads, "attention.wk.weight": args.n_kv_heads}
    config = transformers.LlamaConfig(**config_from_args(args), attn_implementation="sdpa")
    for seed in range(4):
        model = Transformer(args)
        init_weights(model, torch.Generator().manual_seed(seed), std=0.05)
        model = model.to(torch.bfloat16)
        state = {}
        for name, tensor in model.state_dict().items():
            n = next((n for end, n in heads.items() if name.endswith(end)), None)
            state[hf_name(name)] = tensor if n is None else to_halves(tensor, n)
        theirs = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
        theirs.load_state_dict(state, strict=True)
        exact = copy.deepcopy(model).double().cuda()(tokens)
        ours_sum += (model.cuda()(tokens).double() - exact).square().sum().item()
        theirs_sum += (theirs.cuda()(tokens).logits.double() - exact).square().sum().item()
    print(f"bf16 error: ours {ours_sum**0.5:.3e}, transformers {theirs_sum**0.5:.3e}")
    assert ours_sum <= theirs_sum * 1.05


def test_frugal_cross_entropy_equals_the_plain_one_in_a_third_of_its_memory() -> None:
    generator = torch.Generator(device="cuda").manual_seed(0)
    h = torch.randn(4096, 256, generator=generator, device="cuda")
    weight = torch.randn(128_256, 256, generator=generator, device="cuda") * 0.05
    targets = torch.randint(128_256, (4096,), generator=generator, device="cuda")
    found, peaks = [], []
    for function in (plain_cross_entropy, frugal_cross_entropy):
        a, b = h.clone().requires_grad_(), weight.clone().requires_grad_()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        loss = function(a, b, targets)
        loss.backward()
        peaks.append(torch.cuda.max_memory_allocated() - before)
        found.append((loss, a.grad, b.grad))
        del a, b
    print(f"peak: plain {peaks[0] / 1e9:.2f} GB, frugal {peaks[1] / 1e9:.2f} GB")
    assert max(relative(a, b) for a, b in zip(found[1], found[0], strict=True)) <= 1e-5
    assert peaks[1] * 3 <= peaks[0]


@pytest.mark.parametrize("settings", [dict(temperature=0.0), dict(temperature=1.0, n=3, seed=7)])
def test_answers_equal_those_of_the_cpu(settings: dict) -> None:
    tokenizer = Tokenizer({bytes([byte]): byte for byte in range(256)}, n_special=16)
    args = ModelArgs(dim=32, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=272, multiple_of=16, max_seq_len=64)
    prompts = [[(7 * i + j * j) % 256 for j in range(1 + i % 19)] for i in range(40)]
    params = SamplingParams(max_new_tokens=16, **settings)
    answers = []
    for device in ("cpu", "cuda"):
        model = make(args, torch.float32, std=0.3).to(device).eval()
        groups = Engine(model, tokenizer, max_batch=16).generate(prompts, params)
        answers.append([completion.ids for group in groups for completion in group])
    assert answers[0] == answers[1]


def test_training_follows_the_cpu_and_resumes(tmp_path) -> None:
    config = OptimizerConfig(lr=1e-3, warmup=3)

    def losses(name: str, device: str, die_at: int | None = None) -> list[float]:
        model = make(dtype=torch.float32).to(device)
        seen: list[float] = []

        def step(number: int):
            if number == die_at:
                raise KeyboardInterrupt
            tokens, targets, document = (t.to(device) for t in batch())
            loss = next_token_loss(model, (tokens + number) % ARGS.vocab_size, targets, document)
            seen.append(loss.item())
            return loss, {}

        workspace = Workspace.local(tmp_path / name)
        train(workspace, torch.nn.ModuleList([model]), config, 20, step, label="test", checkpoint_seconds=0.0)
        return seen

    cpu, cuda = losses("cpu", "cpu"), losses("cuda", "cuda")
    assert cuda == pytest.approx(cpu, rel=1e-4)
    with pytest.raises(KeyboardInterrupt):
        losses("resumed", "cuda", die_at=11)
    assert losses("resumed", "cuda") == pytest.approx(cuda[11:], rel=1e-6)
