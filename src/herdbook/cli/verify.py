"""`herd verify PATH`."""

from __future__ import annotations

import json

from herdbook.cli.arguments import Parser

DESCRIPTION = """\
Checks weights and says whose they are: settings, shapes, number of parameters, tokenizer, RoPE scaling, checksum files,
numbers that are not finite, and logits on fixed prompts beside transformers' where that is installed.
Prints a short report that names no folder of yours. Exit status 1 where something is wrong."""


def main(verb: str, argv: list[str]) -> int:
    parser = Parser(prog="herd verify", description=DESCRIPTION)
    parser.add_argument("path", help="a folder or file of weights (any format), a run folder, RUN/STAGE, or `smollm2`")
    parser.add_argument("--no-logits", action="store_true", help="do not run the model")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    options = parser.parse_args(argv)

    from herdbook.progress import make_sink
    from herdbook.weights.verify import verify

    sink = make_sink("quiet" if options.quiet or options.json else "auto")
    report = verify(options.path, logits=not options.no_logits, sink=sink)
    print(json.dumps(report.to_json(), indent=1, ensure_ascii=False) if options.json else report)
    return 0 if report.ok else 1
