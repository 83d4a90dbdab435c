"""`herd tokenizer train ...` (the stage) and `herd tokenizer encode PATH [TEXT]`."""

from __future__ import annotations

import json
import sys

from herdbook.cli.arguments import Parser
from herdbook.config import nearest
from herdbook.errors import UserError

ACTIONS = ("train", "encode")
USAGE = """\
usage: herd tokenizer train ...          train one; the options of a stage, see herd tokenizer train --help
       herd tokenizer encode PATH [TEXT]  token ids of a text (or of each line of standard input)"""


def main(verb: str, argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if argv[0] == "train":
        from herdbook.cli import stage

        return stage.main("tokenizer", argv[1:])
    if argv[0] == "encode":
        return encode(argv[1:])
    hint = nearest(argv[0], ACTIONS) or " or ".join(ACTIONS)
    raise UserError(f"herd tokenizer has no action `{argv[0]}`.", remedy=f"Did you mean `{hint}`?")


def encode(argv: list[str]) -> int:
    """Prints ids as a JSON list a text; with --pieces the bytes of each token as text."""
    parser = Parser(prog="herd tokenizer encode", description="Token ids of a text, or of each line of standard input.")
    parser.add_argument("path", help="a run folder, RUN/STAGE, or a folder with tokenizer.model")
    parser.add_argument("text", nargs="?", help="default: the lines of standard input")
    parser.add_argument("--pieces", action="store_true", help="the text of each token instead of its id")
    options = parser.parse_args(argv)

    from pathlib import Path

    from herdbook.lineage import resolve_artifact
    from herdbook.tokenizer import Tokenizer

    path = Path(options.path)
    given = path.is_file() or (path / "tokenizer.model").is_file()
    tokenizer = Tokenizer.load(path if given else resolve_artifact(path))
    for text in [options.text] if options.text is not None else (line.rstrip("\n") for line in sys.stdin):
        ids = tokenizer.encode(text)
        print(json.dumps([tokenizer.decode([i]) for i in ids] if options.pieces else ids, ensure_ascii=False))
    return 0
