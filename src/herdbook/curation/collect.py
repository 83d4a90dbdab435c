"""Stage `collect`: documents and facts from the Python of this machine, and from the user's folders.

Reads, never runs: modules in Python are parsed, packages are found by their metadata. What is written depends on the
interpreter, the installed packages, the user's files, the config and the seed; never on the time or the place.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from herdbook.curation import sources
from herdbook.curation.documents import Document, write_documents
from herdbook.curation.facts import collect_facts
from herdbook.curation.stdlib_names import read_standard_library
from herdbook.errors import ConfigError, InputError
from herdbook.storage import atomic_write_json, atomic_write_text, disk_errors, write_jsonl
from herdbook.workspace import InputSpec, Workspace

KIND_OUT = "documents"
VERSION = 1
INPUTS: dict[str, InputSpec] = {}


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is collected, and how much."""

    path: tuple[str, ...] = ()
    """Folders (or files) of your own text to add. All that is text is taken, up to max_megabytes."""
    max_megabytes: float = 30.0
    """Size of the collection (million characters); beyond it the modules of packages are drawn by lot."""
    packages: bool = True
    """Whether descriptions, docstrings and sources of the installed packages are taken."""
    prose_share: float = 0.6
    """Share of docstrings (the rest is source code) in what is drawn from packages."""
    max_package_share: float = 0.25
    """No package fills more than this share of what is drawn from packages."""

    def __post_init__(self) -> None:
        if isinstance(self.path, str):
            object.__setattr__(self, "path", (self.path,))
        if self.max_megabytes <= 0:
            raise ConfigError("max_megabytes must be positive.", key="max_megabytes", value=self.max_megabytes)
        for name in ("prose_share", "max_package_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie between 0 and 1.", key=name, value=getattr(self, name))


def folders_of(config: Config) -> list[Path]:
    """The user's folders. Raises InputError for one that does not exist."""
    folders = [Path(name).expanduser() for name in config.path]
    for folder in folders:
        if not folder.exists():
            raise InputError(
                f"collect.path: there is no folder {folder}.", key="collect.path", value=str(folder),
                remedy="Give a folder that exists, or leave --collect.path out.",
            )  # fmt: skip
    return [folder.resolve() for folder in folders]


def fingerprint(config: Config) -> str:
    """What the result depends on beside the config: interpreter, packages with versions, the user's files."""
    external: dict[str, Any] = {"python": [platform.python_implementation(), platform.python_version()]}
    if config.packages:
        external["packages"] = [[d.metadata["Name"], d.metadata["Version"]] for d in sources.distributions()]
    ignored = sources.Skipped()
    files = []
    for folder in folders_of(config):
        for name, path in sources.user_files(folder, ignored):
            try:
                status = path.stat()
                files.append([name, status.st_size, status.st_mtime_ns])
            except OSError:
                files.append([name, -1, -1])
    external["user"] = files
    return json.dumps(external, sort_keys=True)


def estimate(config: Config) -> float:
    """Seconds on two cores."""
    return 5.0 + 0.4 * config.max_megabytes


def run(config: Config, inputs: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Writes documents.parquet, facts.jsonl, all_names.txt and skipped.json; returns counts.

    Raises InputError for a folder that does not exist, DiskFullError where the disk is full.
    """
    folders = folders_of(config)
    skipped = sources.Skipped()
    budget = int(config.max_megabytes * 1e6)
    documents: list[Document] = []
    spent = 0
    with workspace.progress(config.max_megabytes, "MB", "collect") as bar:

        def take(found: Any) -> None:
            nonlocal spent
            for document in found:
                documents.append(document)
                spent += len(document.text)
                bar.update(len(document.text) / 1e6, documents=len(documents))

        take(sources.user_documents(folders, skipped, budget))
        library = read_standard_library()
        for path, reason in library.unreadable:
            skipped.add(reason.reason, "stdlib-source", path, reason.detail)
        take(sources.topics())
        take(sources.stdlib_docstrings(library))
        take(sources.stdlib_sources(library))
        if config.packages:
            found = list(sources.packages(skipped))
            take(sources.package_descriptions(found))
            rest = max(0, budget - spent)
            prose = int(rest * config.prose_share)
            take(
                sources.package_files(
                    found, skipped, workspace.seed, prose, rest - prose, max_share=config.max_package_share
                )
            )
        facts = collect_facts(library)
    out = workspace.out
    with disk_errors():
        write_documents(out / "documents.parquet", documents)
    write_jsonl(out / "facts.jsonl", facts)
    atomic_write_text(out / "all_names.txt", "".join(f"{name}\n" for name in sorted(library.real)))
    atomic_write_json(out / "skipped.json", skipped.to_json())
    by_source: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for document in documents:
        by_source[document.source] += 1
        sizes[document.source] += len(document.text)
    report = skipped.to_json()
    if folders and report["total"]:
        mine = {reason: by["user"] for reason, by in report["reasons"].items() if by.get("user")}
        if mine:
            workspace.say("collect: skipped in your folders: " + ", ".join(f"{n} {r}" for r, n in mine.items()))
    return {
        "n_documents": len(documents),
        "megabytes": round(spent / 1e6, 3),
        "documents_by_source": dict(sorted(by_source.items())),
        "megabytes_by_source": {name: round(size / 1e6, 3) for name, size in sorted(sizes.items())},
        "n_facts": len(facts),
        "facts_by_object": dict(sorted(Counter(fact["object"] for fact in facts).items())),
        "n_names": len(library.real),
        "skipped": report["reasons"],
    }
