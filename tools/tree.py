"""Writes the tree of rooms into README.md, between its two markers: a line a room, from its package's docstring.

    python tools/tree.py            writes README.md and README.ko.md
    python tools/tree.py --check    exit 1 when a README is out of date
"""

import ast
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- tree: make tree -->", "<!-- /tree -->"
WIDTH = 100


def first_line(path: Path) -> str:
    """The first sentence of a module's docstring, without its full stop; empty where there is none."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    sentence = text.split("\n\n")[0].replace("\n", " ").split(". ")[0].rstrip(".")
    sentence = re.sub(r"^Room `\w+`: ", "", sentence)
    return sentence if len(sentence) <= WIDTH else textwrap.shorten(sentence, WIDTH, placeholder=" …")


def rooms(package: Path) -> list[tuple[str, str]]:
    """(name, what it is) of every folder and top-level file of the package, folders first."""
    folders = [(f"{p.parent.name}/", first_line(p)) for p in sorted(package.glob("*/__init__.py"))]
    files = [(p.name, first_line(p)) for p in sorted(package.glob("*.py")) if not p.name.startswith("_")]
    return folders + files


def tree(root: Path) -> str:
    lines = [f"  {name:16} {what}".rstrip() for name, what in rooms(root / "src" / "herdbook")]
    return "\n".join([BEGIN, "```", "src/herdbook/", *lines, "```", END])


def with_tree(text: str, drawn: str) -> str:
    """The text with everything between the markers replaced; the text itself where there are no markers."""
    if BEGIN not in text:
        return text
    before, rest = text.split(BEGIN, 1)
    return before + drawn + rest.split(END, 1)[1]


def main() -> int:
    stale = []
    for path in (ROOT / "README.md", ROOT / "README.ko.md"):
        old = path.read_text()
        new = with_tree(old, tree(ROOT))
        if new != old:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new)
    if stale and "--check" in sys.argv:
        print(f"out of date: {', '.join(stale)}; `make tree` writes them again")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
