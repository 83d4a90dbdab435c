"""`herd curate`: the stage; `herd curate inspect ID`, a document's whole story; `herd curate fit`, thresholds."""

from __future__ import annotations

import json

from herdbook.cli import stage
from herdbook.cli.arguments import Parser


def main(verb: str, argv: list[str]) -> int:
    if argv[:1] == ["inspect"]:
        return inspect(argv[1:])
    if argv[:1] == ["fit"]:
        from herdbook.cli import curate_fit

        return curate_fit.main(argv[1:])
    return stage.main(verb, argv)


def inspect(argv: list[str]) -> int:
    """`herd curate inspect ID [PATH]`."""
    parser = Parser(
        prog="herd curate inspect",
        description="What every step saw of a document, why it went or where in the corpus it stands.",
    )
    parser.add_argument("id", help="id of the document")
    parser.add_argument("path", nargs="?", default="runs/curate", help="run folder or corpus (default: runs/curate)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(argv)
    from herdbook.curation.inspect import lines, story

    found = story(options.path, options.id)
    print(json.dumps(found, ensure_ascii=False, default=str) if options.json else "\n".join(lines(found)))
    return 0
