"""`herd tokenizer train | extend | encode | compare`: the stage, and what can be done with a tokenizer alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from herdbook.cli.arguments import Parser
from herdbook.config import nearest
from herdbook.errors import UserError

if TYPE_CHECKING:
    from herdbook.tokenizer import Tokenizer

ACTIONS = ("train", "extend", "encode", "compare")
USAGE = """\
usage: herd tokenizer train ...            train one; the options of a stage, see herd tokenizer train --help
       herd tokenizer extend PATH ...      add tokens to one, learnt from a folder of text; old ids stay
       herd tokenizer encode PATH [TEXT]   token ids of a text (or of each line of standard input)
       herd tokenizer compare PATH ...     characters per token, tokens per word, bytes per token, side by side

PATH is a run folder, RUN/STAGE, a folder of a model, or a file: tokenizer.model (Llama 3's or 2's), tokenizer.json,
*.gguf, *.bin"""


def main(verb: str, argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if argv[0] == "train":
        from herdbook.cli import stage

        return stage.main("tokenizer", argv[1:])
    if argv[0] == "extend":
        from herdbook.cli import tokenizer_extend

        return tokenizer_extend.main(argv[1:])
    if argv[0] == "encode":
        return encode(argv[1:])
    if argv[0] == "compare":
        from herdbook.cli import tokenizer_compare

        return tokenizer_compare.main(argv[1:])
    hint = nearest(argv[0], ACTIONS) or " or ".join(ACTIONS)
    raise UserError(f"herd tokenizer has no action `{argv[0]}`.", remedy=f"Did you mean `{hint}`?")


def load(name: str) -> Tokenizer:
    """The tokenizer that PATH names."""
    from herdbook.tokenizer import Tokenizer

    path = Path(name)
    if path.suffix == ".gguf":
        return load_gguf(path)
    given = path.is_file() or any((path / file).is_file() for file in ("tokenizer.model", "tokenizer.json"))
    if given:
        return Tokenizer.load(path)
    from herdbook.lineage import resolve_artifact

    return Tokenizer.load(resolve_artifact(path))


def load_gguf(path: Path) -> Tokenizer:
    """The vocabulary inside a GGUF file."""
    if not path.is_file():
        raise UserError(f"There is no file {path}.", key="tokenizer", value=str(path))
    import gguf

    from herdbook.tokenizer.gguf_fields import tokenizer_of_gguf

    try:
        fields = gguf.GGUFReader(path).fields
    except (ValueError, IndexError, OSError) as error:
        raise UserError(f"{path} is no whole GGUF file ({error}).", key="tokenizer", value=str(path)) from None
    values = {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.")}
    return tokenizer_of_gguf(values, str(path))


def encode(argv: list[str]) -> int:
    """Prints ids as a JSON list a text; with --pieces the bytes of each token as text."""
    parser = Parser(prog="herd tokenizer encode", description="Token ids of a text, or of each line of standard input.")
    parser.add_argument("path", help="a run folder, RUN/STAGE, a folder of a model, or a file of a tokenizer")
    parser.add_argument("text", nargs="?", help="default: the lines of standard input")
    parser.add_argument("--pieces", action="store_true", help="the text of each token instead of its id")
    parser.add_argument("--special", action="store_true", help="names of special tokens in the text mean those tokens")
    options = parser.parse_args(argv)
    tokenizer = load(options.path)
    for text in [options.text] if options.text is not None else (line.rstrip("\n") for line in sys.stdin):
        ids = tokenizer.encode(text, allowed_special="all" if options.special else ())
        shown = [tokenizer.token_bytes(i).decode("utf-8", "replace") for i in ids] if options.pieces else ids
        print(json.dumps(shown, ensure_ascii=False))
    return 0
