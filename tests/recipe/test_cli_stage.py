"""One stage alone from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_stages.herd import FAKES
from fake_stages.runs import run, write_recipe

from herdbook.cli import stage
from herdbook.errors import UserError
from herdbook.recipe import STAGES


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for kind, module in FAKES.items():
        monkeypatch.setitem(STAGES, kind, module)
    monkeypatch.chdir(tmp_path)


def test_the_stages_of_a_kind_as_a_recipe_has_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path)
    assert stage.main("source", [str(recipe), "--quiet"]) == 0
    assert stage.main("trainer", [str(recipe), "--quiet", "--lr=0.3", "--base.steps", "5"]) == 0
    cards = [json.loads(p.read_text()) for p in Path("runs/small/stages").glob("*/card.json")]
    assert {c["name"]: c["config"].get("lr") for c in cards} == {"source": None, "base": 0.3, "tuned": 0.3}
    assert {c["name"]: c["config"].get("steps") for c in cards} == {"source": None, "base": 5, "tuned": 20}
    assert "Done in" in capsys.readouterr().out


def test_without_a_recipe_on_artifacts_that_are_there(tmp_path: Path) -> None:
    run(write_recipe(tmp_path), tmp_path / "out")
    arguments = ["--input", "documents=out/source", "--input=policy=out", "--out", "alone", "--steps", "4", "--quiet"]
    assert stage.main("trainer", arguments) == 0
    (card,) = [json.loads(p.read_text()) for p in Path("alone/stages").glob("*/card.json")]
    assert card["config"]["steps"] == 4
    assert set(card["parents"]) == {"documents", "policy"}
    judge = ["--input", "models=out/base", "--input", "models=out/tuned", "--dry-run"]
    assert stage.main("judge", judge) == 0


def test_help_lists_inputs_and_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        stage.main("trainer", ["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "policy (model, optional)" in text
    assert "--lr=0.1  number\n        Step size." in text
    assert "makes: model" in text


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--input", "documents"], "--input documents: expected NAME=PATH"),
        (["small.toml", "--input", "a=b"], "--input is for a stage without a recipe"),
        (["--steps"], "--steps needs a value"),
        (["--input", "documents=nowhere"], "input `documents`: There is no folder nowhere"),
        ([], "stages.trainer needs an input `documents`"),
    ],
)
def test_mistakes(tmp_path: Path, arguments: list[str], message: str) -> None:
    write_recipe(tmp_path)
    with pytest.raises(UserError, match=message):
        stage.main("trainer", arguments)


def test_a_recipe_without_such_a_stage(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    with pytest.raises(UserError, match="has no stage of kind `evaluate`"):
        stage.main("eval", ["small.toml"])
