"""`make` on a machine that lacks something: one line with the exact command. On one that lacks nothing: no time."""

import importlib.util
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout with nothing but the two halves of the bootstrap."""
    root = tmp_path / "clone"
    shutil.copytree(REPO / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(REPO / name, root / name)
    return root


def command(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def bootstrap(clone: Path, machine: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the bootstrap with the commands of `machine` alone, and the few of every Unix that it needs."""
    for name in ("sh", "dirname", "basename"):
        found = shutil.which(name)
        assert found is not None
        (machine / name).symlink_to(found)
    command(machine, "id", "echo 0")
    return subprocess.run(
        [clone / "tools/bootstrap.sh"],
        env={"PATH": str(machine), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


OLD = 'case "$*" in *version_info*) exit 1;; esac'
HAS_311 = '[ "$2" = python3.11-venv ]'
WITHOUT_VENV = 'case "$*" in *ensurepip*) exit 1;; esac'


@pytest.mark.parametrize(
    "commands, said",
    [
        ({"python3": WITHOUT_VENV, "apt-get": ""}, "python3 has no venv module: apt-get install python3-venv"),
        ({"python3.12": WITHOUT_VENV, "python3": OLD, "apt-get": ""}, "apt-get install python3.12-venv"),
        ({"python3": OLD, "apt-get": "", "apt-cache": HAS_311}, "apt-get install python3.11 python3.11-venv"),
        ({"apt-get": "", "apt-cache": "exit 1"}, "apt-get install python3 python3-venv"),
        ({"python3": OLD}, "install Python 3.11 or newer"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_one_line(clone: Path, tmp_path: Path, commands: dict[str, str], said: str) -> None:
    machine = tmp_path / "machine"
    for name, body in commands.items():
        command(machine, name, body)
    answer = bootstrap(clone, machine)
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert said in answer.stderr


def test_the_newest_python_that_has_venv_is_taken(clone: Path, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    command(machine, "python3.13", WITHOUT_VENV)
    command(machine, "python3.12", 'case "$1" in *bootstrap.py) echo taken: 3.12 "$2";; esac')
    command(machine, "python3", 'case "$1" in *bootstrap.py) echo taken: 3;; esac')
    answer = bootstrap(clone, machine)
    assert answer.returncode == 0
    assert answer.stdout.strip() == "taken: 3.12"


def test_a_python_that_was_named_and_is_too_old_is_refused(clone: Path, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    command(machine, "python3.9", OLD)
    answer = bootstrap(clone, machine, PYTHON="python3.9")
    assert answer.returncode == 2
    assert "PYTHON=python3.9 is not Python 3.11 or newer" in answer.stderr


@pytest.fixture
def bootstrap_py(clone: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap_of_clone", clone / "tools/bootstrap.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_fingerprint_changes_with_what_the_environment_is_made_from(clone: Path, bootstrap_py: ModuleType) -> None:
    extra = clone / "extra.txt"
    extra.write_text("a==1\n")
    before = bootstrap_py.fingerprint(None), bootstrap_py.fingerprint(extra)
    assert before == (bootstrap_py.fingerprint(None), bootstrap_py.fingerprint(extra))
    assert len(set(before)) == 2
    extra.write_text("a==2\n")
    assert bootstrap_py.fingerprint(extra) != before[1]
    with open(clone / "constraints.txt", "a") as file:
        file.write("b==1\n")
    assert bootstrap_py.fingerprint(None) != before[0]


def test_the_cpu_build_of_torch_is_asked_for_where_there_is_no_gpu(
    bootstrap_py: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap_py.sys, "platform", "linux")
    monkeypatch.setattr(bootstrap_py, "reachable", lambda url: True)
    monkeypatch.setattr(bootstrap_py, "has_nvidia_gpu", lambda: False)
    assert bootstrap_py.torch_index() == ["--extra-index-url", "https://download.pytorch.org/whl/cpu"]
    monkeypatch.setattr(bootstrap_py, "reachable", lambda url: False)
    assert bootstrap_py.torch_index() == []
    monkeypatch.setattr(bootstrap_py, "has_nvidia_gpu", lambda: True)
    monkeypatch.setattr(bootstrap_py, "reachable", lambda url: True)
    assert bootstrap_py.torch_index() == []


def test_an_index_that_does_not_answer_costs_no_time(bootstrap_py: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert bootstrap_py.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.3) is False
        assert time.monotonic() - began < 5


def test_an_environment_that_is_up_to_date_is_left_alone(
    clone: Path, bootstrap_py: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(clone / ".venv", "bin", "")
    (clone / ".venv/bin").unlink()
    (clone / ".venv/bin").mkdir()
    command(clone / ".venv/bin", "python", "exit 9")
    (clone / ".venv/.herdbook-stamp").write_text(bootstrap_py.fingerprint(None))
    monkeypatch.setattr(bootstrap_py.sys, "argv", ["bootstrap.py"])
    ran: list[object] = []
    monkeypatch.setattr(bootstrap_py.subprocess, "run", lambda *a, **k: ran.append(a))
    bootstrap_py.main()
    assert ran == []


@pytest.mark.parametrize(
    "has_compiler, code, said", [(False, 2, "apt-get install build-essential"), (True, 1, "pip could not install")]
)
def test_a_failed_installation_names_a_missing_compiler(
    bootstrap_py: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    has_compiler: bool,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr(bootstrap_py.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1))
    here = {"apt-get": "/usr/bin/apt-get", **({"cc": "/usr/bin/cc", "c++": "/usr/bin/c++"} if has_compiler else {})}
    monkeypatch.setattr(bootstrap_py.shutil, "which", here.get)
    with pytest.raises(SystemExit) as stopped:
        bootstrap_py.pip(Path("python"), "anything")
    assert stopped.value.code == code
    assert said in capsys.readouterr().err
