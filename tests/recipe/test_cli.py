"""The command line: verbs, options, messages, exit status, machine output."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_stages.runs import environment, herd, write_recipe

from herdbook.cli.main import VERBS
from herdbook.lineage import resolve_artifact


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60)


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    before = os.times()
    answer = subprocess.run(
        [sys.executable, "-m", "herdbook", "--help"], env=environment(), capture_output=True, text=True
    )
    after = os.times()
    assert answer.returncode == 0
    # Processor time: on a machine that does nothing else that is the time one waits, and a busy one says nothing here.
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.3
    for verb in VERBS:
        assert re.search(rf"^  {verb} ", answer.stdout, re.MULTILINE)
    loaded = python("import sys, herdbook.cli.main as m; m.main(['--help']); print(sorted(sys.modules))").stdout
    assert "herdbook.cli.main" in loaded
    for heavy in ("torch", "numpy", "pyarrow", "herdbook.recipe", "argparse", "psutil"):
        assert f"'{heavy}'" not in loaded


def test_an_older_python_is_refused_in_one_line() -> None:
    answer = python("import sys; sys.version_info = (3, 9, 2); import herdbook.cli.main")
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "Python 3.11 or later is needed, this is 3.9." in answer.stderr
    assert "sudo apt install python3.11" in answer.stderr


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["rnu"], "herd: there is no verb `rnu`. Did you mean `run`?"),
        (["run", "--dri-run", "x.toml"], "Did you mean `--dry-run`?"),
        (["run"], "the following arguments are required: recipe"),
        (["run", "none.toml"], "herd: There is no recipe file none.toml."),
        (["run", "small.toml", "--base.lr"], "herd: --base.lr needs a value. Write --base.lr=VALUE."),
        (["run", "small.toml", "--base.lrr=1"], "herd: Override: stages.base has no setting `lrr`. Did you mean `lr`?"),
        (["run", "small.toml", "--quiet", "--json"], "not allowed with argument"),
        (["lineage", "nowhere"], "herd: There is no folder nowhere."),
        (["lineage", "."], "herd: . is neither a run folder nor an artifact."),
        (["clean", "."], "herd: . is not a run folder"),
        (["chat", "nowhere"], "herd: There is no folder nowhere."),
        (["serve", "nowhere"], "herd: There is no folder nowhere."),
        (["tokenizer", "trian"], "Did you mean `train`?"),
    ],
)
def test_mistakes_are_one_line_and_status_2(tmp_path: Path, arguments: list[str], expected: str) -> None:
    write_recipe(tmp_path)
    answer = herd(*arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert expected in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert answer.stdout == ""


def test_run_without_a_terminal_ends_with_what_to_do_next(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    answer = herd("run", "small.toml", "--tuned.lr", "0.25", "--tuned.steps=6", cwd=tmp_path)
    assert answer.returncode == 0
    lines = answer.stdout.splitlines()
    assert re.fullmatch(r"Done in .*: 4 stages made, 0 complete before\.", lines[0])
    assert lines[1:] == ["Talk to it:  herd chat runs/small", "Report:      runs/small/report.html"]
    assert "[ 1/4] source       done in" in answer.stderr
    card = json.loads((resolve_artifact(tmp_path / "runs" / "small") / "card.json").read_text())
    assert (card["config"]["lr"], card["config"]["steps"]) == (0.25, 6)
    again = herd("run", "small.toml", "--tuned.lr=0.25", "--tuned.steps=6", "--quiet", cwd=tmp_path)
    assert again.stderr == ""
    assert "0 stages made, 4 complete before" in again.stdout


def test_the_plan_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    answer = herd("run", "small.toml", "--dry-run", "--seed", "7", cwd=tmp_path)
    assert answer.returncode == 0
    assert answer.stdout.startswith("Recipe small -> runs/small   seed 7, device cpu, 1 threads\n")
    assert "Estimated time on two cores: 0.5 s (and 3 without an estimate)." in answer.stdout
    assert not (tmp_path / "runs").exists()
    herd("run", "small.toml", cwd=tmp_path)
    answer = herd("run", "small.toml", "--dry-run", "--json", "--from", "tuned", "--tuned.lr=1", cwd=tmp_path)
    plan = json.loads(answer.stdout)
    assert {s["name"]: (s["state"], s["selected"]) for s in plan["stages"]} == {
        "source": ("complete", False),
        "base": ("complete", False),
        "tuned": ("to run", True),
        "judge": ("to run", True),
    }


def test_json_output_is_json_lines_also_for_errors(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    answer = herd("run", "small.toml", "--json", cwd=tmp_path)
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    assert events[-1]["final"] == "tuned"
    assert answer.stderr == ""
    answer = herd("run", "small.toml", "--json", "--base.lr=3", "--base.fail=bug", cwd=tmp_path)
    last = json.loads(answer.stdout.splitlines()[-1])
    assert (last["event"], last["class"], answer.returncode) == ("error", "StageFailed", 1)


def test_lineage_draws_the_tree_and_names_a_changed_byte(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    herd("run", "small.toml", cwd=tmp_path)
    answer = herd("lineage", "runs/small", cwd=tmp_path)
    assert answer.returncode == 0
    lines = answer.stdout.splitlines()
    assert re.match(r"tuned  [0-9a-f]{12}  trainer -> model, seed 0, ", lines[0])
    assert [re.split(r"  +[0-9a-f]{12}", line)[0] for line in lines[1:4]] == [
        "├─ documents: source",
        "└─ policy: base",
        "   └─ documents: source",
    ]
    assert lines[-1] == "3 artifacts, 5 files: every byte is as it was made."
    file = resolve_artifact(tmp_path / "runs" / "small" / "source") / "numbers.json"
    file.write_text(file.read_text().replace("[", "{", 1))
    answer = herd("lineage", "runs/small", cwd=tmp_path)
    assert answer.returncode == 1
    (changed,) = [line for line in answer.stdout.splitlines() if line.startswith("CHANGED")]
    assert "stages/source-" in changed
    assert "numbers.json: its bytes were changed" in changed
    data = json.loads(herd("lineage", "runs/small/judge", "--json", cwd=tmp_path).stdout)
    assert [a["name"] for a in data["artifacts"] if a["problems"]] == ["source"]
    assert herd("lineage", "runs/small", "--no-verify", cwd=tmp_path).returncode == 0
    shutil.rmtree(file.parent)
    answer = herd("lineage", "runs/small", cwd=tmp_path)
    assert answer.returncode == 1
    assert "LOST     source" in answer.stdout


def test_clean_lists_and_deletes_what_nothing_refers_to(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    herd("run", "small.toml", "--tuned.lr=1", cwd=tmp_path)
    herd("run", "small.toml", cwd=tmp_path)
    (tmp_path / "runs/small/work/gone").mkdir(parents=True)
    stages = tmp_path / "runs/small/stages"
    before = sorted(stages.iterdir())
    answer = herd("clean", "runs/small", cwd=tmp_path)
    assert answer.returncode == 0
    assert len(before) == 6
    assert answer.stdout.count("(made with other settings)") == 2
    assert "work of a stage that the recipe no longer has" in answer.stdout
    assert sorted(stages.iterdir()) == before
    answer = herd("clean", "runs/small", "--yes", cwd=tmp_path)
    assert "Deleted 3 folders" in answer.stdout
    assert len(list(stages.iterdir())) == 4
    assert not (tmp_path / "runs/small/work/gone").exists()
    assert herd("clean", "runs/small", cwd=tmp_path).stdout == "Nothing to clean.\n"
    assert "0 stages made" in herd("run", "small.toml", cwd=tmp_path).stdout


def test_a_shipped_recipe_is_known_by_name(tmp_path: Path, repo: Path) -> None:
    if not (repo / "recipes" / "quickstart.toml").is_file():
        pytest.fail("recipes/quickstart.toml is missing")
    answer = herd("run", "quickstart", "--dry-run", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("Recipe quickstart -> runs/quickstart")
