"""Which artifacts hold a document: tables in which it stands, ledgers of what was dropped, what was made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from herdbook import lineage
from herdbook.errors import HerdbookError, InputError
from herdbook.lineage import Artifact

TABLES = ("*.parquet", "shards/*.parquet", "anneal/*.parquet")
"""Files of an artifact whose column `id` names documents."""


@dataclass(frozen=True)
class Holder:
    """An artifact and what it has to do with a document."""

    artifact: Artifact
    how: str
    """"holds", "dropped" (it was read and did not stay) or "made from"."""
    where: str
    """File and number of times, the reason why it went, or the artifact from which this one was made."""


def artifacts_of(path: str | Path) -> list[Artifact]:
    """All artifacts of a run folder, of all run folders below `path`, or the one artifact at `path`."""
    path = Path(path)
    cards = [path / lineage.CARD] if (path / lineage.CARD).is_file() else []
    cards = cards or sorted(path.glob(f"stages/*/{lineage.CARD}")) or sorted(path.glob(f"*/stages/*/{lineage.CARD}"))
    if not cards:
        raise InputError(
            f"{path} holds no artifacts.", key=str(path), remedy="Give a run folder, or the folder of all runs."
        )
    found = []
    for card in cards:
        try:
            found.append(lineage.load_artifact(card.parent))
        except HerdbookError:
            continue  # a damaged artifact is what `herd lineage` without --contains reports
    return found


def contains(path: str | Path, document: str) -> list[Holder]:
    """Every artifact below `path` that holds the document with this id, dropped it, or was made from a holder of it."""
    artifacts = artifacts_of(path)
    holders: list[Holder] = []
    made_of: dict[str, str] = {}
    for artifact in artifacts:
        counts = dict(_tables(artifact, document))
        if counts:
            made_of[artifact.identity] = artifact.name
            where = ", ".join(f"{name} ({n} times)" if n > 1 else name for name, n in counts.items())
            holders.append(Holder(artifact, "holds", where))
            continue
        reason = _dropped(artifact, document)
        if reason is not None:
            holders.append(Holder(artifact, "dropped", reason))
    changed = True
    while changed:  # descendants of descendants, in whatever order the folders stand
        changed = False
        for artifact in artifacts:
            if artifact.identity in made_of or any(h.artifact.identity == artifact.identity for h in holders):
                continue
            for parent in lineage.parent_identities(artifact.card.parents):
                if parent in made_of:
                    holders.append(Holder(artifact, "made from", made_of[parent]))
                    made_of[artifact.identity] = artifact.name
                    changed = True
                    break
    return holders


def _tables(artifact: Artifact, document: str) -> Iterator[tuple[str, int]]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for pattern in TABLES:
        for file in sorted(artifact.path.glob(pattern)):
            try:
                if "id" in pq.read_schema(file).names:
                    n = pc.sum(pc.equal(pq.read_table(file, columns=["id"])["id"], document)).as_py()
                    if n:
                        yield file.relative_to(artifact.path).as_posix(), int(n)
            except pa.ArrowInvalid:
                continue


def _dropped(artifact: Artifact, document: str) -> str | None:
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    folder = artifact.path / "ledger"
    if not folder.is_dir():
        return None
    table = ds.dataset(str(folder), format="parquet").to_table(
        columns=["step", "reason"], filter=pc.field("id") == document
    )
    rows = table.to_pylist()
    return f"{rows[0]['step']}: {rows[0]['reason']}" if rows else None
