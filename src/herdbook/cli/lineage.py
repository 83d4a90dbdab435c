"""`herd lineage PATH`."""

from __future__ import annotations

import json

from herdbook.cli.arguments import Parser
from herdbook.progress import duration


def main(verb: str, argv: list[str]) -> int:
    parser = Parser(
        prog="herd lineage",
        description="Prints the pedigree of an artifact as a tree and compares every byte of it with the cards.\n"
        "Exit status 1 when a file was changed, is missing, or does not belong there.",
    )
    parser.add_argument("path", nargs="?", default="runs", help="a run folder, RUN/STAGE, or an artifact folder")
    parser.add_argument("--contains", metavar="ID", help="name every artifact below PATH that holds this document")
    parser.add_argument("--json", action="store_true", help="one JSON value instead of the tree")
    parser.add_argument("--no-verify", action="store_true", help="print the tree without reading the files")
    options = parser.parse_args(argv)
    if options.contains is not None:
        return contains(options.path, options.contains, options.json)

    from herdbook import lineage

    root = lineage.pedigree(options.path)
    nodes = list(root.walk())
    problems: dict[str, list[lineage.Problem]] = {}
    if not options.no_verify:
        problems = {node.identity: lineage.verify(node.artifact) for node in nodes if node.artifact}
        for identity, rebuilt in lineage.rebuilt_parents(root).items():
            problems[identity] = problems[identity] + rebuilt
    found = [problem for group in problems.values() for problem in group]
    lost = [node for node in nodes if node.artifact is None]
    if options.json:
        print(json.dumps(_as_json(root, nodes, problems, not options.no_verify), indent=2))
    else:
        print("\n".join(tree(root, problems)))
        print()
        for problem in found:
            print(f"CHANGED  {problem}")
        for node in lost:
            print(f"LOST     {node.name} ({node.identity[:12]}): the artifact is not beside its descendants")
        if options.no_verify:
            print(f"{len(nodes)} artifacts, not verified.")
        elif not found and not lost:
            files = sum(len(node.artifact.card.content) for node in nodes if node.artifact)
            print(f"{len(nodes)} artifacts, {files} files: every byte is as it was made.")
    return 1 if found or lost else 0


def contains(path: str, document: str, as_json: bool) -> int:
    """`herd lineage --contains ID`; exit status 1 where no artifact knows the document."""
    from herdbook.recipe.contains import contains as find

    found = find(path, document)
    if as_json:
        rows = [{"name": h.artifact.name, "path": str(h.artifact.path), "how": h.how, "where": h.where} for h in found]
        print(json.dumps(rows, indent=2))
    else:
        for holder in found:
            print(f"{holder.how:<10} {holder.artifact.name:<14} {holder.where:<40} {holder.artifact.path}")
        if not found:
            print(f"No artifact below {path} knows a document {document!r}.")
    return 0 if found else 1


def tree(root, problems):  # type: ignore[no-untyped-def]
    """Lines of the tree; an artifact that was shown before is only named."""
    lines: list[str] = []
    shown: set[str] = set()

    def visit(node, edge, first, rest):  # type: ignore[no-untyped-def]
        name = f"{edge}: {node.name}" if edge else node.name
        text = f"{name}  {node.identity[:12]}"
        if node.artifact is None:
            lines.append(f"{first}{text}  LOST")
            return
        card = node.artifact.card
        if node.identity in shown:
            lines.append(f"{first}{text}  (above)")
            return
        shown.add(node.identity)
        mark = "  CHANGED" if problems.get(node.identity) else ""
        made = f"{card.stage} -> {card.kind}" if card.stage != card.kind else card.kind
        lines.append(
            f"{first}{text}  {made}, seed {card.seed}, {duration(card.wall_seconds)}, {card.created[:10]}{mark}"
        )
        for number, (key, parent) in enumerate(node.parents):
            last = number == len(node.parents) - 1
            visit(parent, key, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    visit(root, "", "", "")
    return lines


def _as_json(root, nodes, problems, verified):  # type: ignore[no-untyped-def]
    return {
        "root": root.identity,
        "verified": verified,
        "artifacts": [
            {
                "identity": node.identity,
                "name": node.name,
                "path": str(node.artifact.path) if node.artifact else None,
                "kind": node.artifact.kind if node.artifact else None,
                "content_hash": node.artifact.card.content_hash if node.artifact else None,
                "parents": [{"input": key, "identity": parent.identity} for key, parent in node.parents],
                "problems": [{"file": str(p.path), "what": p.what} for p in problems.get(node.identity, [])],
            }
            for node in nodes
        ],
    }
