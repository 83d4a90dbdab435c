"""Creates a virtual environment and installs herdbook into it, with the versions of constraints.txt.

Does nothing, and takes no time, when the environment was made from the same pyproject.toml, constraints.txt and
requirements.
Standard library only, Python 3.11 or newer: tools/bootstrap.sh finds one and starts this file.

Exit codes: 0 done; 1 pip failed; 2 the machine lacks something that one command installs.
"""

import argparse
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 4.0


def fingerprint(requirements: Path | None) -> str:
    """What the environment is made from; any change makes a new installation necessary."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (ROOT / "pyproject.toml", ROOT / "constraints.txt", ROOT / "tools" / "hatch_build.py", requirements):
        if path is not None:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def has_nvidia_gpu() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether `url` answers within `seconds`; in a thread, because no time-out covers the resolving of a name."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
            with urllib.request.urlopen(url, timeout=seconds, context=context) as answer:
                answers.append(answer.status == 200)
        except (OSError, ValueError):
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers and answers[0])


def torch_index() -> list[str]:
    """Options of pip that take PyTorch's CPU build where there is no NVIDIA GPU: PyPI's brings gigabytes of CUDA."""
    if has_nvidia_gpu() or sys.platform != "linux":
        return []
    if reachable(f"{TORCH_CPU_INDEX}/torch/"):
        return ["--extra-index-url", TORCH_CPU_INDEX]
    print(f"herdbook: {TORCH_CPU_INDEX} does not answer: taking the build of PyTorch that pip finds", flush=True)
    return []


def pip(python: Path, *arguments: str, constraints: bool = True) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    command += ["-c", "constraints.txt"] if constraints else []
    if subprocess.run([*command, *arguments], cwd=ROOT).returncode == 0:
        return
    if shutil.which("cc") is None or shutil.which("c++") is None:
        headers = f"python{sys.version_info.major}.{sys.version_info.minor}-dev"
        root = "" if os.geteuid() == 0 else "sudo "
        if shutil.which("apt-get"):
            missing = "a package had to be compiled and there is no compiler"
            fail(2, f"{missing}: {root}apt-get install build-essential {headers}")
    fail(1, "pip could not install (its own message is above); the same command goes on where it stopped")


def fail(code: int, message: str) -> None:
    print(f"herdbook: {message}", file=sys.stderr)
    sys.exit(code)


def usable(python: Path) -> bool:
    """Whether there is an environment to go on with: its Python starts, has pip and the version of this one."""
    if not python.exists():
        return False
    check = f"import sys, pip; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    return subprocess.run([python, "-c", check], capture_output=True).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", type=Path, default=Path(".venv"), help="where, relative to the repository")
    parser.add_argument("--requirements", type=Path, help="further requirements, with their own exact versions")
    parser.add_argument("--alone", action="store_true", help="the requirements without herdbook and its versions")
    options = parser.parse_args()
    venv = ROOT / options.venv
    python = venv / "bin" / "python"
    requirements = ROOT / options.requirements if options.requirements else None
    stamp = venv / ".herdbook-stamp"
    made_from = fingerprint(requirements)
    if stamp.exists() and stamp.read_text() == made_from and python.exists():
        return

    began = time.monotonic()
    if not usable(python):
        print(f"herdbook: making {options.venv} with Python {sys.version.split()[0]}", flush=True)
        if subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)]).returncode:
            fail(1, f"could not make {options.venv}")
    if options.alone:
        print(f"herdbook: installing into {options.venv}", flush=True)
        pip(python, "-r", str(requirements), constraints=False)
        stamp.write_text(made_from)
        return
    print(f"herdbook: installing into {options.venv} (a minute or a few, mostly PyTorch)", flush=True)
    pip(python, "hatchling", "editables")
    extra = ["-r", str(requirements)] if requirements else []
    pip(python, *torch_index(), "--no-build-isolation", "-e", ".[dev,web,semantic,cluster]", *extra)
    if not requirements:
        print("herdbook: compiling kernels (a minute or two)", flush=True)
        subprocess.run([python, str(ROOT / "tools" / "precompile.py")])  # what fails here is compiled when it is used
    stamp.write_text(made_from)
    print(f"herdbook: installed in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
