"""Collection: names and facts of the standard library, files that are no text, and the same bytes every time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from herdbook.curation import collect
from herdbook.curation.documents import read_documents
from herdbook.curation.facts import collect_facts
from herdbook.curation.python_names import index_module
from herdbook.curation.readable import Unreadable, decode
from herdbook.curation.sources import Skipped, distributions, package_license, stdlib_docstrings, user_documents
from herdbook.curation.stdlib_names import StandardLibrary, read_standard_library
from herdbook.errors import ConfigError, InputError
from herdbook.storage import read_json
from herdbook.workspace import Workspace


@pytest.fixture(scope="module")
def library() -> StandardLibrary:
    return read_standard_library()


@pytest.fixture(scope="module")
def facts(library: StandardLibrary) -> dict[str, dict]:
    return {fact["name"]: fact for fact in collect_facts(library)}


def test_enough_facts_each_unique(facts: dict[str, dict], library: StandardLibrary) -> None:
    assert len(facts) >= 1500
    assert list(facts) == sorted(facts)
    summaries = [fact["summary"] for fact in facts.values()]
    assert len(set(summaries)) == len(summaries)
    for fact in facts.values():
        assert 3 <= len(fact["summary"].split()) <= 20
        assert fact["summary"].isascii()
        assert "\n" not in fact["summary"]
        assert not any(part.startswith("_") for part in fact["name"].split("."))
        assert fact["object"] in ("function", "class", "method", "module")
        assert fact["name"] == fact["module"] if fact["object"] == "module" else fact["name"].endswith(fact["short"])
    assert [name for name in facts if name not in library.real] == []


@pytest.mark.parametrize(
    "name, module, kind, summary",
    [
        (
            "shutil.copytree",
            "shutil",
            "function",
            "Recursively copy a directory tree and return the destination directory.",
        ),
        ("str.casefold", "builtins", "method", "Return a version of the string suitable for caseless comparisons."),
        ("len", "builtins", "function", "Return the number of items in a container."),
        ("pathlib.Path.mkdir", "pathlib", "method", "Create a new directory at this given path."),
        ("unittest.TestCase", "unittest", "class", "A class whose instances are single test cases."),
        ("math.sqrt", "math", "function", "Return the square root of x."),
    ],
)
def test_known_facts(facts: dict[str, dict], name: str, module: str, kind: str, summary: str) -> None:
    fact = facts[name]
    assert (fact["module"], fact["object"], fact["summary"]) == (module, kind, summary)


def test_real_names_include_what_is_inherited_or_only_passed_on(library: StandardLibrary) -> None:
    for name in (
        "pathlib.Path.joinpath", "collections.OrderedDict.get", "os.path.join", "shutil.os", "json.JSONDecodeError",
        "asyncio.run", "socket.AF_INET", "os.getcwd", "unittest.case.TestCase.assertEqual", "print", "re.Pattern.match",
    ):  # fmt: skip
        assert name in library.real, name
    for name in ("shutil.urlopen", "str.lowercase", "os.path.joins", "pathlib.Path.makedirs"):
        assert name not in library.real, name


def test_signatures(facts: dict[str, dict]) -> None:
    assert facts["shutil.copytree"]["signature"].startswith("(src, dst, symlinks=False")
    index = index_module(
        'class A:\n    def f(self, a, /, b=1, *c, d, **e):\n        "Doc."\n', "m", "m.py", is_package=False
    )
    assert index is not None
    assert index.definitions["A.f"].signature == "(a, /, b=1, *c, d, **e)"


def test_reading_executes_nothing(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    index = index_module(f"import os\nopen({str(trap)!r}, 'w')\ndef f(): 'Do it.'\n", "m", "m.py", is_package=False)
    assert index is not None
    assert "f" in index.definitions
    assert not trap.exists()


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty"), (b" \n", "empty"), (b"\x89PNG\r\n\x1a\n\0\0", "binary"), (b"text \xff\xfe\xfa", "not_utf8"),
        (bytes(range(1, 32)) * 20, "binary"),
    ],
)  # fmt: skip
def test_what_is_no_text(data: bytes, reason: str) -> None:
    found = decode(data)
    assert isinstance(found, Unreadable)
    assert found.reason == reason


def test_encodings() -> None:
    assert decode("né\r\n".encode("utf-8-sig")) == "né\n"
    assert decode("né".encode("utf-16")) == "né"
    assert (
        decode("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), python=True)
        == "# -*- coding: latin-1 -*-\nx = 'é'\n"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: two texts, a program, and four things that are no text."""
    mine = tmp_path / "mine"
    (mine / "sub").mkdir(parents=True)
    (mine / "b.txt").write_text("The herd walks to the river and drinks there for a while.\n")
    (mine / "sub" / "a.md").write_text("# Notes\n\nThe calves are counted in the evening by the shepherd.\n")
    (mine / "p.py").write_text("def f():\n    return 1\n")
    (mine / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0")
    (mine / "latin.txt").write_bytes("für alle Kühe und Kälber".encode("latin-1"))
    (mine / "empty.txt").write_text("")
    os.mkfifo(mine / "pipe")
    (tmp_path / "secret.txt").write_text("This file is not in the folder.\n")
    (mine / "way_out.txt").symlink_to(tmp_path / "secret.txt")
    return mine


def test_user_folder(folder: Path) -> None:
    skipped = Skipped()
    documents = list(user_documents([folder], skipped, 10**6))
    assert [(d.path, d.kind, d.license) for d in documents] == [
        ("mine/b.txt", "prose", "unknown"), ("mine/p.py", "code", "unknown"), ("mine/sub/a.md", "prose", "unknown"),
    ]  # fmt: skip
    report = skipped.to_json()
    assert report["reasons"] == {
        "binary": {"user": 1}, "empty": {"user": 1}, "link": {"user": 1}, "not_utf8": {"user": 1},
        "unreadable": {"user": 1},
    }  # fmt: skip
    assert report["total"] == 5
    assert {example["path"] for example in report["examples"]} == {
        "mine/photo.jpg", "mine/empty.txt", "mine/latin.txt", "mine/pipe", "mine/way_out.txt",
    }  # fmt: skip
    few = Skipped()
    assert len(list(user_documents([folder], few, 10))) == 1
    assert few.counts["over_budget"]["user"] == 6


def test_stage_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    config = collect.Config(path=(str(folder),), max_megabytes=12.5)
    outs = [tmp_path / "one", tmp_path / "two"]
    figures = collect.run(config, {}, Workspace.local(outs[0], seed=3))
    # In another process, with another seed of Python's own hashes: the order of sets must not show.
    code = (
        "from herdbook.curation import collect; from herdbook.workspace import Workspace; "
        f"print(collect.run(collect.Config(path=({str(folder)!r},), max_megabytes=12.5), {{}}, "
        f"Workspace.local({str(outs[1])!r}, seed=3)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert again.stdout.strip() == str(figures)
    names = ["all_names.txt", "documents.parquet", "facts.jsonl", "skipped.json"]
    assert sorted(p.name for p in outs[0].iterdir()) == names
    for name in names:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes(), name
    documents = read_documents(outs[0] / "documents.parquet")
    assert len({d.id for d in documents}) == len(documents)
    assert {d.source for d in documents} == {"stdlib-docstrings", "stdlib-source", "pydoc-topics", "packages", "user"}
    assert all(d.license for d in documents)
    assert read_json(outs[0] / "skipped.json")["reasons"]["binary"] == {"user": 1}


def test_missing_folder_and_bad_settings(tmp_path: Path) -> None:
    config = collect.Config(path=(str(tmp_path / "nowhere"),))
    for call in (
        lambda: collect.run(config, {}, Workspace.local(tmp_path / "out")),
        lambda: collect.fingerprint(config),
    ):
        with pytest.raises(InputError, match="nowhere") as caught:
            call()
        assert caught.value.exit_code == 2
    with pytest.raises(ConfigError, match="max_megabytes"):
        collect.Config(max_megabytes=0)


def test_fingerprint_follows_the_users_files(folder: Path) -> None:
    config = collect.Config(path=(str(folder),))
    before = collect.fingerprint(config)
    assert before == collect.fingerprint(config)
    assert "python" in json.loads(before)
    (folder / "b.txt").write_text("Other words.\n")
    assert collect.fingerprint(config) != before


def test_documentation_of_the_library_is_whole(library: StandardLibrary) -> None:
    """Every documented public name stands in exactly one document, short classes with their module."""
    documents = {d.id: d.text for d in stdlib_docstrings(library)}
    assert "class ArithmeticError" in documents["docs/builtins"]
    assert "docs/ArithmeticError" not in documents
    assert "method pathlib.Path.mkdir(mode=" in documents["docs/pathlib.Path"]
    assert documents["docs/shutil"].startswith("module shutil\n\n")
    for entry in ("function shutil.copytree(", "class shutil.ReadError", "function len("):
        assert sum(entry in text for text in documents.values()) == 1, entry


def test_package_licences_are_read_from_metadata() -> None:
    licenses = {d.metadata["Name"].lower(): package_license(d.metadata) for d in distributions()}
    assert licenses["numpy"] != "unknown"
    assert all(licenses.values())
    assert "herdbook" not in licenses
