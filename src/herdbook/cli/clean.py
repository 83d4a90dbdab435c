"""`herd clean RUN`."""

from __future__ import annotations

from herdbook.cli.arguments import Parser
from herdbook.progress import count


def main(verb: str, argv: list[str]) -> int:
    parser = Parser(
        prog="herd clean",
        description="Lists what the recipe of a run folder no longer refers to: artifacts of earlier settings,\n"
        "abandoned work. Nothing is deleted without --yes.",
    )
    parser.add_argument("run", help="a run folder, for instance runs/quickstart")
    parser.add_argument("--yes", action="store_true", help="delete what is listed")
    options = parser.parse_args(argv)

    from herdbook.recipe.clean import clean

    found = clean(options.run, delete=options.yes)
    for item in found:
        print(f"{count(item.size):>8}B  {item.path}  ({item.why})")
    total = count(sum(item.size for item in found))
    if not found:
        print("Nothing to clean.")
    elif options.yes:
        print(f"Deleted {len(found)} folders, {total}B.")
    else:
        print(f"{len(found)} folders, {total}B. To delete them: herd clean {options.run} --yes")
    return 0
