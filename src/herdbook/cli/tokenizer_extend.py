"""`herd tokenizer extend PATH --text DIR --tokens N --out DIR`."""

from __future__ import annotations

from pathlib import Path

from herdbook.cli.arguments import Parser, output_mode, output_options
from herdbook.errors import UserError


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="herd tokenizer extend",
        description="Adds tokens to a vocabulary of Llama 3's kind, learnt from text; old ids stay as they are.\n"
        "A model of the old vocabulary needs rows for the new tokens, and training, before it can use them.",
    )
    parser.add_argument("path", help="the tokenizer to extend")
    parser.add_argument("--text", metavar="DIR", type=Path, required=True, help="folder: text, JSON lines, .gz of them")
    parser.add_argument("--tokens", metavar="N", type=int, required=True, help="how many tokens to add")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write")
    parser.add_argument("--min-count", type=int, default=2, help="join two tokens seen side by side so often (2)")
    parser.add_argument(
        "--max-memory-megabytes", metavar="MB", type=float, default=4000.0, help="memory for learning (4000)"
    )
    output_options(parser)
    options = parser.parse_args(argv)
    if options.out.exists() and any(options.out.iterdir() if options.out.is_dir() else [options.out]):
        raise UserError(f"{options.out} is there already.", key="out", remedy="Name a folder that is not.")

    from herdbook.cli.tokenizer import load
    from herdbook.tokenizer.comparison import stream_folder
    from herdbook.tokenizer.training import extend_bpe

    old = load(options.path)
    size = [0]

    def on_text(text: str) -> None:
        size[0] += len(text.encode("utf-8", "replace"))

    new = extend_bpe(
        old,
        stream_folder(options.text),
        options.tokens,
        min_count=options.min_count,
        max_memory_bytes=int(options.max_memory_megabytes * 1e6),
        on_text=on_text,
    )
    if size[0] == 0:
        raise UserError(f"{options.text} holds no text.", key="text", remedy="UTF-8 text or JSON lines with `text`.")
    new.save(options.out)
    added = new.n_base - old.n_base
    if output_mode(options) == "json":
        import json

        print(json.dumps({"out": str(options.out), "added": added, "vocab_size": new.vocab_size, "bytes": size[0]}))
    elif output_mode(options) != "quiet":
        short = f" (the text has no more pairs that stand {options.min_count} times)" if added < options.tokens else ""
        rows = f"{old.vocab_size:,} + {added:,} = {new.vocab_size:,} rows"
        print(f"{options.out}: {rows}{short}, from {size[0]:,} bytes.")
    return 0
