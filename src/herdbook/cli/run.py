"""`herd run RECIPE`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from herdbook.cli.arguments import Parser, output_mode, output_options, split_overrides
from herdbook.errors import HerdbookError, to_json
from herdbook.progress import duration

EPILOG = """\
Any setting of a stage is an option:  --sft.lr=1e-3  --collect.path DIR  --run.device=cuda  --run.memory_limit_gib=6
herd SFT-OR-OTHER-STAGE --help lists the settings of a stage.
"""


def parser() -> Parser:
    """The options of `herd run`."""
    result = Parser(
        prog="herd run",
        epilog=EPILOG,
        description="Runs a recipe. What is complete is skipped, what was interrupted is resumed, the rest is made.",
    )
    result.add_argument("recipe", help="a TOML file, or the name of a recipe that comes with herdbook (quickstart)")
    result.add_argument("--out", metavar="DIR", help="run folder (default: runs/RECIPE)")
    result.add_argument("--only", metavar="STAGE,...", action="append", default=[], help="only these stages")
    result.add_argument("--from", metavar="STAGE", dest="from_stage", help="only this stage and what descends from it")
    result.add_argument("--force", action="store_true", help="make the selected stages again, complete or not")
    result.add_argument("--seed", type=int, help="seed of every stage that has none of its own")
    result.add_argument("--dry-run", action="store_true", help="show the plan and the estimated time; do nothing")
    output_options(result)
    return result


def main(verb: str, argv: list[str]) -> int:
    rest, overrides = split_overrides(argv)
    options = parser().parse_args(rest)
    only = [name for group in options.only for name in group.split(",") if name]
    return execute(options.recipe, overrides, options, only)


def execute(recipe: Any, overrides: dict[str, Any], options: argparse.Namespace, only: list[str]) -> int:
    """Plans or runs a recipe and prints the end."""
    from herdbook import recipe as room
    from herdbook.recipe.show import plan_json, plan_lines

    mode = output_mode(options)
    selection = {
        "out": options.out, "overrides": overrides, "only": only, "from_stage": options.from_stage,
        "force": options.force, "seed": options.seed,
    }  # fmt: skip
    if options.dry_run:
        plan = room.plan(recipe, **selection)
        print(json.dumps(plan_json(plan)) if mode == "json" else "\n".join(plan_lines(plan)))
        return 0
    try:
        result = room.run(recipe, **selection, mode=mode)
    except HerdbookError as error:
        if mode == "json":
            print(json.dumps({"event": "error", **to_json(error)}))
        raise
    if mode != "json":
        made = f"{len(result.ran)} stages made, {len(result.skipped)} complete before"
        print(f"Done in {duration(result.seconds)}: {made}.")
        if result.final is not None and result.final.kind == "model":
            print(f"Talk to it:  herd chat {result.folder}")
        if result.report is not None:
            print(f"Report:      {result.report}")
    sys.stdout.flush()
    return 0
