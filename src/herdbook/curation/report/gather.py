"""The figures of a corpus's report, read from what curation wrote: funnel, samples and ledger. No times are among
them, so equal corpora have equal reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from herdbook.curation.curate_stage import Config
from herdbook.curation.heuristics.languages import members
from herdbook.curation.report.signals import Judged, judged, own_languages
from herdbook.errors import ArtifactError
from herdbook.storage import read_json

APART = {"held_out": "held out", "mixture": "not drawn"}
"""Steps whose documents were not judged bad."""
LANGUAGES = 4
"""Languages with thresholds of their own that have histograms."""
MEMBERS = 6
TEXT = 400


def gather(folder: Path, config: Config, clusters: int) -> dict[str, Any]:
    """The content of report.json. Raises ArtifactError where the corpus has no ledger."""
    parts = sorted((folder / "ledger").glob("*.parquet"))
    if not parts:
        raise ArtifactError(
            f"{folder} has no ledger to report on.", key=str(folder), remedy="Make the corpus again with `herd curate`."
        )
    funnel = read_json(folder / "funnel.json")
    matrix, licences, top = _ask(parts, clusters)
    dropped = read_json(folder / "dropped_samples.json")
    kept = read_json(folder / "kept_samples.json")
    known = own_languages(config)
    rules = judged(config, frequent(matrix, known))
    names = {row["id"] for row in [*dropped, *kept]}
    names |= {row["kept_instead"] for row in dropped if row.get("kept_instead")}
    measured, rows = _measure(parts, rules, known, names)
    texts = texts_of(folder, {cluster["kept"] for cluster in top})
    for cluster in top:
        cluster["excerpt"] = texts.get(cluster["kept"])
    first, last = funnel["steps"][0], funnel["totals"]
    return {
        "documents_in": first["in"],
        "megabytes_in": round(first["bytes_in"] / 1e6, 3),
        "documents": last["documents"],
        "megabytes": last["megabytes"],
        "heldout_documents": last["heldout_documents"],
        "dropped": sum(row["documents"] for row in matrix if row["step"] and row["step"] not in APART),
        "not_drawn": sum(row["documents"] for row in matrix if row["step"] == "mixture"),
        "not_read": funnel["not_read"],
        "steps": funnel["steps"],
        "matrix": matrix,
        "rules": _rules(matrix, dropped, kept, rows),
        "histograms": measured,
        "clusters": top,
        "dedup": funnel["dedup"],
        "quality_auc": funnel["quality"].get("auc"),
        "mended": funnel["mended"],
        "licences": licences,
        "mixture": funnel["mixture"],
        "languages": funnel["languages"],
    }


def _ask(parts: Sequence[Path], n: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """(source x language x reason, licences, the clusters with most members) of the ledger."""
    import duckdb

    files = [str(part) for part in parts]
    with duckdb.connect() as db:
        db.execute("SET enable_progress_bar = false")
        db.execute("CREATE VIEW book AS SELECT * FROM read_parquet($files, union_by_name = true)".replace(
            "$files", "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
        ))  # fmt: skip
        matrix = [
            dict(zip(("source", "language", "step", "reason", "documents", "bytes"), row, strict=True))
            for row in db.execute(
                "SELECT source, coalesce(language, 'unknown') AS code, step, reason, count(*)::BIGINT, "
                "sum(n_bytes)::BIGINT FROM book GROUP BY source, code, step, reason "
                "ORDER BY source, code, step NULLS FIRST, reason"
            ).fetchall()
        ]
        licences = [
            dict(zip(("licence", "documents_in", "bytes_in", "documents", "bytes"), row, strict=True))
            for row in db.execute(
                "SELECT coalesce(license, 'unknown') AS code, count(*)::BIGINT, sum(n_bytes)::BIGINT, "
                "(count(*) FILTER (step IS NULL))::BIGINT, "
                "coalesce(sum(n_bytes) FILTER (step IS NULL), 0)::BIGINT FROM book "
                "GROUP BY code ORDER BY sum(n_bytes) DESC, code"
            ).fetchall()
        ]
        top = []
        for name, members in db.execute(
            "SELECT kept_instead, count(*)::BIGINT AS n FROM book WHERE kept_instead IS NOT NULL "
            "GROUP BY kept_instead ORDER BY n DESC, kept_instead LIMIT ?", [n],
        ).fetchall():  # fmt: skip
            about = db.execute("SELECT source, path, n_bytes FROM book WHERE id = ?", [name]).fetchone()
            went = db.execute(
                "SELECT id, source, reason, similarity, n_bytes FROM book WHERE kept_instead = ? "
                "ORDER BY similarity DESC NULLS LAST, id LIMIT ?", [name, MEMBERS],
            ).fetchall()  # fmt: skip
            source, path, size = about or (None, None, None)
            top.append({
                "kept": name, "source": source, "path": path, "bytes": size, "members": members,
                "went": [
                    {"id": i, "source": s, "reason": r, "similarity": None if x is None else round(x, 4), "bytes": b}
                    for i, s, r, x, b in went
                ],
            })  # fmt: skip
    return matrix, licences, top


def batches(parts: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Columns of the ledger as numpy arrays, a batch at a time; columns that a part lacks are NaN."""
    import pyarrow.parquet as pq

    for part in parts:
        file = pq.ParquetFile(part)
        there = [name for name in columns if name in file.schema_arrow.names]
        for batch in file.iter_batches(65536, columns=there):
            found = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in there}
            yield {name: found.get(name, np.full(batch.num_rows, np.nan)) for name in columns}


def frequent(matrix: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> list[str]:
    """The languages of `known` with most documents."""
    counts: dict[str, int] = {}
    for row in matrix:
        if row["language"] in known:
            counts[row["language"]] = counts.get(row["language"], 0) + row["documents"]
    return sorted(counts, key=lambda code: (-counts[code], code))[:LANGUAGES]


def _measure(
    parts: Sequence[Path], rules: Sequence[Judged], known: Mapping[str, Any], names: set[str]
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """(a histogram for each rule, and by reason what rules saw of the documents of `names`)."""
    columns = ["id", "kind", "language", *dict.fromkeys(name for rule in rules for name in rule.columns)]
    counts = [np.zeros(len(rule.edges()) - 1, dtype=np.int64) for rule in rules]
    beyond = [0] * len(rules)
    rows: dict[str, dict[str, Any]] = {name: {} for name in names}
    for batch in batches(parts, columns):
        prose = batch["kind"] == "prose"
        here = np.fromiter((name in names for name in batch["id"]), dtype=bool, count=len(prose))
        of_language = members(batch["language"], known)
        nobody = np.zeros(len(prose), dtype=bool)
        for number, rule in enumerate(rules):
            values = rule.values(batch)
            mine = prose & ~np.isnan(values)
            if rule.step == "heuristics":
                mine &= of_language.get(rule.language, nobody)
            edges = rule.edges()
            counts[number] += np.histogram(np.clip(values[mine], edges[0], edges[-1]), edges)[0]
            beyond[number] += int(rule.beyond(values[mine]).sum())
            for i in np.flatnonzero(mine & here).tolist():
                rows[batch["id"][i]][rule.reason] = {
                    "title": rule.title, "value": float(values[i]), "threshold": rule.threshold, "above": rule.above,
                }  # fmt: skip
    histograms = [
        {
            "step": rule.step, "reason": rule.reason, "language": rule.language, "title": rule.title,
            "threshold": rule.threshold, "above": rule.above, "logarithmic": rule.logarithmic,
            "documents": int(of.sum()), "beyond": n,
            "edges": [round(float(edge), 6) for edge in rule.edges()], "counts": of.tolist(),
        }
        for rule, of, n in zip(rules, counts, beyond, strict=True)
    ]  # fmt: skip
    return histograms, rows


def _rules(
    matrix: Sequence[Mapping[str, Any]], dropped: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]],
    rows: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:  # fmt: skip
    """Every reason that dropped a document: how many, and samples of what went beside samples of what stayed."""
    totals: dict[tuple[str, str], int] = {}
    for row in matrix:
        if row["step"] and row["step"] not in APART:
            key = (row["step"], row["reason"])
            totals[key] = totals.get(key, 0) + row["documents"]
    found = []
    for (step, reason), n in sorted(totals.items(), key=lambda item: (-item[1], item[0])):
        went = [dict(row) for row in dropped if (row["step"], row["reason"]) == (step, reason)]
        stayed = _beside(went, kept)
        for sample in [*went, *stayed]:
            sample["figure"] = rows.get(sample["id"], {}).get(reason)
        found.append({
            "step": step, "reason": reason, "documents": n, "dropped": went, "kept": stayed,
        })  # fmt: skip
    return found


def _beside(went: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each dropped sample a kept one: the document that stayed instead, else another one of its source."""
    found = []
    used: dict[str, int] = {}
    for sample in went:
        if sample.get("kept_instead"):
            found.append({"id": sample["kept_instead"], "source": "", "excerpt": sample["kept_excerpt"], "span": None})
            continue
        mine = [row for row in kept if row["source"] == sample["source"]] or list(kept)
        if mine:
            number = used.get(sample["source"], 0)
            used[sample["source"]] = number + 1
            found.append(dict(mine[number % len(mine)]))
    return found


def texts_of(folder: Path, names: set[str]) -> dict[str, str]:
    """The beginnings of the texts of some documents, where the corpus has them. Of a file only those parts are read in
    which such a document stands."""
    import pyarrow.parquet as pq

    found: dict[str, str] = {}
    for path in [*sorted(folder.glob("shards/*.parquet")), folder / "heldout.parquet"]:
        if not path.exists() or names <= found.keys():
            continue
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["id"])["id"].to_pylist()
            rows = [(i, name) for i, name in enumerate(ids) if name in names and name not in found]
            if rows:
                texts = file.read_row_group(group, columns=["text"])["text"]
                found |= {name: texts[i].as_py()[:TEXT] for i, name in rows}
    return found
