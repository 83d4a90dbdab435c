"""What the verbs share: a parser with short errors, and overrides of the form `--stage.key=value`."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from herdbook.config import Text, nearest
from herdbook.errors import UserError

_OVERRIDE = re.compile(r"--([A-Za-z_][\w-]*(?:\.[\w-]+)+)(?:=(.*))?", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are UserErrors: one line, the nearest option named, exit status 2."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        remedy = f"See {self.prog} --help."
        if message.startswith("unrecognized arguments: "):
            word = message.split(": ", 1)[1].split()[0].split("=")[0]
            options = [option for action in self._actions for option in action.option_strings]
            hint = nearest(word, options) if word.startswith("-") else None
            remedy = f"Did you mean `{hint}`?" if hint else remedy
        raise UserError(f"{self.prog.removeprefix('herd ')}: {message}.", remedy=remedy)


def split_overrides(argv: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Takes `--stage.key=value` and `--stage.key value` out of the arguments: (the rest, {"stage.key": value})."""
    rest: list[str] = []
    overrides: dict[str, Any] = {}
    position = 0
    while position < len(argv):
        word = argv[position]
        found = _OVERRIDE.fullmatch(word)
        position += 1
        if not found:
            rest.append(word)
            continue
        key, value = found.groups()
        if value is None:
            if position == len(argv) or argv[position].startswith("--"):
                raise UserError(f"{word} needs a value.", remedy=f"Write {word}=VALUE.", key=key)
            value = argv[position]
            position += 1
        stage, _, setting = key.partition(".")
        overrides[f"{stage}.{setting.replace('-', '_')}"] = Text(value)
    return rest, overrides


def output_options(parser: argparse.ArgumentParser) -> None:
    """`--quiet` and `--json`."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--quiet", action="store_true", help="show nothing but the end and errors")
    group.add_argument("--json", action="store_true", help="JSON lines on standard output, for machines")


def output_mode(options: argparse.Namespace) -> str:
    """The mode that the options mean: "auto", "quiet" or "json"."""
    return "json" if options.json else "quiet" if options.quiet else "auto"
