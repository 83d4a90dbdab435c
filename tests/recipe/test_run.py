"""Running recipes of fake stages: skipping, identity, selection, results, cards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from fake_stages.runs import FAKES, RECIPE, run, write_recipe

import herdbook
from herdbook import errors, lineage, storage


def test_a_run_makes_every_stage_and_a_second_one_none(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    first = run(recipe, tmp_path / "out")
    assert first.ran == ("source", "base", "tuned", "judge")
    assert first.final.name == "tuned"
    assert first.final.kind == "model"
    assert first.report == tmp_path / "out" / "report.html"
    assert not list((tmp_path / "out" / "work").glob("*"))
    second = run(recipe, tmp_path / "out")
    assert second.ran == ()
    assert second.skipped == first.ran
    assert {n: a.card for n, a in second.artifacts.items()} == {n: a.card for n, a in first.artifacts.items()}


def test_the_card_says_what_was_made_from_what(tmp_path: Path) -> None:
    result = run(write_recipe(tmp_path), tmp_path / "out")
    card = result.artifacts["tuned"].card
    source, base = result.artifacts["source"], result.artifacts["base"]
    assert (card.kind, card.stage, card.name, card.seed, card.version) == ("model", "trainer", "tuned", 0, 1)
    assert card.parents == {"documents": source.identity, "policy": base.identity}
    assert card.parent_contents == {a.identity: a.card.content_hash for a in (source, base)}
    assert card.config["lr"] == 0.5
    assert card.config["steps"] == 20  # defaults included
    assert "step_seconds" in card.without_effect
    assert card.metrics["threads"] == 1
    assert set(card.content) == {"metrics.jsonl", "params.json"}
    assert card.content["params.json"]["sha256"] == storage.sha256_file(result.final.path / "params.json")
    assert 0 < card.wall_seconds < 60
    assert 0.005 < card.peak_memory_gib < 4
    assert card.package_version == herdbook.__version__
    assert card.machine["cores"] >= 1
    assert card.resumes == 0
    assert lineage.verify(result.final) == []


def test_what_affects_the_result_changes_the_identity_and_nothing_else_does(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("one")

    def identities(**overrides: object) -> dict[str, str]:
        given = {"source.path": [str(file)], **{k.replace("__", "."): v for k, v in overrides.items()}}
        plan = herdbook.plan(write_recipe(tmp_path), out=tmp_path / "out", overrides=given, stages=FAKES)
        return {name: stage.identity for name, stage in plan.stages.items()}

    first = identities()
    assert identities() == first
    assert identities(source__workers=7, run__threads=2, base__step_seconds=1.0, run__device="cuda") == first
    changed = identities(base__lr=0.2)
    assert {n for n in first if first[n] != changed[n]} == {"base", "tuned", "judge"}
    assert set(identities(recipe__seed=1).values()).isdisjoint(first.values())
    reseeded = identities(tuned__seed=5)
    assert {n for n in first if first[n] != reseeded[n]} == {"tuned", "judge"}
    file.write_text("two")  # an external input
    assert set(identities().values()).isdisjoint(first.values())


def test_a_changed_setting_reruns_only_what_depends_on_it(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    first = run(recipe, tmp_path / "out")
    second = run(recipe, tmp_path / "out", overrides={"tuned.lr": 0.25})
    assert second.ran == ("tuned", "judge")
    assert second.skipped == ("source", "base")
    third = run(recipe, tmp_path / "out")  # the earlier artifacts are still there
    assert third.ran == ()
    assert third.final.path == first.final.path


def test_the_seed_reaches_the_stages(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    weights = [run(recipe, tmp_path / str(s), seed=s, only=["source", "base"]).artifacts["base"] for s in (1, 1, 2)]
    assert weights[0].metrics["weight"] == weights[1].metrics["weight"] != weights[2].metrics["weight"]
    assert weights[0].card.seed == 1


def test_only_and_from_limit_the_run(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    with pytest.raises(errors.InputError, match="needs the artifact of `source`"):
        run(recipe, out, only=["base"])
    assert run(recipe, out, only=["source"]).ran == ("source",)
    assert run(recipe, out, only=["base", "source"]).ran == ("base",)
    assert run(recipe, out, from_stage="tuned").ran == ("tuned", "judge")
    assert run(recipe, out, from_stage="tuned", force=True).ran == ("tuned", "judge")
    assert run(recipe, out, only=["judge"], force=True).ran == ("judge",)
    with pytest.raises(errors.RecipeError, match=r"no stage `tune`. Did you mean `tuned`\?"):
        run(recipe, out, only=["tune"])


def test_a_parent_made_again_with_other_content_makes_its_children_stale(tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    noisy = {"source.noise": True}
    run(recipe, out, overrides=noisy)
    assert run(recipe, out, overrides=noisy, only=["source"], force=True).ran == ("source",)
    root = lineage.pedigree(out)
    assert {p.what for group in lineage.rebuilt_parents(root).values() for p in group} == {
        "was made from another `source` than the one that is there now"
    }
    assert run(recipe, out, overrides=noisy).ran == ("base", "tuned", "judge")
    assert lineage.rebuilt_parents(lineage.pedigree(out)) == {}


def test_inputs_may_come_from_another_run(tmp_path: Path) -> None:
    run(write_recipe(tmp_path), tmp_path / "first")
    text = f"""
    [stages.more]
    kind = "trainer"
    inputs = {{ documents = "{tmp_path}/first/source", policy = "{tmp_path}/first" }}
    """
    result = run(write_recipe(tmp_path, text, "more"), tmp_path / "second")
    assert result.final.name == "more"  # the last stage that makes a model
    names = {node.name for node in lineage.pedigree(tmp_path / "second").walk() if node.artifact}
    assert names == {"more", "source", "tuned", "base"}
    wrong = {"more.inputs.policy": f"{tmp_path}/first/source"}
    with pytest.raises(errors.RecipeError, match=r"takes an artifact of kind `model`, but `.*` is of kind `documents`"):
        run(write_recipe(tmp_path, text, "more"), tmp_path / "second", overrides=wrong)
    with pytest.raises(errors.InputError, match="There is no folder"):
        run(write_recipe(tmp_path, text, "more"), tmp_path / "third", overrides={"more.inputs.policy": "./no/such"})


def test_a_recipe_may_be_a_mapping(tmp_path: Path) -> None:
    result = run({"stages": {"source": {"count": 2}}}, tmp_path / "out")
    assert storage.read_json(result.artifacts["source"].file("numbers.json"))[1:2] != []
    assert result.final is None
    assert result.report is None


def test_resolve_model_finds_the_final_model_and_others(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(write_recipe(tmp_path), out)
    assert lineage.resolve_model(out) == result.final.path
    assert lineage.resolve_model(out / "base") == result.artifacts["base"].path
    assert lineage.resolve_model(result.final.path) == result.final.path
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(result.final.path / "params.json", bare)
    assert lineage.resolve_model(bare) == bare
    with pytest.raises(errors.ArtifactError, match="holds no model"):
        lineage.resolve_model(out / "source")
    with pytest.raises(errors.InputError, match=r"has no stage `nothing`. Models that are there: .*out/base"):
        lineage.resolve_model(out / "nothing")
    shutil.rmtree(result.final.path)
    with pytest.raises(errors.InputError, match=r"Stage `tuned` of .* is not finished"):
        lineage.resolve_model(out)
    with pytest.raises(errors.InputError, match="There is no folder"):
        lineage.resolve_model(tmp_path / "nowhere" / "at all")


def test_events_tell_the_whole_story(tmp_path: Path) -> None:
    events: list[dict[str, object]] = []
    run(write_recipe(tmp_path), tmp_path / "out", sink=events.append)
    json.dumps(events)
    states = [(e["name"], e["state"]) for e in events if e["event"] == "stage"]
    assert states == [(n, s) for n in ("source", "base", "tuned", "judge") for s in ("started", "done")]
    assert [e["text"] for e in events if e["event"] == "say"] == ["4 numbers"]
    assert events[-1]["event"] == "end"
    last = [e for e in events if e["event"] == "progress"][-1]
    assert (last["done"], last["total"], last["unit"]) == (20, 20, "steps")


def test_a_stage_that_is_written_first_may_read_one_that_is_written_later(tmp_path: Path) -> None:
    head, _, rest = RECIPE.partition("[stages.source]")
    source, _, others = rest.partition("[stages.base]")
    text = f"{head}[stages.base]{others}\n[stages.source]{source}"
    assert run(write_recipe(tmp_path, text), tmp_path / "out").ran == ("source", "base", "tuned", "judge")


def test_a_gpu_that_is_not_there_is_said_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match=r"run\.device = 'cuda:99': PyTorch sees .* CUDA device"):
        run(write_recipe(tmp_path), tmp_path / "out", overrides={"run.device": "cuda:99"})
    assert not (tmp_path / "out").exists()
