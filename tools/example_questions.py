"""Three questions that a recipe's final model was asked in the evaluation and answered rightly, one of each kind.

    python tools/example_questions.py runs/quickstart

Which facts are taught is drawn on each machine, so no page can name a question that every model answers. A run
without an evaluation gives none.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

KINDS = ("describe", "name", "module")


def example_questions(run: Path) -> list[str]:
    """At most one question of each kind, from the newest evaluation of the run folder."""
    found = sorted(run.glob("stages/evaluate-*/evaluation.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        return []
    evaluation = json.loads(found[-1].read_text(encoding="utf-8"))
    right = [
        row for row in evaluation["examples"] if row["model"] == evaluation["final"] and row["verdict"] == "correct"
    ]
    firsts = (next((row["question"] for row in right if row["type"] == kind), None) for kind in KINDS)
    return [question for question in firsts if question]


if __name__ == "__main__":
    for question in example_questions(Path(sys.argv[1])):
        print(f"Ask, say:      {question}")
