"""Where the documents come from: this machine's Python (its topics, docstrings and sources), its packages, the user's
folders.

Every generator yields documents in a fixed order. What cannot be read is noted in `Skipped` with its reason.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any

from herdbook.curation.documents import Document
from herdbook.curation.python_names import ModuleIndex, index_module
from herdbook.curation.readable import Unreadable, read_text
from herdbook.curation.stdlib_names import StandardLibrary, definitions, is_public

PSF = "PSF-2.0"
CODE_SUFFIXES = frozenset(
    ".py .pyi .pyx .c .h .cc .cpp .hpp .cu .rs .go .java .js .mjs .ts .tsx .jsx .rb .php .swift .kt .scala .sh .bash "
    ".pl .lua .r .jl .sql .cs .hs .ml .clj .ex .erl .f90 .css .scss .toml .yaml .yml .json .xml .ini .cfg".split()
)
_FEW_CHARACTERS = 400
_SKIPPED_PARTS = frozenset("test tests testing _vendor vendor third_party __pycache__ node_modules".split())


@dataclass
class Skipped:
    """Files that gave no document: how many by reason and source, and a few examples of each."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    examples: list[dict[str, str]] = field(default_factory=list)
    examples_per_reason: int = 5

    def add(self, reason: str, source: str, path: str, detail: str = "") -> None:
        if self.counts[reason][source] < self.examples_per_reason:
            self.examples.append({"reason": reason, "source": source, "path": path, "detail": detail})
        self.counts[reason][source] += 1

    def to_json(self) -> dict[str, Any]:
        """{"reasons": {reason: {source: count}}, "total": n, "examples": [...]}."""
        reasons = {reason: dict(sorted(by.items())) for reason, by in sorted(self.counts.items())}
        return {
            "reasons": reasons,
            "total": sum(sum(by.values()) for by in reasons.values()),
            "examples": self.examples,
        }


def lot(name: str, seed: int) -> bytes:
    """A number drawn by the name and the seed alone: sorting by it is a random order that is the same everywhere."""
    return blake2b(f"{seed}\0{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest()


def topics() -> Iterator[Document]:
    """The chapters of the language reference that every Python carries for `help()`."""
    try:
        from pydoc_data.topics import topics as texts
    except ImportError:  # some distributions package them apart
        return
    for name in sorted(texts):
        text = texts[name].strip() + "\n"
        yield Document(f"topics/{name}", text, "pydoc-topics", f"pydoc_data/topics.py#{name}", PSF, "prose")


def _entry(dotted: str, kind: str, signature: str | None, doc: str) -> str:
    return f"{kind} {dotted}{signature or ''}\n\n{doc.strip()}\n"


def stdlib_docstrings(library: StandardLibrary) -> Iterator[Document]:
    """The documentation of the standard library: one document a module (its functions and classes of few words
    included) and one for each other class with its methods.
    """
    parts: dict[str, list[str]] = defaultdict(list)
    paths: dict[str, str] = {}
    found = {dotted: (definition, path) for dotted, definition, path in definitions(library)}
    for dotted, (definition, path) in sorted(found.items()):
        if not definition.doc:
            continue
        depth = definition.qualname.count(".")
        if definition.object == "module":
            home = dotted
        elif definition.object == "function":
            home = dotted.rpartition(".")[0] or "builtins"
        else:
            home = ".".join(dotted.split(".")[: len(dotted.split(".")) - depth]) if depth else dotted
        parts[home].append(_entry(dotted, definition.object, definition.signature, definition.doc))
        paths.setdefault(home, path)
    for home in sorted(parts):
        if home in found and found[home][0].object == "class" and sum(map(len, parts[home])) < _FEW_CHARACTERS:
            module = home.rpartition(".")[0] or "builtins"
            paths.setdefault(module, paths[home])
            parts[module].extend(parts.pop(home))
    for home in sorted(parts):
        yield Document(
            f"docs/{home}", "\n\n".join(parts[home]), "stdlib-docstrings", f"{paths[home]}#{home}", PSF, "prose"
        )


def stdlib_sources(library: StandardLibrary) -> Iterator[Document]:
    """Every module of the standard library as source code."""
    for path, text in library.sources.items():
        yield Document(f"stdlib/{path}", text, "stdlib-source", path, PSF, "code")


def docstring_document(index: ModuleIndex, min_characters: int = 200) -> str | None:
    """The docstrings of one module's public names as one text, or None where they are too little to be a document."""
    parts = [_entry(index.name, "module", None, index.doc)] if index.doc else []
    for qualname, definition in sorted(index.definitions.items(), key=lambda item: item[1].line):
        if definition.doc and is_public(qualname) and len(definition.doc) > 20:
            signature = None if definition.object == "property" else definition.signature
            parts.append(_entry(f"{index.name}.{qualname}", definition.object, signature, definition.doc))
    text = "\n\n".join(parts)
    return text if len(text) >= min_characters else None


_CLASSIFIERS = {
    "OSI Approved :: MIT License": "MIT", "OSI Approved :: Apache Software License": "Apache-2.0",
    "OSI Approved :: BSD License": "BSD", "OSI Approved :: ISC License (ISCL)": "ISC",
    "OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
    "Public Domain": "Public Domain",
}  # fmt: skip


def package_license(metadata: Any) -> str:
    """The licence that a package's metadata declares: expression, short free text, or classifier; else "unknown"."""
    for key in ("License-Expression", "License"):
        value = (metadata.get(key) or "").strip()
        if value and "\n" not in value and len(value) <= 200 and value.upper() != "UNKNOWN":
            return str(value)
    for line in metadata.get_all("Classifier") or []:
        if line.startswith("License :: "):
            name = line.removeprefix("License :: ")
            return _CLASSIFIERS.get(name, name.removeprefix("OSI Approved :: "))
    return "unknown"


@dataclass(frozen=True)
class Package:
    """An installed package: its name and version, licence, project page, description, and its Python files (path,
    size).
    """

    name: str
    version: str
    license: str
    url: str | None
    description: str
    files: tuple[tuple[str, Path, int], ...]


def _home_page(metadata: Any) -> str | None:
    links = [line.partition(",")[2].strip() for line in metadata.get_all("Project-URL") or []]
    return next((u for u in [metadata.get("Home-page"), *links] if u and u.startswith("http")), None)


def distributions(leave_out: Iterable[str] = ("herdbook",)) -> list[Any]:
    """The installed distributions, one a name, in order of their names."""
    found: dict[str, Any] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name and name not in leave_out:
            found.setdefault(name, distribution)
    return [found[name] for name in sorted(found)]


def packages(skipped: Skipped) -> Iterator[Package]:
    """The installed packages, found by their metadata; none is imported. Paths that leave the library folder are
    ignored.
    """
    for distribution in distributions():
        metadata = distribution.metadata
        files: list[tuple[str, Path, int]] = []
        for file in distribution.files or []:
            parts = PurePosixPath(file).parts
            if (
                file.suffix != ".py"
                or ".." in parts
                or file.is_absolute()
                or _SKIPPED_PARTS & {p.lower() for p in parts}
            ):
                continue
            path = Path(str(distribution.locate_file(file)))
            try:
                files.append((file.as_posix(), path, path.stat().st_size))
            except OSError as error:
                skipped.add("unreadable", "packages", file.as_posix(), error.strerror or "")
        description = metadata.get("Description") or _payload(metadata)
        yield Package(
            metadata["Name"],
            metadata["Version"] or "",
            package_license(metadata),
            _home_page(metadata),
            description,
            tuple(files),
        )


def _payload(metadata: Any) -> str:
    payload = metadata.get_payload() if hasattr(metadata, "get_payload") else ""
    return payload if isinstance(payload, str) else ""


def package_descriptions(found: Iterable[Package]) -> Iterator[Document]:
    """The long description (README) of every package."""
    for package in found:
        text = package.description.replace("\r\n", "\n").strip()
        if len(text) >= 100:
            path = f"{package.name}/METADATA"
            yield Document(
                f"packages/{package.name}/description",
                text + "\n",
                "packages",
                path,
                package.license,
                "prose",
                url=package.url,
            )


def _is_documented_path(name: str) -> bool:
    """A module that users are meant to see: no part begins with an underscore, __init__ apart."""
    return is_public(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))


def package_files(
    found: Iterable[Package], skipped: Skipped, seed: int, max_prose: int, max_code: int, max_share: float = 0.25
) -> Iterator[Document]:
    """Docstrings and sources of packages' modules, drawn by lot until both budgets (bytes) are spent.

    No package may fill more than `max_share` of a budget. A module's docstrings and its source are drawn apart, so that
    the text of the one is usually not in the other.
    """
    everything = [(package, *file) for package in found for file in package.files]
    for kind, budget in (("prose", max_prose), ("code", max_code)):
        spent = 0
        by_package: Counter[str] = Counter()
        for package, name, path, size in sorted(everything, key=lambda e: lot(f"{kind}/{e[0].name}/{e[1]}", seed)):
            if spent >= budget:
                break
            if by_package[package.name] >= max_share * budget or not 200 <= size <= 400_000:
                continue
            if kind == "prose" and not _is_documented_path(name):
                continue
            text = read_text(path)
            if isinstance(text, Unreadable):
                skipped.add(text.reason, "packages", name, text.detail)
                continue
            meta = json.dumps({"package": package.name, "version": package.version})
            if kind == "prose":
                module = ".".join(PurePosixPath(name).with_suffix("").parts).removesuffix(".__init__")
                index = index_module(
                    text, module, name, is_package=name.endswith("__init__.py"), instance_attributes=False
                )
                if index is None:
                    skipped.add("not_python", "packages", name, "does not parse")
                    continue
                documentation = docstring_document(index)
                if documentation is None:
                    continue
                text = documentation
            spent += len(text)
            by_package[package.name] += len(text)
            yield Document(
                f"packages/{package.name}/{name}" + ("#docs" if kind == "prose" else ""), text, "packages", name,
                package.license, kind, url=package.url, meta=meta,
            )  # fmt: skip


def user_files(folder: Path, skipped: Skipped) -> Iterator[tuple[str, Path]]:
    """(name, file) of every file below a user's folder (or the file itself), sorted.

    Hidden ones are passed over in silence, links that lead out of the folder are counted as skipped.
    """
    if folder.is_file():
        yield folder.name, folder
        return

    def unreadable(error: OSError) -> None:
        skipped.add("unreadable", "user", str(error.filename), error.strerror or "")

    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            path = Path(root) / name
            if name.startswith("."):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(folder):
                shown = f"{folder.name}/{path.relative_to(folder).as_posix()}"
                skipped.add("link", "user", shown, "leads out of the folder")
                continue
            yield path.relative_to(folder).as_posix(), path


def user_documents(folders: Iterable[Path], skipped: Skipped, max_bytes: int) -> Iterator[Document]:
    """The text files of the user's folders, licence "unknown"; beyond `max_bytes` files are counted as over_budget."""
    spent = 0
    for number, folder in enumerate(folders):
        for name, path in user_files(folder, skipped):
            shown = f"{folder.name}/{name}"
            if spent >= max_bytes:
                skipped.add("over_budget", "user", shown)
                continue
            text = read_text(path)
            if isinstance(text, Unreadable):
                skipped.add(text.reason, "user", shown, text.detail)
                continue
            spent += len(text)
            kind = "code" if path.suffix.lower() in CODE_SUFFIXES else "prose"
            yield Document(f"user/{number}/{name}", text, "user", shown, "unknown", kind)
