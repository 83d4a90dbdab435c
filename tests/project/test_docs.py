"""What the documentation says is there is there: links, commands, a page for every room, the tree of rooms."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PAGES = sorted(page for folder in (".", "docs", "recipes", "benchmarks") for page in (REPO / folder).glob("*.md"))
ROOMS = sorted(p.parent.name for p in (REPO / "src/herdbook").glob("*/__init__.py"))
MADE_BY_A_RUN = {"docs/pictures/report.png"}
"""Linked from the README, drawn from a report after a run: its absence breaks no page."""


def links(text: str) -> list[str]:
    """Targets of Markdown links and pictures outside of code blocks."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+\s+(.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in links(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page if not name else (page.parent / name).resolve()
        if target.is_relative_to(REPO) and str(target.relative_to(REPO)) in MADE_BY_A_RUN:
            continue
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPO)))
def test_every_link_resolves(page: Path) -> None:
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[ok](#here) [gone](nowhere.md) [no anchor](page.md#there) `[code](x.md)` [far](http://x.org)")
    assert broken_links(page) == ["nowhere.md", "page.md#there"]


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readme_shows_the_commands_that_the_makefile_has(name: str) -> None:
    text = (REPO / name).read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", (REPO / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z0-9-]+)", text))
    assert {"quickstart", "test"} <= named
    assert named <= targets
    assert "herd chat runs/quickstart" in text
    assert "herdbook.run(" in text
    assert "herdbook.load(" in text


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_page_that_the_index_names(room: str) -> None:
    assert (REPO / "docs" / f"{room}.md").is_file()
    assert f"({room}.md)" in (REPO / "docs/index.md").read_text()


def test_the_tree_in_the_readme_is_that_of_the_sources() -> None:
    answer = subprocess.run([sys.executable, REPO / "tools/tree.py", "--check"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout


def test_every_claim_has_a_standing() -> None:
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", (REPO / "docs/claims.md").read_text(), flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 16))
    for number, row in rows:
        cells = [cell.strip() for cell in row.split(" | ")]
        assert len(cells) == 5, f"claim {number}: {cells}"
        assert cells[2] in {"measured", "proved equal", "simulated", "not yet"}, f"claim {number}: {cells[2]}"


def test_every_dependency_is_explained() -> None:
    import tomllib

    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    page = (REPO / "docs/dependencies.md").read_text()
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[<>=!~ \[]", line)[0] for line in wanted]
    assert [name for name in names if f"| {name} |" not in page] == []
