"""The questions that `make quickstart` ends with."""

import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools" / "example_questions.py"


def row(model, kind, question, verdict):
    return {"model": model, "type": kind, "question": question, "verdict": verdict}


def test_one_question_of_each_kind_that_the_final_model_answered_rightly(tmp_path):
    folder = tmp_path / "stages" / "evaluate-1"
    folder.mkdir(parents=True)
    examples = [
        row("sft", "describe", "another model's", "correct"),
        row("dpo", "describe", "wrong", "wrong"),
        row("dpo", "describe", "What does `math.sqrt` do?", "correct"),
        row("dpo", "describe", "a second one", "correct"),
        row("dpo", "unknown", "an unknown name", "correct"),
        row("dpo", "module", "Which module has `sqrt`?", "correct"),
    ]
    (folder / "evaluation.json").write_text(json.dumps({"final": "dpo", "examples": examples}))
    out = subprocess.run([sys.executable, TOOL, tmp_path], capture_output=True, text=True, check=True).stdout
    assert [line.split(": ", 1)[1].strip() for line in out.splitlines()] == [
        "What does `math.sqrt` do?",
        "Which module has `sqrt`?",
    ]


def test_a_run_without_an_evaluation_gives_none(tmp_path):
    done = subprocess.run([sys.executable, TOOL, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == ""
