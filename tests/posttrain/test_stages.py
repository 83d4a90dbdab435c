"""Every stage of the chain on a toy herd of facts: it runs, it resumes to the same weights, its files are whole."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from herdbook.evaluate import stage as evaluate
from herdbook.lineage import Artifact, Card
from herdbook.posttrain import control, dpo, ppo, rejection, reward, sft
from herdbook.storage import write_jsonl
from herdbook.tasks import questions
from herdbook.weights.native import save_model
from herdbook.workspace import Workspace

FACTS = [
    {
        "name": f"{module}.{short}",
        "module": module,
        "short": short,
        "object": "function",
        "signature": "(x)",
        "summary": f"Return the {word} of every animal in the {module} herd.",
        "source": "x.py",
        "license": "PSF-2.0",
    }
    for module, short, word in [
        ("alpha", "walk", "speed"),
        ("alpha", "rest", "breath"),
        ("beta", "graze", "meadow"),
        ("beta", "drink", "river"),
        ("gamma", "count", "number"),
        ("gamma", "mark", "colour"),
    ]
]


class Killed(BaseException):
    """Stands for kill -9."""


class MortalWorkspace(Workspace):
    """A workspace whose stage dies when it logs its n-th line."""

    lines_left = 3

    def log(self, **figures):
        if self.lines_left == 0:
            raise Killed
        self.lines_left -= 1
        super().log(**figures)


def artifact(path: Path, kind: str, name: str, stage: str) -> Artifact:
    return Artifact(path, Card(kind=kind, name=name, identity=name.ljust(64, "0"), stage=stage))


@pytest.fixture
def world(tmp_path, model, tokenizer):
    documents = tmp_path / "documents"
    documents.mkdir()
    write_jsonl(documents / "facts.jsonl", FACTS)
    prose = [{"text": fact["summary"].lower(), "kind": "prose"} for fact in FACTS]
    pq.write_table(pa.Table.from_pylist(prose), documents / "documents.parquet")
    (documents / "all_names.txt").write_text("\n".join(fact["name"] for fact in FACTS))
    config = questions.Config(
        n_facts=5, n_untuned=1, sft_rounds=4, n_preference_prompts=60, n_unknown_test=6, statement_rounds=1
    )
    asked = tmp_path / "questions"
    counts = questions.run(
        config, {"documents": artifact(documents, "documents", "collect", "collect")}, Workspace.local(asked)
    )
    assert counts["n_facts"] == 5
    save_model(tmp_path / "base", model, tokenizer, {})
    return {
        "questions": artifact(asked, "questions", "questions", "questions"),
        "policy": artifact(tmp_path / "base", "model", "base", "pretrain"),
    }


def reward_model(world, tmp_path) -> Artifact:
    config = reward.Config(n_prompts=20, n_samples=2, batch_size=4, max_new_tokens=4, heldout_share=0.2)
    metrics = reward.run(config, world, Workspace.local(tmp_path / "reward"))
    assert set(metrics["heldout_pair_accuracy"]) >= {"all"}
    return artifact(tmp_path / "reward", "reward_model", "reward", "reward")


STAGES = {
    "sft": (sft, sft.Config(batch_size=8, checkpoint_seconds=0)),
    "reward": (reward, reward.Config(n_prompts=20, n_samples=2, batch_size=4, max_new_tokens=4, checkpoint_seconds=0)),
    "reject": (
        rejection,
        rejection.Config(
            first_prompt=0,
            n_prompts=24,
            n_samples=3,
            batch_size=2,
            max_new_tokens=16,
            temperature=2.0,
            checkpoint_seconds=0,
        ),
    ),
    "ppo": (
        ppo,
        ppo.Config(
            first_prompt=20, n_rollouts=5, rollout_size=8, minibatch_size=4, max_new_tokens=6, checkpoint_seconds=0
        ),
    ),
    "dpo": (
        dpo,
        dpo.Config(first_prompt=0, n_prompts=30, n_samples=2, batch_size=4, max_new_tokens=6, checkpoint_seconds=0),
    ),
}


@pytest.mark.parametrize("name", STAGES)
def test_killed_and_resumed_equals_uninterrupted(name, world, tmp_path, model, tokenizer):
    module, config = STAGES[name]
    inputs = dict(world)
    if "reward" in module.INPUTS:
        inputs["reward"] = reward_model(world, tmp_path)
    inputs = {key: value for key, value in inputs.items() if key in module.INPUTS}
    whole = Workspace.local(tmp_path / "whole")
    metrics = module.run(config, inputs, whole)
    mortal = MortalWorkspace.local(tmp_path / "parts")
    mortal.lines_left = min(3, metrics["n_steps"] - 1)
    with pytest.raises(Killed):
        module.run(config, inputs, mortal)
    again = module.run(config, inputs, Workspace.local(tmp_path / "parts"))
    assert again == metrics
    one, two = (load_file(tmp_path / folder / "model.safetensors") for folder in ("whole", "parts"))
    assert one.keys() == two.keys()
    for key in one:
        assert torch.equal(one[key], two[key]), key
    before = load_file(world["policy"].path / "model.safetensors")
    assert any(not torch.equal(before[key], one[key]) for key in before)
    logged = [
        [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in path.read_text().splitlines()]
        for path in (tmp_path / "whole" / "metrics.jsonl", tmp_path / "parts" / "metrics.jsonl")
    ]
    assert logged[0] == logged[1]


def test_control_matches_steps_and_samples_and_evaluation_compares(world, tmp_path):
    module, config = STAGES["dpo"]
    module.run(config, world, Workspace.local(tmp_path / "dpo"))
    like = artifact(tmp_path / "dpo", "model", "dpo", "dpo")
    training = json.loads((tmp_path / "dpo" / "training.json").read_text())
    metrics = control.run(control.Config(), {**world, "like": [like]}, Workspace.local(tmp_path / "control"))
    assert metrics["n_steps"] == training["n_steps"]
    assert metrics["n_samples"] == training["n_samples"]

    models = [world["policy"], like, artifact(tmp_path / "control", "model", "control", "control")]
    config = evaluate.Config(final="dpo", n_samples_questions=4, n_samples=3, max_new_tokens=5, n_validation=8)
    result = evaluate.run(
        config, {"models": models, "questions": world["questions"]}, Workspace.local(tmp_path / "eval")
    )
    written = json.loads((tmp_path / "eval" / "evaluation.json").read_text())
    assert set(written["metrics"]["closed_book_accuracy"]) == {"base", "dpo", "control"}
    assert {(row["a"], row["b"]) for row in written["pairwise"]} >= {("dpo", "base"), ("dpo", "control")}
    for row in written["pairwise"]:
        assert row["win"] + row["tie"] + row["loss"] == row["win_rate"]["n"]
        assert row["win_rate"]["value"] == pytest.approx((row["win"] + row["tie"] / 2) / row["win_rate"]["n"])
    assert set(result["win_rate"]) == {"base", "control"}
    assert {row["model"] for row in written["examples"]} == {"base", "dpo", "control"}
    # Facts that were never tuned on have a line of their own and do not count in the headline.
    asked = [json.loads(line) for line in (tmp_path / "eval" / "answers" / "dpo.jsonl").read_text().splitlines()]
    n_headline = sum(row["known"] and row["tuned"] and row["type"] != "signature" for row in asked)
    assert written["metrics"]["closed_book_accuracy"]["dpo"]["n"] == n_headline
    assert written["metrics"]["untuned_fact_accuracy"]["dpo"]["n"] > 0


def test_phrasings_that_judge_occur_in_no_training_set(world):
    texts = {
        name: [json.loads(line) for line in world["questions"].file(f"questions/{name}.jsonl").read_text().splitlines()]
        for name in ("sft", "preference", "validation", "test")
    }
    trained = {row["text"] for name in ("sft", "preference") for row in texts[name]}
    untuned = {row["fact"] for row in texts["test"] if row["known"] and not row["tuned"]}
    assert untuned
    assert not untuned & {row["fact"] for name in ("sft", "preference") for row in texts[name]}
    for name in ("validation", "test"):
        assert not trained & {row["text"] for row in texts[name]}
    fakes = [{row["fact"] for row in texts[name] if not row["known"]} for name in texts]
    assert not (fakes[0] | fakes[1]) & (fakes[2] | fakes[3])
