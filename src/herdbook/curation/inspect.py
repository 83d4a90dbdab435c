"""A document's whole story: where it came from, what every step saw, why it went or where in the corpus it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from herdbook.errors import InputError
from herdbook.storage import read_json

ABOUT = ("source", "path", "url", "date", "license", "kind", "language")
VERDICT = ("step", "reason", "detail", "kept_instead", "similarity")

PREFIX = {"classifiers": "quality_", "quality": "noise_"}
"""Beginning of the names of a step's signals where it is not the step's own name."""


def corpus_folder(path: str | Path) -> Path:
    """The folder of a corpus: that folder, or the corpus of a run folder. Raises InputError where there is none."""
    path = Path(path)
    if (path / "ledger").is_dir():
        return path
    found = sorted(path.glob("stages/*/ledger"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise InputError(
            f"{path} holds no corpus with a ledger.",
            key=str(path),
            remedy="Give the run folder or the artifact of `curate`.",
        )
    return found[-1].parent


def story(path: str | Path, name: str) -> dict[str, Any]:
    """What is known of the document `name` (an id) of a corpus.

    Keys: id, about, steps (name, outcome, signals), verdict, entries (file and row of each copy), text (its beginning,
    where the corpus has it), duplicates (ids of documents that went in its favour). Raises InputError for an id that is
    not there, naming similar ones.
    """
    folder = corpus_folder(path)
    row = _row(folder, name)
    if row is None:
        raise InputError(f"There is no document {name!r} in {folder}.", key=name, remedy=_similar(folder, name))
    entries, text = _entries(folder, name)
    steps = []
    gone = False
    for step in read_json(folder / "funnel.json")["steps"]:
        here = step["name"] == row["step"]
        outcome = "not reached" if gone else row["reason"] if here else "passed"
        signals = {
            key: value for key, value in row.items()
            if key.startswith(PREFIX.get(step["name"], step["name"] + "_")) and value is not None and key not in VERDICT
        }  # fmt: skip
        if step["name"] == "quality" and row["quality"] is not None:
            signals["quality"] = row["quality"]
        steps.append({"name": step["name"], "outcome": outcome, "signals": signals})
        gone = gone or here
    return {
        "id": name,
        "corpus": str(folder),
        "about": {key: row.get(key) for key in ABOUT} | {"bytes": row["n_bytes"]},
        "steps": steps,
        "verdict": {key: row.get(key) for key in VERDICT},
        "entries": entries,
        "text": text,
        "duplicates": _in_favour(folder, name),
    }


def _dataset(folder: Path) -> Any:
    import pyarrow.dataset as ds

    return ds.dataset(str(folder), format="parquet")


def _row(folder: Path, name: str) -> dict[str, Any] | None:
    import pyarrow.compute as pc

    rows = _dataset(folder / "ledger").filter(pc.field("id") == name).head(1).to_pylist()
    return rows[0] if rows else None


def _in_favour(folder: Path, name: str) -> list[str]:
    import pyarrow.compute as pc

    rows = _dataset(folder / "ledger").to_table(columns=["id"], filter=pc.field("kept_instead") == name)
    found: list[str] = rows["id"].to_pylist()
    return found


def _similar(folder: Path, name: str) -> str:
    import pyarrow.compute as pc

    ids = (
        _dataset(folder / "ledger")
        .to_table(columns=["id"], filter=pc.match_substring(pc.field("id"), name))
        .column("id")
    )
    if len(ids):
        shown = ", ".join(ids.slice(0, 5).to_pylist())
        return f"Ids that contain it: {shown}{' …' if len(ids) > 5 else ''}."
    return "dropped_samples.json and the shards show ids."


def _entries(folder: Path, name: str) -> tuple[list[dict[str, Any]], str | None]:
    """(files and rows in which the document stands, the beginning of its text)."""
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    entries: list[dict[str, Any]] = []
    text: str | None = None
    files = [
        *sorted(folder.glob("shards/*.parquet")),
        *sorted(folder.glob("anneal/*.parquet")),
        folder / "heldout.parquet",
    ]
    for file in files:
        if not file.exists():
            continue
        hits = np.flatnonzero(pc.equal(pq.read_table(file, columns=["id"])["id"], name).to_numpy())
        entries += [{"file": file.relative_to(folder).as_posix(), "row": int(row)} for row in hits]
        if len(hits) and text is None:
            text = str(pq.read_table(file, columns=["text"])["text"][int(hits[0])].as_py()[:1000])
    return entries, text


def lines(found: dict[str, Any]) -> list[str]:
    """The story as lines for a terminal."""
    out = [found["id"]]
    out += [f"  {key:<10}{value}" for key, value in found["about"].items() if value is not None]
    out.append("steps")
    for step in found["steps"]:
        signals = ", ".join(
            f"{key.removeprefix(step['name'] + '_')} {_short(value)}" for key, value in step["signals"].items()
        )
        out.append(f"  {step['name']:<20}{step['outcome']:<22}{signals}")
    verdict = found["verdict"]
    if verdict["step"] is None:
        copies = sum(entry["file"].startswith("shards/") for entry in found["entries"])
        out.append(f"stays, {copies} time{'s' if copies != 1 else ''} in the corpus")
    else:
        detail = f" ({verdict['detail']})" if verdict["detail"] else ""
        twin = f"; {verdict['kept_instead']} stays instead" if verdict["kept_instead"] else ""
        close = f", similarity {verdict['similarity']:.3f}" if verdict["similarity"] is not None and twin else ""
        out.append(f"went at {verdict['step']}: {verdict['reason']}{detail}{twin}{close}")
    out += [f"  {entry['file']}, row {entry['row']}" for entry in found["entries"]]
    if found["duplicates"]:
        shown = ", ".join(found["duplicates"][:10])
        out.append(f"went in its favour: {shown}{' …' if len(found['duplicates']) > 10 else ''}")
    if found["text"]:
        out += ["text", *(f"  {line}" for line in found["text"].splitlines()[:20])]
    return out


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
