"""What people see of a run."""

from __future__ import annotations

import io

from herdbook.progress import Progress
from herdbook.recipe.show import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_one_line_a_stage_and_one_that_moves() -> None:
    screen = Terminal()
    show = Console(screen)
    head = {"event": "stage", "name": "sft", "kind": "sft", "index": 2, "of": 14}
    show({**head, "state": "started", "resumed": True, "estimate_seconds": 90.0})
    show({"event": "resume", "text": "at step 5"})
    Progress(10, "steps", "sft", show).close()
    Progress(10, "answers", "rollout", show).close()
    show({"event": "say", "text": "a line"})
    show({**head, "state": "done", "seconds": 61.0, "peak_memory_gib": 1.5})
    lines = [line.split("\r")[-1] for line in screen.getvalue().split("\n")]
    assert lines == [
        "[ 2/14] sft          resumes, about 1 min 30 s",
        "        resumes at step 5",
        "        a line",
        "[ 2/14] sft          done in 1 min 01 s, peak 1.50 GiB",
        "",
    ]
    moving = [part.rstrip() for part in screen.getvalue().split("\r") if "/10" in part and "\n" not in part]
    assert moving == ["[ 2/14] sft            0%  0/10 steps", "[ 2/14] sft          rollout    0%  0/10 answers"]
