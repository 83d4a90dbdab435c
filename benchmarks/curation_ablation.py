"""Does curation help the model? The same small model on the same number of tokens of raw text, of what the heuristics
leave, of what deduplication leaves of that, and of what the quality classifiers leave: bits per byte on clean held-out
text of five domains, three seeds each.

The arms are runs of the stages themselves (curate, tokenizer, tokenize, pretrain) with their default thresholds. Three
seeds give t-intervals of 95 % with two degrees of freedom; differences are taken seed by seed. What was trained is kept
in the temporary folder until the table is printed, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from _bench import ratio, save, start, table
from _web_mix import Text, articles, draw, held_out, mix, without_overlap

HEURISTICS = ("normalise", "code", "personal_data", "licence", "language", "maths", "heuristics", "nsfw")
DEDUP = ("same_url", "exact_duplicates", "frequent_lines", "near_duplicates")
ARMS = {
    "raw": ("normalise",),
    "heuristics": HEURISTICS,
    "+ dedup": (*HEURISTICS, *DEDUP),
    "+ quality": (*HEURISTICS, *DEDUP, "quality"),
    "+ reference": (*HEURISTICS, *DEDUP, "quality", "classifiers"),
}
"""The steps of each arm; every other step is skipped."""
FULL = "+ quality"
"""The arm that is compared with raw text: what the stage does by itself, without positives of the user's."""
REFERENCE_DROPS = 0.5
"""Share of the mix's scored prose that the reference classifier's threshold drops; set before any result was seen."""
MODEL: dict[str, Any] = {
    "dim": 128, "n_layers": 4, "n_heads": 4, "n_kv_heads": 2, "max_seq_len": 256,
    "lr": 2e-3, "warmup": 30, "batch_size": 8, "seq_len": 256, "eval_steps": 0, "checkpoint_seconds": 60.0,
}  # fmt: skip
VOCABULARY = 2048
N_STEPS = 200
SEEDS = (0, 1, 2)
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t for 95 % by number of values."""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the width of the 95 % t-interval (0 for a single value)."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, 0.0
    return mean, T_95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))


def skipped(arm: str) -> list[str]:
    """The steps that an arm leaves out."""
    from herdbook.curation.engine.pipeline import step_names

    return [name for name in step_names() if name not in ARMS[arm] and name != "mixture"]


def verdict(difference: tuple[float, float]) -> str:
    """What a step did: `difference` is (mean, half width) of bits per byte after it less before it."""
    mean, half = difference
    if mean + half < 0:
        return "helps"
    return "harms" if mean - half > 0 else "no difference shown"


def write(path: Path, texts: Sequence[Text]) -> Path:
    """Texts as a table of documents."""
    from herdbook.curation.documents import Document, write_documents

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [Document(t.id, t.text, t.source, t.id, "unknown", t.kind, t.url) for t in texts]
    write_documents(path, rows)
    return path


def artifact(folder: Path, kind: str) -> Any:
    """A folder as the input of a stage."""
    from herdbook.lineage import Artifact, Card

    return Artifact(folder, Card(kind=kind, name=kind, identity="0" * 64))


def reference_model(raw: Sequence[Text], positives: Sequence[Text], left: Path, folder: Path) -> dict[str, Any]:
    """Trains the reference classifier on positives against the long documents of the mix.

    Returns the model's folder, the threshold that drops REFERENCE_DROPS of the prose of the corpus `left`, figures.
    """
    import numpy as np

    import herdbook
    from herdbook.curation.documents import iterate_documents
    from herdbook.curation.quality.quality_model import QualityModel

    long = [t for t in raw if t.kind == "prose" and len(t.text.split()) > 40]
    documents = write(folder / "documents.parquet", long)
    listed = folder / "positives.jsonl"
    listed.write_text("".join(json.dumps({"text": t.text}) + "\n" for t in positives))
    figures = herdbook.curation.train_quality(
        documents, folder / "model", method="reference", positives=[str(listed)], max_texts=len(positives)
    )
    kept = [
        d.text for file in sorted(left.glob("shards/*.parquet")) for d in iterate_documents(file) if d.kind == "prose"
    ]
    scores = QualityModel.load(folder / "model").scores(kept)
    return {
        "positives": len(positives),
        "negatives": min(len(long), len(positives)),
        "held-out auc": figures.get("auc"),
        "threshold": round(float(np.quantile(scores, REFERENCE_DROPS)), 4),
    }


def dropped(funnel: Path) -> dict[str, dict[str, int]]:
    """For each step how many documents went, by reason."""
    gone = {
        step["name"]: {reason: sum(by_source.values()) for reason, by_source in step["reasons"].items()}
        for step in json.loads(funnel.read_text())["steps"]
    }
    return {name: reasons for name, reasons in gone.items() if reasons}


def trained(shards: Path, tokenizer: Path, held: dict[str, Path], out: Path, seed: int, n_steps: int) -> dict[str, Any]:
    """Pretrains one model and measures it; what an earlier run had finished is taken up."""
    import torch

    from herdbook.data.loader import evaluation_batches
    from herdbook.data.shards import TokenShards
    from herdbook.train import pretrain
    from herdbook.weights.native import load_model
    from herdbook.workspace import Workspace

    done = out / "result.json"
    if done.exists():
        return dict(json.loads(done.read_text()))
    began = time.process_time()
    workspace = Workspace.local(out / "model", seed)
    inputs = {"shards": artifact(shards, "token_shards"), "tokenizer": artifact(tokenizer, "tokenizer")}
    figures = pretrain.run(pretrain.Config(**MODEL, n_steps=n_steps), inputs, workspace)
    model, _ = load_model(out / "model")
    bits = {}
    with torch.no_grad():
        for name, folder in held.items():
            split = TokenShards(folder, "train")
            batches = evaluation_batches(split, "train", batch_size=16, seq_len=MODEL["seq_len"])
            nats = pretrain.heldout_loss(model, batches) * split.n_targets
            bits[name] = nats / math.log(2) / split.n_bytes
    result = {
        "bits per byte": bits,
        "loss": figures["loss"],
        "n_params": figures["n_params"],
        "cpu_seconds": time.process_time() - began,
    }
    shutil.rmtree(out / "model", ignore_errors=True)
    shutil.rmtree(out / "model.checkpoints", ignore_errors=True)
    done.write_text(json.dumps(result))
    return result


def version() -> str:
    """A hash of this experiment's text: what another version of it had trained is not taken up."""
    here = Path(__file__)
    content = b"".join(file.read_bytes() for file in (here, here.with_name("_web_mix.py")))
    return hashlib.sha256(content).hexdigest()[:12]


def prepare(data: Path, work: Path, scale: float) -> dict[str, Any]:
    """Makes mix, held-out text, arms, tokenizer and token shards in `work`; returns what the table says of them."""
    from herdbook.curation import curate
    from herdbook.data import tokenize_stage
    from herdbook.tokenizer import train_stage
    from herdbook.workspace import Workspace

    raw = mix(data, scale)
    clean, overlapping = without_overlap(held_out(data, 0.1 if scale == 1 else 0.02), [t.text for t in raw])
    documents = write(work / "raw" / "documents.parquet", raw)
    sizes: Counter[str] = Counter()
    for text in raw:
        sizes[text.source] += len(text.text.encode("utf-8", "replace"))
    about: dict[str, Any] = {
        "mix": {
            name: {
                "documents": sum(t.source == name for t in raw),
                "copies made here": sum(t.source == name and t.artificial for t in raw),
                "megabytes": round(size / 1e6, 3),
            }
            for name, size in sizes.items()
        },
        "held out": {
            name: {
                "documents": len(some),
                "bytes": sum(len(t.text.encode()) for t in some),
                "left out for overlap": overlapping[name],
            }
            for name, some in clean.items()
        },
        "arms": {},
    }
    positives = draw((Text(t.id, t.source, t.text[:6000]) for t in articles(data, first=False)), 4)
    for arm in ARMS:
        settings: dict[str, Any] = {"language": {"languages": ["en"]}} if "language" in ARMS[arm] else {}
        if "classifiers" in ARMS[arm]:
            folder = work / "reference"
            about["reference"] = reference_model(raw, positives, work / FULL / "corpus", folder)
            limit = about["reference"]["threshold"]
            settings["classifiers"] = {"models": [str(folder / "model")], "min_reference": limit}
        curate(documents, work / arm / "corpus", skip=skipped(arm), recall_sample=0, **settings)
        if arm == "raw":
            train_stage.run(
                train_stage.Config(vocab_size=VOCABULARY),
                {"corpus": artifact(work / arm / "corpus", "corpus")},
                Workspace.local(work / "tokenizer"),
            )
        inputs = {
            "corpus": artifact(work / arm / "corpus", "corpus"),
            "tokenizer": artifact(work / "tokenizer", "tokenizer"),
        }
        encoded = tokenize_stage.run(tokenize_stage.Config(), inputs, Workspace.local(work / arm / "shards"))["train"]
        about["arms"][arm] = {
            "documents": encoded["n_documents"],
            "megabytes": round(encoded["n_bytes"] / 1e6, 3),
            "unique tokens": encoded["n_tokens"],
            "tokens by source": encoded["n_tokens_by_source"],
            "dropped": dropped(work / arm / "corpus" / "funnel.json"),
        }
    for name, some in clean.items():
        write(work / "held" / name / "text" / "documents.parquet", some)
        inputs = {
            "corpus": artifact(work / "held" / name / "text", "documents"),
            "tokenizer": artifact(work / "tokenizer", "tokenizer"),
        }
        tokenize_stage.run(tokenize_stage.Config(), inputs, Workspace.local(work / "held" / name / "shards"))
    return about


def main() -> None:
    options = start(__doc__ or "")
    import torch

    torch.set_num_threads(1)
    seeds, n_steps, scale = (SEEDS[:1], 4, 0.15) if options.quick else (SEEDS, N_STEPS, 1.0)
    if options.quick:
        work = Path(tempfile.mkdtemp(prefix="herdbook-ablation-"))
    else:
        work = Path(tempfile.gettempdir()) / f"herdbook-curation-ablation-{version()}"
    work.mkdir(exist_ok=True)
    note = work / "about.json"
    began = time.process_time()
    if note.exists():
        about = json.loads(note.read_text())
    else:
        about = prepare(options.data, work, scale)
        about["curation_cpu_seconds"] = time.process_time() - began
        note.write_text(json.dumps(about))
    budget = n_steps * MODEL["batch_size"] * MODEL["seq_len"]
    print(f"{budget:,} tokens for each model; curation {about['curation_cpu_seconds']:.0f} CPU seconds", flush=True)
    domains = list(about["held out"])
    held = {name: work / "held" / name / "shards" for name in domains}
    runs: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for seed in seeds:
        for arm in ARMS:
            folder = work / arm / f"seed-{seed}"
            runs[arm].append(trained(work / arm / "shards", work / "tokenizer", held, folder, seed, n_steps))
            mean = statistics.fmean(runs[arm][-1]["bits per byte"].values())
            print(f"seed {seed}, {arm}: {mean:.4f} ({runs[arm][-1]['cpu_seconds']:.0f} CPU seconds)", flush=True)
    means = {arm: [statistics.fmean(run["bits per byte"].values()) for run in runs[arm]] for arm in ARMS}
    about |= {
        "model": {**MODEL, "vocabulary": VOCABULARY, "n_params": runs["raw"][0]["n_params"], "tokens": budget},
        "seeds": list(seeds),
        "runs": runs,
        "steps": {},
    }
    rows, before = [], None
    for arm in ARMS:
        one = about["arms"][arm]
        one["epochs"] = budget / one["unique tokens"]
        cells = [f"{interval([run['bits per byte'][name] for run in runs[arm]])[0]:.3f}" for name in domains]
        mean, half = interval(means[arm])
        one["bits per byte"] = {"mean": mean, "half of the 95 % interval": half}
        said = ["", ""]
        if before is not None:
            step = interval([new - old for new, old in zip(means[arm], means[before], strict=True)])
            said = [f"{step[0]:+.4f} ± {step[1]:.4f}", verdict(step) if len(seeds) > 1 else "no result"]
            about["steps"][arm] = {"change": step[0], "half of the 95 % interval": step[1], "verdict": said[1]}
        rows.append(
            [arm, one["documents"], f"{one['unique tokens']:,}", f"{one['epochs']:.2f}", *cells]
            + [f"{mean:.4f} ± {half:.4f}", *said]
        )
        before = arm
    head = ["arm", "documents", "unique tokens", "epochs", *domains, "mean", "against the arm above", ""]
    print("\n" + table(head, rows))
    whole = interval([new - old for new, old in zip(means[FULL], means["raw"], strict=True)])
    about["raw to full"] = {"change": whole[0], "half of the 95 % interval": whole[1]}
    print(f"\n{FULL} against raw: {whole[0]:+.4f} ± {whole[1]:.4f} bits per byte")
    if options.quick:
        print("--quick: a smoke run with one seed and a few steps. This is no result.")
    print(save("curation_ablation", options, about))
    shutil.rmtree(work, ignore_errors=True)
    raw = statistics.fmean(means["raw"])
    others = [arm for arm in ARMS if arm not in ("raw", FULL)]
    for arm in (*others, FULL):
        ratio("raw", f"bits per byte of {arm.removeprefix('+ ')}", raw / statistics.fmean(means[arm]))


if __name__ == "__main__":
    sys.exit(main())
