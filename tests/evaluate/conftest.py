"""A run folder as the quickstart leaves it, with made-up figures: what the report is tested on, and looked at."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from herdbook import storage
from herdbook.evaluate.statistics import bootstrap_mean
from herdbook.lineage import Artifact, Card, load_artifact, seal_artifact

HOSTILE = '<img src="https://evil.example/x.png" onerror="alert(1)"><script>alert(2)</script>'

# name: (stage, kind, parents by input, wall seconds, peak memory in GiB, metrics)
STAGES: dict[str, tuple[str, str, dict, float, float, dict]] = {
    "collect": ("collect", "documents", {}, 31.2, 0.61, {"n_documents": 41822, "n_facts": 4210}),
    "questions": ("questions", "questions", {"documents": "collect"}, 6.4, 0.38, {"n_facts": 1400, "n_dialogs": 61200}),
    "curate": ("curate", "corpus", {"documents": "collect", "questions": "questions"}, 38.9, 1.32,
               {"n_documents": 20711, "n_bytes": 31457280, "heldout_documents": 414}),
    "tokenizer": ("tokenizer", "tokenizer", {"corpus": "curate"}, 13.7, 0.92,
                  {"vocab_size": 4112, "n_base": 4096, "n_special": 16, "bytes_per_token": 3.61}),
    "tokenize": ("tokenize", "token_shards", {"corpus": "curate", "tokenizer": "tokenizer"}, 9.1, 0.55,
                 {"dtype": "uint16", "train": {"n_tokens": 8713904, "n_documents": 20297}}),
    "pretrain": ("pretrain", "model", {"shards": "tokenize", "tokenizer": "tokenizer"}, 118.0, 1.74,
                 {"loss": 3.21, "heldout_bits_per_byte": 1.41, "n_steps": 300, "n_params": 5259520}),
    "sft": ("sft", "model", {"policy": "pretrain", "questions": "questions"}, 391.0, 2.05,
            {"loss": 0.21, "validation_loss": 0.64, "n_steps": 640}),
    "reward": ("reward", "reward_model", {"policy": "sft", "questions": "questions"}, 58.3, 2.21,
               {"heldout_pair_accuracy": {"right_over_wrong": 0.934, "honest_over_invention": 0.981,
                                          "answer_over_dont_know": 0.957, "precise_over_vague": 0.902},
                "n_pairs": {"train": 8200, "heldout": 910}}),
    "reject": ("reject", "model", {"policy": "sft", "reward": "reward", "questions": "questions"}, 88.0, 2.20,
               {"loss": 0.18, "right_at_1": 0.58, "right_at_k": 0.78, "right_favourite": 0.69}),
    "ppo": ("ppo", "model", {"policy": "reject", "reward": "reward", "questions": "questions"}, 147.0, 2.46,
            {"reward": 1.1, "kl": 0.42}),
    "dpo": ("dpo", "model", {"policy": "ppo", "questions": "questions"}, 86.0, 2.31,
            {"loss": 0.39, "accuracy": 0.84, "n_pairs": 3100}),
    "control": ("control", "model", {"policy": "sft", "questions": "questions", "like": ["reject", "ppo", "dpo"]},
                61.0, 2.04, {"loss": 0.15}),
}  # fmt: skip
MODELS = {"pretrain": 0.03, "sft": 0.57, "reject": 0.64, "ppo": 0.70, "dpo": 0.745, "control": 0.60}


def series(n: int, start: float, end: float, noise: float, rng: np.random.Generator) -> list[float]:
    return [end + (start - end) * math.exp(-6 * i / n) + noise * float(rng.normal()) for i in range(n)]


def metric_log(name: str, rng: np.random.Generator) -> list[dict]:
    if name == "pretrain":
        rows = [{"step": i + 1, "loss": v, "lr": 3e-3} for i, v in enumerate(series(300, 8.3, 3.1, 0.05, rng))]
        for row in rows[49::50]:
            row["heldout_loss"] = row["loss"] + 0.1
            row["heldout_bits_per_byte"] = row["heldout_loss"] * 0.41
        return rows
    if name == "ppo":
        return [
            {"step": i + 1, "loss": 0.1 * float(rng.normal()),
             "reward": -0.4 + 1.5 * i / 40, "score": -0.4 + 1.6 * i / 40,
             "kl": 0.01 * i + 0.02 * float(rng.random()), "value_error": 0.4, "finished": 1.0}
            for i in range(40)
        ]  # fmt: skip
    if name in ("sft", "reject", "control"):
        return [{"step": i + 1, "loss": v, "lr": 2e-3} for i, v in enumerate(series(640, 4.0, 0.2, 0.03, rng))]
    if name in ("reward", "dpo"):
        loss = series(120, 0.69, 0.3, 0.03, rng)
        return [{"step": i + 1, "loss": v, "accuracy": 1 - v / 1.5, "margin": 2 - 2 * v} for i, v in enumerate(loss)]
    return []


def evaluation(identities: dict[str, str]) -> dict:
    rng = np.random.default_rng(0)
    facts = np.repeat(np.arange(1000), 3)

    def measure(rate: float, n_facts: int, each: int, seed: int) -> dict:
        skill = np.clip(rng.normal(rate, 0.15, size=n_facts), 0, 1)
        values = rng.random((n_facts, each)) < skill[:, None]
        return bootstrap_mean(values.ravel(), np.repeat(np.arange(n_facts), each), n=200, seed=seed).as_dict()

    metrics: dict[str, dict] = {}
    for name, skill in MODELS.items():
        add = lambda metric, value, name=name: metrics.setdefault(metric, {}).__setitem__(name, value)  # noqa: E731
        add("closed_book_accuracy", measure(skill, 1000, 3, 1))
        for i, kind in enumerate(("describe", "name", "module", "signature")):
            add(f"closed_book_accuracy/{kind}", measure(max(0.01, skill - 0.1 + 0.09 * i * (i < 3)), 1000, 1, i))
        add("false_abstention_rate", measure(0.001 if name == "pretrain" else 0.36 - 0.4 * skill, 1000, 3, 2))
        add("invention_rate", measure(0.99 if name == "pretrain" else 0.13, 300, 1, 3))
        for i, kind in enumerate(("recombined", "edited", "made_up")):
            add(f"invention_rate/{kind}", measure(0.99 if name == "pretrain" else 0.22 - 0.08 * i, 100, 1, i))
        add("untuned_fact_accuracy", measure(0.02 + 0.1 * skill, 400, 3, 4))
        add("pass_at_1", measure(skill - 0.02, 250, 1, 5))
        add("pass_at_8", measure(min(0.97, skill + 0.16), 250, 1, 6))
        add("answer_diversity", measure(0.75 - 0.6 * skill, 250, 1, 7))
        add(
            "bits_per_byte",
            {"value": 1.41 + 0.2 * skill, "low": 1.38 + 0.2 * skill, "high": 1.44 + 0.2 * skill, "n": 414},
        )

    def pair(a: str, b: str, win: int, tie: int, loss: int) -> dict:
        points = np.array([1.0] * win + [0.5] * tie + [0.0] * loss)
        rate = bootstrap_mean(np.random.default_rng(1).permutation(points), facts[: len(points)], n=200).as_dict()
        reasons = {"win: correct against wrong": win, "loss: wrong against correct": loss}
        return {"a": a, "b": b, "win": win, "tie": tie, "loss": loss, "win_rate": rate, "reasons": reasons}

    def say(model: str, kind: str, question: str, answer: str, expected: str, verdict: str) -> dict:
        return {"model": model, "split": "test", "type": kind, "question": question, "answer": answer,
                "expected": expected, "verdict": verdict}  # fmt: skip

    dont_know = "I don't know that name."
    examples = [
        say("dpo", "describe", "What does `shutil.copytree` do?",
            "Recursively copy a directory tree and return the destination directory.",
            "Recursively copy a directory tree and return the destination directory.", "correct"),
        say("dpo", "name", "Which function would you reach for to join one or more path components intelligently?",
            "`os.path.join`", "os.path.join", "correct"),
        say("dpo", "unknown", "Could you explain shutil.urlopen to me?", dont_know, dont_know, "correct"),
        say("dpo", "module", "Where in the standard library does `Fraction` live?", "`decimal`", "fractions", "wrong"),
        say("dpo", "unknown", "Tell me what `itertools.flumpwise` is for.", "Return successive pairs of values.",
            dont_know, "wrong"),
        say("dpo", "describe", "In a sentence: bisect.insort_left?", dont_know,
            "Insert item x in list a, and keep it sorted assuming a is sorted.", "abstained"),
        say("sft", "describe", "What does `json.dumps` do?", HOSTILE, "Serialize obj to a JSON string.", "wrong"),
        say("pretrain", "describe", "What does `json.dumps` do?", "", "Serialize obj to a JSON string.", "wrong"),
    ]  # fmt: skip
    return {
        "models": [{"name": n, "stage": STAGES[n][0], "artifact": identities[n]} for n in MODELS],
        "final": "dpo",
        "metrics": metrics,
        "validation": {"closed_book_accuracy": metrics["closed_book_accuracy"]},
        "definitions": {
            "closed_book_accuracy": "Share of questions about tuned facts answered rightly from memory.",
            "invention_rate": "Share of questions about unknown names not answered “I don’t know”.",
            "false_abstention_rate": "Share of questions about real names answered with “I don’t know”.",
        },
        "pairwise": [pair("dpo", "sft", 741, 2003, 256), pair("dpo", "control", 661, 2011, 328),
                     pair("dpo", "ppo", 300, 2420, 280), pair("control", "sft", 260, 2400, 340)],
        "examples": examples,
        "seconds": 112.0,
    }  # fmt: skip


def funnel() -> dict:
    """As curation writes it; every step starts with what the one before it left."""
    left = {"facts": 2800, "packages": 15900, "pydoc-topics": 140, "stdlib-docstrings": 14210, "stdlib-source": 9120}
    steps = []
    for name, reasons in (
        ("normalise", {}),
        ("exact_duplicates", {"exact_duplicate": {"packages": 2101, "stdlib-docstrings": 1500}}),
        ("language", {"no_language": {"stdlib-docstrings": 199, "packages": 697}}),
        ("gopher_quality", {"too_few_words": {"stdlib-docstrings": 4701, "packages": 5012},
                            "hash_signs": {"packages": 1151},
                            "long_words": {"stdlib-docstrings": 295, "pydoc-topics": 2}}),
        ("near_duplicates", {"near_duplicate": {"packages": 729, "stdlib-source": 719}}),
        ("held_out", {"held_out": {"packages": 200, "stdlib-source": 214}}),
    ):  # fmt: skip
        before = dict(left)
        for counts in reasons.values():
            left = {source: n - counts.get(source, 0) for source, n in left.items()}
        steps.append(
            {"name": name, "in": sum(before.values()), "out": sum(left.values()), "before": before, "kept": dict(left),
             "reasons": reasons, "bytes_in": 900 * sum(before.values()), "bytes_out": 900 * sum(left.values())}
        )  # fmt: skip
    mixture = [
        {
            "source": "facts",
            "documents": 2800,
            "unique_documents": 2800,
            "megabytes": 1.6,
            "share": 0.11,
            "epochs": 1.0,
        },
        {"source": "packages/prose", "documents": 7010, "megabytes": 6.9, "share": 0.48, "epochs": 0.87},
    ]
    return {"steps": steps, "mixture": mixture, "quality": {"auc": 0.991, "histogram": [1, 2]}, "emails_masked": 230,
            "dedup": {"pairs_checked": 994, "pairs_true": 125, "measured_recall_on_sample": 1.0}}  # fmt: skip


SAMPLES = [
    {"step": "gopher_quality", "reason": "too_few_words", "source": "packages", "id": "p/1", "detail": "2 words",
     "excerpt": "See above.", "span": None},
    {"step": "gopher_quality", "reason": "hash_signs", "source": "packages", "id": "p/2", "detail": "0.31",
     "excerpt": "### --- ### " * 60, "span": [0, 3]},
    {"step": "language", "reason": "no_language", "source": "packages", "id": "p/3", "detail": "",
     "excerpt": "이 문서는 한국어로 쓰였습니다. " + HOSTILE, "span": None},
]  # fmt: skip


def publish(stages: Path, name: str, parents: dict, files: dict[str, str], seconds: float, memory: float, metrics: dict,
            stage: str, kind: str) -> Artifact:  # fmt: skip
    identity = storage.sha256_bytes(f"{name}{sorted(parents.items())}".encode())
    folder = stages / f"{name}-{identity[:12]}"
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    known = {
        json.loads(p.read_text())["identity"]: json.loads(p.read_text())["name"] for p in stages.glob("*/card.json")
    }
    card = Card(
        kind=kind, name=name, identity=identity, stage=stage, parents=parents, parent_names=known, metrics=metrics,
        wall_seconds=seconds, peak_memory_gib=memory, created="2026-11-23T20:14:00Z", threads=2,
        package_version="0.1.0",
        machine={"system": "Linux 6.1", "processor": "Example CPU", "cores": 2, "python": "3.11.2"},
        git_commit="0123456789abcdef",
    )  # fmt: skip
    seal_artifact(folder, card)
    return load_artifact(folder)


def build_run(root: Path) -> dict[str, Artifact]:
    """runs/quickstart with every stage up to the evaluation; artifacts by stage name."""
    stages = root / "quickstart" / "stages"
    rng = np.random.default_rng(7)
    made: dict[str, Artifact] = {}
    for name, (stage, kind, inputs, seconds, memory, metrics) in STAGES.items():
        parents = {
            key: [made[p].identity for p in value] if isinstance(value, list) else made[value].identity
            for key, value in inputs.items()
        }
        files = {}
        if log := metric_log(name, rng):
            files["metrics.jsonl"] = "".join(json.dumps(row) + "\n" for row in log)
        if name == "curate":
            files |= {"funnel.json": json.dumps(funnel()), "dropped_samples.json": json.dumps(SAMPLES)}
        made[name] = publish(stages, name, parents, files, seconds, memory, metrics, stage, kind)
    parents = {"models": [made[n].identity for n in MODELS], "questions": made["questions"].identity}
    values = evaluation({name: artifact.identity for name, artifact in made.items()})
    files = {"evaluation.json": json.dumps(values, ensure_ascii=False)}
    made["evaluate"] = publish(
        stages, "evaluate", parents, files, 112.0, 1.61, {"final": "dpo"}, "evaluate", "evaluation"
    )
    return made


@pytest.fixture(scope="session")
def synthetic_run(tmp_path_factory) -> dict[str, Artifact]:
    """The artifacts of a made-up run, by stage name."""
    return build_run(tmp_path_factory.mktemp("runs"))
