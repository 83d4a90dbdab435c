"""One stage alone: `herd sft RECIPE`, or without one `herd sft --input policy=RUN/pretrain --out DIR --lr=1e-3`."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from herdbook.cli.arguments import Parser, output_options, split_overrides
from herdbook.cli.run import execute
from herdbook.config import Text, describe, field_help
from herdbook.errors import UserError

KINDS = {"eval": "evaluate"}
SHORT = {
    "engine": "run.engine",
    "ray_address": "run.ray_address",
    "memory_limit": "run.memory_limit_gib",
    "license_policy": "licence.policy",
}
"""Options with a name of their own: what they set. `run.` belongs to the run, the others to the stage."""
FOLLOWED_BY: dict[str, dict[str, Any]] = {
    "curate": {"report": {"kind": "curation_report", "inputs": {"corpus": "curate"}}},
}
"""Stages that are run after a stage that is run without a recipe."""
_SETTING = re.compile(r"--([A-Za-z_][\w-]*)(?:=(.*))?", re.DOTALL)


def main(verb: str, argv: list[str]) -> int:
    kind = KINDS.get(verb, verb)
    rest, overrides = split_overrides(argv)
    parser = Parser(
        prog=f"herd {verb}",
        usage=f"herd {verb} RECIPE [options] [--KEY=VALUE ...]\n"
        f"       herd {verb} --input NAME=PATH ... --out DIR [options] [--KEY=VALUE ...]",
        description=f"Runs a stage of kind `{kind}` alone: as a recipe has it, or on artifacts that are there.",
        epilog=_settings_text(kind) if {"-h", "--help"} & set(rest) else None,
    )
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="recipe whose stages of this kind are run")
    parser.add_argument("--input", metavar="NAME=PATH", action="append", default=[], help="an input, without a recipe")
    parser.add_argument("--out", metavar="DIR", help=f"run folder (default: runs/RECIPE, or runs/{kind})")
    parser.add_argument("--force", action="store_true", help="make it again even where complete")
    parser.add_argument("--seed", type=int, help="seed (default: 0, or the recipe's)")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and the estimated time; do nothing")
    output_options(parser)
    known, settings = _split_settings(rest, parser)
    options = parser.parse_args(known)
    options.from_stage = None
    settings = _spelled_out(settings, overrides)
    if options.recipe is None:
        run_here = {kind, *FOLLOWED_BY.get(kind, {})}
        overrides = {_of_stage(key, run_here, kind): value for key, value in overrides.items()}
        overrides |= {f"{kind}.{key}": value for key, value in settings.items() if "." in key}
        settings = {key: value for key, value in settings.items() if "." not in key}
        table: dict[str, Any] = {"inputs": _inputs(options.input), **settings}
        stages = {kind: table, **FOLLOWED_BY.get(kind, {})}
        recipe = {"recipe": {"name": kind, "final": kind}, "stages": stages}
        return execute(recipe, overrides, options, [])
    if options.input:
        raise UserError("--input is for a stage without a recipe.", remedy=f"Override --{kind}.inputs.NAME instead.")

    from herdbook.recipe import read_recipe

    stages = read_recipe(options.recipe).stages
    names = [name for name, entry in stages.items() if entry.kind == kind]
    if not names:
        raise UserError(f"{options.recipe} has no stage of kind `{kind}`.", key=kind)
    if len(names) == 1:
        overrides = {_of_stage(key, set(stages), names[0]): value for key, value in overrides.items()}
    for name in names:
        overrides.update({f"{name}.{key}": value for key, value in settings.items()})
    return execute(options.recipe, overrides, options, names)


def _spelled_out(settings: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """The stage's settings with short names spelled out; those of the run go to the overrides."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        full = SHORT.get(key, key)
        if full.startswith("run."):
            overrides[full] = value
        else:
            found[full] = value
    return found


def _of_stage(key: str, stages: set[str], name: str) -> str:
    """An override as STAGE.KEY: `heuristics.sets` is a table of the one stage that is run."""
    return key if key.split(".")[0] in {*stages, "run", "recipe", "stages"} else f"{name}.{key}"


def _split_settings(argv: list[str], parser: Parser) -> tuple[list[str], dict[str, Any]]:
    """Takes `--key=value` and `--key value` of the stage's own settings out of the arguments."""
    own = {option for action in parser._actions for option in action.option_strings}
    with_value = {o for action in parser._actions if action.nargs != 0 for o in action.option_strings}
    rest: list[str] = []
    settings: dict[str, Any] = {}
    position = 0
    while position < len(argv):
        word = argv[position]
        position += 1
        found = _SETTING.fullmatch(word)
        if not found or word.split("=")[0] in own:
            rest.append(word)
            if word in with_value and position < len(argv):
                rest.append(argv[position])
                position += 1
            continue
        key, value = found.groups()
        if value is None:
            if position == len(argv) or argv[position].startswith("--"):
                raise UserError(f"{word} needs a value.", remedy=f"Write {word}=VALUE.", key=key)
            value = argv[position]
            position += 1
        settings[key.replace("-", "_")] = Text(value)
    return rest, settings


def _inputs(given: list[str]) -> dict[str, Any]:
    from pathlib import Path

    inputs: dict[str, Any] = {}
    for item in given:
        name, equals, path = item.partition("=")
        if not equals or not name or not path:
            raise UserError(f"--input {item}: expected NAME=PATH.", key="input", value=item)
        reference = path if "/" in path or path.startswith((".", "~")) else str(Path(".") / path)
        reference = reference if "/" in reference else f"./{reference}"
        before = inputs.get(name)
        inputs[name] = reference if before is None else [*([before] if isinstance(before, str) else before), reference]
    return inputs


def _settings_text(kind: str) -> str:
    """Inputs and settings of a kind of stage, with type, default and help."""
    from herdbook.recipe import load_stage

    stage = load_stage(kind)
    lines = [f"makes: {stage.KIND_OUT}", "inputs:"]
    for name, spec in stage.INPUTS.items():
        notes = "".join([", several" if spec.many else "", ", optional" if spec.optional else ""])
        lines.append(f"  {name} ({' or '.join(spec.kinds)}{notes})")
    if not stage.INPUTS:
        lines.append("  none")
    import typing

    hints, texts = typing.get_type_hints(stage.Config), field_help(stage.Config)
    lines.append("settings:")
    for field in dataclasses.fields(stage.Config):
        default = field.default
        if default is dataclasses.MISSING:
            made = field.default_factory
            default = "required" if made is dataclasses.MISSING else made()
        lines.append(f"  --{field.name}={default!r}  {describe(hints[field.name])}")
        if field.name in texts:
            lines.append(f"        {texts[field.name]}")
    return "\n".join(lines)
