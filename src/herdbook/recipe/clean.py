"""What in a run folder nobody refers to any more: artifacts of earlier settings, work of abandoned stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from herdbook import lineage, storage
from herdbook.errors import ArtifactError, HerdbookError, InputError
from herdbook.recipe.lock import locked


@dataclass(frozen=True)
class Leftover:
    """A folder that can go: why, and its size in bytes."""

    path: Path
    why: str
    size: int


def clean(folder: str | Path, *, delete: bool = False) -> list[Leftover]:
    """Lists (and with `delete` removes) what the present recipe of a run folder does not refer to.

    Kept: the artifacts that `recipe.json` names and all their ancestors, and the work of a stage that can be resumed.
    Raises LockedError while a run is at work.
    """
    folder = Path(folder)
    if not (folder / lineage.RUN_FILE).is_file():
        raise InputError(f"{folder} is not a run folder: it has no {lineage.RUN_FILE}.", key=str(folder))
    with locked(folder):
        found = leftovers(folder)
        if delete:
            for item in found:
                storage.remove_tree(item.path)
    return found


def leftovers(folder: Path) -> list[Leftover]:
    """The folders below `stages/` and `work/` that nothing refers to, and what is kept to save work."""
    stages: dict[str, str] = storage.read_json(folder / lineage.RUN_FILE)["stages"]
    kept = {(folder / place).resolve() for place in stages.values()}
    for place in list(kept):
        try:
            kept |= {n.artifact.path.resolve() for n in lineage.pedigree(place).walk() if n.artifact}
        except (InputError, ArtifactError):
            continue  # not made yet, or damaged: then its ancestors are kept by their own names in the recipe
    found: list[Leftover] = []
    for path in sorted((folder / "stages").glob("*")):
        if path.is_dir() and path.resolve() not in kept:
            whole = (path / lineage.CARD).is_file()
            why = "made with other settings" if whole else "not a whole artifact"
            found.append(Leftover(path, why, storage.tree_bytes(path)))
    for path in sorted((folder / "work").glob("*")):
        reason = _abandoned(path, stages)
        if reason:
            found.append(Leftover(path, reason, storage.tree_bytes(path)))
    cache = folder / "cache"
    if cache.is_dir():
        found.append(Leftover(cache, "measured units, kept for other thresholds", storage.tree_bytes(cache)))
    return found


def _abandoned(work: Path, stages: dict[str, str]) -> str | None:
    if work.name not in stages:
        return "work of a stage that the recipe no longer has"
    try:
        identity = storage.read_json(work / "work.json")["key"]["identity"]
    except (HerdbookError, KeyError, TypeError):
        return "work that cannot be resumed"
    if (work.parent.parent / stages[work.name] / lineage.CARD).is_file():
        return "work of a stage that is finished"
    if not stages[work.name].endswith(f"-{identity[:12]}"):
        return "work with other settings"
    return None if any((work / "checkpoints").glob("*")) else "work without a checkpoint"
