"""A wheel carries what it needs and runs away from the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    program = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(folder)], cwd=REPO, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked in a folder that nothing of the repository is near."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_there(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_the_wheel_has_sources_recipes_and_pages(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {str(p.relative_to(REPO / "src")) for p in (REPO / "src/herdbook").rglob("*.py")}
    assert sources <= names
    assert "herdbook/py.typed" in names
    recipes = {f"herdbook/recipes/{p.name}" for p in (REPO / "recipes").glob("*.toml")}
    pages = {str(p.relative_to(REPO / "src")) for p in (REPO / "src/herdbook").rglob("*.html")}
    assert recipes and recipes <= names
    assert pages and pages <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_it_is_the_wheel_that_runs(installed: Path) -> None:
    answer = run_there(installed, "-c", "import herdbook; print(herdbook.__file__)")
    assert answer.stdout.strip() == str(installed / "herdbook/__init__.py"), answer.stderr


def test_the_command_finds_the_quickstart_recipe(installed: Path, tmp_path: Path) -> None:
    command = ["-m", "herdbook.cli.main", "run", "quickstart", "--dry-run", "--out", str(tmp_path / "run")]
    answer = run_there(installed, *command)
    assert answer.returncode == 0, answer.stderr
    assert "pretrain" in answer.stdout
