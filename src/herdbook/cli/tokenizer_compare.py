"""`herd tokenizer compare A B … --text DIR [--parallel DIR]`: tables, and a page with charts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from herdbook.cli.arguments import Parser
from herdbook.errors import UserError


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="herd tokenizer compare",
        description="How many tokens the same text takes, by tokenizer, kind of text and language.",
    )
    parser.add_argument("paths", nargs="+", metavar="[NAME=]PATH", help="tokenizers; others are relative to the first")
    parser.add_argument(
        "--text", metavar="DIR", type=Path, action="append", default=[],
        help="texts: each subfolder a kind, each file beside them too; can be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--parallel", metavar="PATH", type=Path,
        help="the same text in many languages: folder or archive of NAME.LANGUAGE.txt[.gz], a sentence a line",
    )  # fmt: skip
    parser.add_argument("--reference", default="eng", metavar="LANGUAGE", help="premiums are relative to it (eng)")
    parser.add_argument("--megabytes", type=float, default=2.0, help="read so much of each kind at most (2)")
    parser.add_argument("--out", metavar="PAGE.html", type=Path, help="write tables and charts as a page")
    parser.add_argument("--json", action="store_true", help="the rows as JSON instead of tables")
    options = parser.parse_args(argv)
    if not options.text and options.parallel is None:
        raise UserError("compare needs text to compare on.", key="text", remedy="Give --text DIR or --parallel PATH.")

    from herdbook.cli.tokenizer import load
    from herdbook.tokenizer.comparison import compare, format_table, read_folder
    from herdbook.tokenizer.parallel_text import premiums, read_parallel

    tokenizers = {}
    for given in options.paths:
        name, equals, path = given.partition("=")
        name, path = (name, path) if equals and not Path(given).exists() else (_short(given), given)
        tokenizers[name if name not in tokenizers else given] = load(path)
    texts: dict[str, list[str]] = {}
    for folder in options.text:
        for kind, sample in read_folder(folder, int(options.megabytes * 1e6)).items():
            texts[kind if kind not in texts else f"{folder.name}/{kind}"] = sample
    rows: list[dict[str, Any]] = compare(tokenizers, texts) if texts else []
    parallel: list[dict[str, Any]] = []
    if options.parallel is not None:
        sentences = read_parallel(options.parallel, options.reference)
        parallel = premiums(tokenizers, sentences, options.reference)
    if options.json:
        import json

        print(json.dumps({"texts": rows, "parallel": parallel}, ensure_ascii=False))
    else:
        print("\n\n".join(format_table(part) for part in (rows, parallel) if part))
    if options.out is not None:
        from herdbook.storage import atomic_write_text
        from herdbook.tokenizer.comparison_page import comparison_page

        atomic_write_text(options.out, comparison_page(rows, parallel))
    return 0


def _short(path: str) -> str:
    """What a tokenizer is called where nothing else was said: its folder, or its file without ending."""
    given = Path(path)
    plain = given.name in ("tokenizer.model", "tokenizer.json")
    return given.resolve().parent.name if plain else given.stem if given.suffix else given.name
