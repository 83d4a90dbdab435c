"""Artifacts and their cards: what was made, from what, by which configuration, and whether it is still the same.

An artifact is a folder with payload files and `card.json`.

- **Identity**: hash of (kind of stage, configuration that affects the result, seed, identities of the parents, version
  of the stage, fingerprint of external inputs). It is known before the work is done.
- **Content hash**: hash of the payload files (relative paths and bytes). It is known afterwards.
- **Seal**: hash of the card itself, so that a changed card shows as well.

Machine, time, duration, device, threads and package version stand on the card and enter neither identity nor content
hash.
"""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from herdbook import storage
from herdbook.errors import ArtifactError, InputError

CARD = "card.json"
RUN_FILE = "recipe.json"
FORMAT = 1

Parents = dict[str, "str | list[str]"]


@dataclass(kw_only=True)
class Card:
    """What is known about an artifact. All fields are JSON values."""

    kind: str
    """Kind of the artifact (`model`, `token_shards`, ...): what later stages check their inputs against."""
    name: str
    """Name of the stage in its recipe."""
    identity: str
    """64 hexadecimal digits; see the module's text."""
    stage: str = ""
    """Kind of the stage that made it (`sft`, `tokenize`, ...)."""
    parents: Parents = field(default_factory=dict)
    """Input name -> identity of the parent (a list of identities where the input takes several)."""
    parent_contents: dict[str, str] = field(default_factory=dict)
    """Identity of a parent -> its content hash when it was read."""
    parent_names: dict[str, str] = field(default_factory=dict)
    """Identity of a parent -> its name."""
    config: dict[str, Any] = field(default_factory=dict)
    """The stage's full configuration, defaults included."""
    without_effect: list[str] = field(default_factory=list)
    """Fields of `config` that do not enter the identity."""
    seed: int = 0
    version: int = 0
    """Version of the stage's code, raised by its author when results change."""
    fingerprint: str | None = None
    """Hash of external inputs (files read that no stage made)."""
    content: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Relative path -> {"sha256", "size" in bytes} of each payload file."""
    content_hash: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    """What the stage returned."""
    created: str = ""
    """UTC time of publication, ISO 8601."""
    wall_seconds: float = 0.0
    """Wall time of the stage, interrupted attempts included."""
    peak_memory_gib: float = 0.0
    resumes: int = 0
    """How many times the stage was taken up again after an interruption."""
    device: str = "cpu"
    threads: int = 1
    world_size: int = 1
    machine: dict[str, Any] = field(default_factory=dict)
    package_version: str = ""
    git_commit: str | None = None
    format: int = FORMAT
    seal: str = ""

    def to_json(self) -> dict[str, Any]:
        """The card as a JSON value."""
        return dataclasses.asdict(self)

    def compute_seal(self) -> str:
        """Hash of everything on the card but the seal."""
        data = self.to_json()
        del data["seal"]
        return storage.sha256_bytes(storage.canonical_json(data))


@dataclass(frozen=True)
class Artifact:
    """A published folder and its card."""

    path: Path
    card: Card

    @property
    def kind(self) -> str:
        return self.card.kind

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def metrics(self) -> dict[str, Any]:
        return self.card.metrics

    @property
    def identity(self) -> str:
        return self.card.identity

    def file(self, name: str) -> Path:
        """Path of a payload file; ArtifactError where the artifact has none of that name."""
        path = self.path / name
        if not path.exists():
            raise ArtifactError(f"{self.path} ({self.kind}) has no file {name}.", key=name)
        return path


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an artifact: the file concerned and what about it."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True)
class Pedigree:
    """A tree of ancestors: an artifact (None where it was not found) and its parents by input name."""

    identity: str
    name: str
    artifact: Artifact | None
    parents: tuple[tuple[str, Pedigree], ...] = ()

    def walk(self) -> Iterator[Pedigree]:
        """This node and all ancestors, each identity once, children before parents."""
        seen: set[str] = set()
        stack = [self]
        while stack:
            node = stack.pop(0)
            if node.identity not in seen:
                seen.add(node.identity)
                yield node
                stack += [parent for _, parent in node.parents]


def compute_identity(
    stage: str, config: Mapping[str, Any], seed: int, parents: Parents, version: int, fingerprint: str | None
) -> str:
    """The identity of what a stage will make; `config` without the fields that do not affect the result."""
    value = {
        "stage": stage, "config": dict(config), "seed": seed, "parents": parents, "version": version,
        "fingerprint": fingerprint,
    }  # fmt: skip
    return storage.sha256_bytes(storage.canonical_json(value))


def card_identity(card: Card) -> str:
    """The identity that follows from what stands on the card."""
    config = {key: value for key, value in card.config.items() if key not in card.without_effect}
    return compute_identity(card.stage, config, card.seed, card.parents, card.version, card.fingerprint)


def parent_identities(parents: Parents) -> list[str]:
    """All parents' identities, in order of input name."""
    found: list[str] = []
    for name in sorted(parents):
        value = parents[name]
        found += [value] if isinstance(value, str) else value
    return found


def load_card(path: Path | str) -> Card:
    """Reads a card. Unknown fields of later versions are refused rather than misread."""
    data = storage.read_json(path)
    known = {f.name for f in dataclasses.fields(Card)}
    if not isinstance(data, dict) or not {"kind", "name", "identity"} <= set(data):
        raise ArtifactError(f"{path} is not the card of an artifact.", key=str(path))
    if data.get("format") != FORMAT or set(data) - known:
        raise ArtifactError(f"{path} was written by another version of herdbook.", key=str(path))
    return Card(**data)


def load_artifact(path: Path | str) -> Artifact:
    """The artifact in a folder. Only the card is read; see `quick_check` and `verify`."""
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"There is no folder {path}.", key=str(path))
    if not (path / CARD).is_file():
        raise InputError(
            f"{path} is not an artifact: it has no {CARD}.",
            key=str(path),
            remedy="Name a folder below runs/.../stages, or run the recipe first.",
        )
    return Artifact(path, load_card(path / CARD))


def seal_artifact(folder: Path, card: Card) -> Card:
    """Hashes the payload files of a finished folder, writes its card and returns it."""
    content = storage.manifest(folder, leave_out=(CARD,))
    card = dataclasses.replace(card, content=content, content_hash=storage.content_hash(content))
    card.seal = card.compute_seal()
    storage.atomic_write_json(folder / CARD, card.to_json())
    return card


def verify(artifact: Artifact) -> list[Problem]:
    """Reads every byte of an artifact and compares it with the card. No problem: an empty list."""
    return _check(artifact, read_all=True)


def quick_check(artifact: Artifact) -> list[Problem]:
    """As `verify`, but files whose size is right and that are no newer than the card are not read."""
    return _check(artifact, read_all=False)


def _check(artifact: Artifact, *, read_all: bool) -> list[Problem]:
    problems: list[Problem] = []
    folder, card = artifact.path, artifact.card
    card_file = folder / CARD
    if card.compute_seal() != card.seal:
        problems.append(Problem(card_file, "the card was changed after it was sealed"))
    elif card_identity(card) != card.identity:
        problems.append(Problem(card_file, "the identity does not follow from what stands on the card"))
    elif storage.content_hash(card.content) != card.content_hash:
        problems.append(Problem(card_file, "the content hash does not follow from the list of files"))
    elif card_file.is_file() and card_file.read_bytes() != storage.json_bytes(card.to_json()):
        problems.append(Problem(card_file, "its bytes were changed (though it still says the same)"))
    try:
        card_time = card_file.stat().st_mtime_ns
    except FileNotFoundError:
        return [Problem(card_file, "is missing")]
    for name, entry in card.content.items():
        path = folder / name
        try:
            stat = path.stat()
        except FileNotFoundError:
            problems.append(Problem(path, "is missing"))
            continue
        if stat.st_size != entry["size"]:
            problems.append(Problem(path, f"has {stat.st_size} bytes instead of {entry['size']}"))
        elif (read_all or stat.st_mtime_ns > card_time) and storage.sha256_file(path) != entry["sha256"]:
            problems.append(Problem(path, "its bytes were changed (SHA-256 differs)"))
    if read_all:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name != CARD and name not in card.content:
                problems.append(Problem(path, "does not belong to the artifact"))
    return problems


def find_artifact(identity: str, places: Iterable[Path]) -> Artifact | None:
    """The artifact of an identity among the folders directly below `places`."""
    for place in places:
        for folder in sorted(place.glob(f"*-{identity[:12]}")):
            if (folder / CARD).is_file():
                artifact = load_artifact(folder)
                if artifact.identity == identity:
                    return artifact
    return None


def pedigree(path: Path | str, places: Iterable[Path] = ()) -> Pedigree:
    """The tree of ancestors of an artifact (or of a run folder's final one).

    Parents are looked for beside the artifact, in `places`, and where the run folder's `recipe.json` says that inputs
    from elsewhere came from. Each artifact is loaded once.
    """
    artifact = load_artifact(resolve_artifact(path))
    siblings = [artifact.path.resolve().parent, *places]
    run_file = siblings[0].parent / RUN_FILE
    if run_file.is_file():
        siblings += [Path(p).parent for p in storage.read_json(run_file).get("external", [])]
    done: dict[str, Pedigree] = {}

    def build(identity: str, name: str) -> Pedigree:
        if identity not in done:
            found = artifact if identity == artifact.identity else find_artifact(identity, siblings)
            branches: list[tuple[str, Pedigree]] = []
            if found is not None:
                siblings.append(found.path.resolve().parent) if found.path.resolve().parent not in siblings else None
                for key in sorted(found.card.parents):
                    value = found.card.parents[key]
                    for parent in [value] if isinstance(value, str) else value:
                        branches.append((key, build(parent, found.card.parent_names.get(parent, "?"))))
            done[identity] = Pedigree(identity, found.name if found else name, found, tuple(branches))
        return done[identity]

    return build(artifact.identity, artifact.name)


def rebuilt_parents(root: Pedigree) -> dict[str, list[Problem]]:
    """Identity of a node -> problems with parents that were made again, with other content, after it read them."""
    problems: dict[str, list[Problem]] = {}
    for node in root.walk():
        for _key, parent in node.parents:
            if node.artifact is None or parent.artifact is None:
                continue
            then = node.artifact.card.parent_contents.get(parent.identity)
            if then is not None and then != parent.artifact.card.content_hash:
                what = f"was made from another `{parent.name}` than the one that is there now"
                problem = Problem(node.artifact.path, what)
                if problem not in problems.setdefault(node.identity, []):
                    problems[node.identity].append(problem)
    return problems


def resolve_artifact(path: Path | str) -> Path:
    """The artifact folder meant by `path`: an artifact, `RUN/STAGE`, or a run folder (its final model, or the one
    artifact that it makes)."""
    path = Path(path)
    if (path / CARD).is_file():
        return path
    run = path if (path / RUN_FILE).is_file() else path.parent if (path.parent / RUN_FILE).is_file() else None
    if run is None:
        if not path.exists():
            raise InputError(f"There is no folder {path}.", key=str(path))
        raise InputError(f"{path} is neither a run folder nor an artifact.", key=str(path))
    record = storage.read_json(run / RUN_FILE)
    stages: dict[str, str] = record["stages"]
    only = next(iter(stages)) if len(stages) == 1 else None
    name = (record.get("final") or only) if run == path else path.name
    if name is None:
        raise InputError(f"The recipe of {run} names no final model.", key=str(path), remedy=_choices(run, stages))
    if name not in stages:
        raise InputError(f"{run} has no stage `{name}`.", key=str(path), remedy=_choices(run, stages))
    folder = run / stages[name]
    if not (folder / CARD).is_file():
        raise InputError(
            f"Stage `{name}` of {run} is not finished.", key=str(path),
            remedy=f"Finish it with `herd run`. {_choices(run, stages)}".strip(),
        )  # fmt: skip
    return folder


def resolve_model(path: Path | str) -> Path:
    """The folder with `params.json` meant by `path`: a run folder, `RUN/STAGE`, an artifact, or a folder of weights."""
    path = Path(path)
    if (path / "params.json").is_file():
        return path
    folder = resolve_artifact(path)
    if not (folder / "params.json").is_file():
        kind = load_artifact(folder).kind
        raise ArtifactError(f"{folder} holds no model but an artifact of kind `{kind}`.", key=str(path))
    return folder


def _choices(run: Path, stages: Mapping[str, str]) -> str:
    ready = [f"{run}/{name}" for name, place in stages.items() if (run / place / "params.json").is_file()]
    return f"Models that are there: {', '.join(ready)}." if ready else ""


def machine() -> dict[str, Any]:
    """The machine as it stands on cards: system, processor, cores, Python. No host or user name."""
    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{platform.system()} {platform.release()}", "processor": processor, "cores": cores,
        "python": platform.python_version(),
    }  # fmt: skip
