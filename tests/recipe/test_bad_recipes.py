"""Mistakes in recipes: one clear message each, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_stages.runs import FAKES, RECIPE, write_recipe

import herdbook
from herdbook import errors
from herdbook.config import Text


def complaint(tmp_path: Path, text: str, **settings: Any) -> str:
    with pytest.raises(errors.UserError) as caught:
        herdbook.plan(write_recipe(tmp_path, text), out=tmp_path / "out", stages=FAKES, **settings)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("lr = 0.5", "lrr = 0.5", "small.toml, line 18: stages.tuned has no setting `lrr`. Did you mean `lr`?"),
        ("lr = 0.5", "lr = 'high'", "small.toml, line 18: stages.tuned.lr = 'high' is not a valid value: expected"),
        ("steps = 12", "steps = 1.5", "line 13: stages.base.steps = 1.5 is not a valid value: expected whole number."),
        ("steps = 12", "steps = ", "small.toml is not valid TOML: Invalid value (at line 13"),
        ("[run]", "[runn]", "line 4: The recipe has no table `runn`. Did you mean `run`?"),
        ("threads = 1", "thread = 1", "line 5: run has no setting `thread`. Did you mean `threads`?"),
        ("threads = 1", "threads = 0", "run.threads = 0: expected 1 or more"),
        ("threads = 1", "device = 'gpu'", "run.device = 'gpu': expected cpu, cuda or cuda:N."),
        ('kind = "trainer"', 'kind = "trainr"', "no kind of stage `trainr`. Did you mean `trainer`?"),
        ('policy = "base"', 'policy = "bass"', "which the recipe does not have. Did you mean `base`?"),
        ('policy = "base"', 'policy = "source"', "takes an artifact of kind `model`, but `source` is of"),
        ('policy = "base"', 'polcy = "base"', "stages.tuned has no input `polcy`. Did you mean `policy`?"),
        ('policy = "base"', 'policy = ["base", "base"]', "input `policy` takes one artifact, not 2"),
        ('policy = "base"', "policy = 3", "stages.tuned.inputs.policy = 3 is not a valid value: expected text or"),
        ('policy = "base"', 'policy = "tuned"', "The inputs form a circle: tuned -> tuned"),
        ('documents = "source", ', "", "stages.tuned needs an input `documents` (documents)."),
        ('final = "tuned"', 'final = "tuner"', "line 2: final = 'tuner' is not a stage. Did you mean `tuned`?"),
        ("[stages.judge]", "[stages.judge]\ndigits = -1", "stages.judge: digits = -1: expected 0 or more"),
        ("[stages.judge]", "[stages.'a b']\nkind = 'judge'", "`a b` cannot be the name of a stage"),
    ],
)  # fmt: skip
def test_the_message_names_place_and_remedy(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in RECIPE
    text = new.join(RECIPE.rsplit(old, 1))
    assert expected in complaint(tmp_path, text)


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("tuned.lrr", 1, "Override: stages.tuned has no setting `lrr`. Did you mean `lr`?"),
        ("tuned.lr", Text("fast"), "Override: stages.tuned.lr = 'fast' is not a valid value: expected number."),
        ("tund.lr", 1, "Override `tund.lr`: there is no stage `tund`. Did you mean `tuned`?"),
        ("lr", 1, "Override `lr`: expected STAGE.KEY"),
        ("run.threads", Text("many"), "Override: run.threads = 'many' is not a valid value: expected whole number."),
        ("source.path", Text("/no/such/file"), "There is no file /no/such/file"),
    ],
)
def test_wrong_overrides(tmp_path: Path, key: str, value: object, expected: str) -> None:
    assert expected in complaint(tmp_path, RECIPE, overrides={key: value})


def test_no_stages_no_file_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "The recipe has no stages" in complaint(tmp_path, "[run]\nthreads = 1\n")
    (tmp_path / "recipes").mkdir()
    write_recipe(tmp_path / "recipes", name="quickstart")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.InputError, match=r"no recipe `quickstrat`. Did you mean `quickstart`\?"):
        herdbook.plan("quickstrat", stages=FAKES)
    with pytest.raises(errors.InputError, match=r"There is no recipe file recipes/none.toml"):
        herdbook.plan("recipes/none.toml", stages=FAKES)
    assert herdbook.plan("quickstart", stages=FAKES).folder == Path("runs/quickstart")
