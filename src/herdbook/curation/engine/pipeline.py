"""A run of curation: units are measured, judged together, and written. This file only wires; see docs/curation.md.

Measured units lie in the workspace's cache under their own keys and outlive the run, so that other thresholds judge
them without reading the text again; what a global step found lies in the checkpoints. A run that was killed goes on
from both.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.config import to_mapping
from herdbook.curation import heldout, mixture
from herdbook.curation.corpus_counts import CorpusCounts
from herdbook.curation.data_statement import statement
from herdbook.curation.engine import account, duplicates, judge, write
from herdbook.curation.engine.checkpoint import once
from herdbook.curation.engine.ledger import STATEMENT, Ledger
from herdbook.curation.engine.measured import MeasuredUnits
from herdbook.curation.engine.memory import give_back
from herdbook.curation.engine.schedule import Cluster, results
from herdbook.curation.engine.shingled import Shingled
from herdbook.curation.engine.steps import MODULES, Settings, settings_of, step
from herdbook.curation.engine.texts import Texts
from herdbook.curation.engine.threads import together
from herdbook.curation.reading.formats import PAGES
from herdbook.errors import InputError
from herdbook.storage import (
    atomic_write_json,
    atomic_write_text,
    canonical_json,
    read_json,
    remove_tree,
    sha256_bytes,
)
from herdbook.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from herdbook.curation.curate_stage import Config

GLOBAL_STEPS = (
    "same_url", "exact_duplicates", "frequent_lines", "quality", "near_duplicates", "semantic_duplicates",
    "contamination", "held_out", "mixture",
)  # fmt: skip
"""Steps that need all documents, in order; the mixture cannot be skipped."""
KEYS = ("exact", "url", "frequent_lines")
"""Steps that measure keys, for the global steps of equal texts, addresses and lines."""
CHECKPOINTS = ("global", "lines", "near", "near-index", "vectors", "buckets")
"""Folders of what the global steps found, which a run that goes on takes up."""
CHECKPOINTS_VERSION = 3
"""Raised when these folders hold something else than before."""
PAYLOAD = ("shards", "anneal", "ledger", "index")
"""Folders of a corpus."""
NOT_BAD = ("held_out", "mixture")
"""Steps whose documents were moved or left undrawn, and not judged bad."""


def step_names() -> tuple[str, ...]:
    """All steps in the order in which a document meets them; those that only measure for others are left out."""
    return (*(name for name in MODULES if name not in KEYS), *GLOBAL_STEPS)


MOST_THREADS = 4
"""Workers on text that are threads of this process; more of them are processes of their own."""
TAKEN = 350 << 20
"""Bytes that the stage takes whatever its stores hold: packages, compiled kernels, a batch."""


def default_memory_limit() -> int:
    """Bytes that a run may use where nobody said: half of what the machine has free now, at most 8 GB."""
    import psutil

    return int(min(8 << 30, max(1 << 30, psutil.virtual_memory().available // 2)))


class Run:
    """One run: the state that passes from phase to phase."""

    def __init__(
        self,
        config: Config,
        units: Sequence[Mapping[str, Any]],
        workspace: Workspace,
        against: Sequence[Path],
        skipped: Mapping[str, Any],
    ) -> None:
        self.config = config
        self.against = against
        self.skipped = skipped
        self.workspace = workspace
        self.unit_jobs = list(units)
        self.settings: Settings = settings_of(config, config.reading, config.skip)
        limit = workspace.memory_limit_gib
        self.memory_limit = int(limit * (1 << 30)) if limit else default_memory_limit()
        self.threads = max(1, min(workspace.threads, self.memory_limit // (1 << 30)))
        """Workers that measure units, and threads afterwards: one for each GiB."""
        self.room = max(self.memory_limit - TAKEN, self.memory_limit // 4)
        """Bytes that stores and buffers share among them: each says how much of it."""
        self.clock = _Clock()
        self.figures: dict[str, dict[str, Any]] = {}
        self.n_steps = sum(self._wanted(name) for name in GLOBAL_STEPS[:-1])

    # measure

    def measure(self) -> MeasuredUnits:
        """Measures the units that are not measured yet, and opens them all."""
        key = self.settings.key()
        cache = self.workspace.cache / "units"
        folders = [cache / sha256_bytes(f"{unit['key']}/{key}".encode())[:32] for unit in self.unit_jobs]
        settings = self.settings.to_json()
        jobs: list[dict[str, Any]] = [
            {"unit": dict(unit), "settings": settings, "folder": str(folder.resolve())}
            for unit, folder in zip(self.unit_jobs, folders)
            if not folder.exists()
        ]
        jobs.sort(key=lambda job: -job["unit"]["size_bytes"])  # small ones last: then nobody waits long for the end
        _remove_unfinished(cache)
        done = len(folders) - len(jobs)
        if done:
            self.workspace.note_resume(f"{done} of {len(folders)} units were measured before")
        total = sum(unit["size_bytes"] for unit in self.unit_jobs) / 1e6
        waiting = sum(job["unit"]["size_bytes"] for job in jobs) / 1e6
        sizes = {job["folder"]: job["unit"]["size_bytes"] for job in jobs}
        workers = max(1, min(self.threads, len(jobs)))
        processes = _wants_processes(workers, jobs)
        cluster = Cluster(self.workspace.engine, self.workspace.ray_address, workers, processes)
        with self.workspace.progress(total, "MB", "measure") as bar:
            bar.update(total - waiting)
            documents = 0
            for result in results("measure", jobs, cluster):
                self.clock.add(result["seconds"], result["bytes"])
                documents += result["documents"]
                bar.update(sizes[result["folder"]] / 1e6, documents=documents)
        give_back()
        return MeasuredUnits(folders, self.threads)

    # judge

    def own_checkpoints(self) -> None:
        """Removes checkpoints of another run in the same folder: of other units, another configuration or seed."""
        against = [str(path.resolve()) for path in self.against]
        keys = [unit["key"] for unit in self.unit_jobs]
        mine = [CHECKPOINTS_VERSION, keys, to_mapping(self.config), self.workspace.seed, against]
        signature = {"run": sha256_bytes(canonical_json(mine))}
        folder = self.workspace.checkpoints
        file = folder / "run.json"
        if file.exists() and read_json(file) == signature:
            return
        for name in CHECKPOINTS:
            remove_tree(folder / name)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_json(file, signature)

    def judge(self, ledger: Ledger, units: MeasuredUnits) -> Texts:
        """Enters every document and lets the global steps judge what is left."""
        began = time.process_time()
        judge.enter(ledger, units, self.settings.steps)
        self.clock.add({"rules": time.process_time() - began}, 0)
        self.figures["ids"] = {"renamed": ledger.unique_ids()}
        give_back()
        texts = Texts(units)
        config, n = self.config, units.n_documents
        with self.workspace.progress(self.n_steps, "steps", "curate") as bar:
            if self._wanted("same_url"):
                self._step("same_url", ledger, bar, lambda: (duplicates.same_url(ledger), {}))
                self._known(ledger, "url_key", "same_url")
            if self._wanted("exact_duplicates"):
                self._step("exact_duplicates", ledger, bar, lambda: (duplicates.same_text(ledger, config.prefer), {}))
                self._known(ledger, "exact_key", "exact_duplicates")
            if self._wanted("frequent_lines"):
                self._frequent_lines(ledger, texts, n, bar)
            shingled = self._shingled(ledger, n) if self._wanted("near_duplicates") else None
            if self._wanted("quality"):
                self._quality(ledger, texts, n, shingled, bar)
            near = None if shingled is None else self._near_duplicates(ledger, texts, shingled, bar)
            together(
                self.threads,
                lambda: self._last_steps(ledger, texts, n, shingled, bar),
                lambda: None if near is None else self._near_recall(near),
            )
        return texts

    def _last_steps(self, ledger: Ledger, texts: Texts, n: int, shingled: Shingled | None, bar: Any) -> None:
        if self._wanted("semantic_duplicates"):
            self._semantic(ledger, texts, n, bar)
        if self._wanted("contamination"):
            self._contamination(ledger, texts, n, bar)
        if self._wanted("held_out"):
            self._step("held_out", ledger, bar, lambda: self._held_out(ledger, texts, n, shingled))

    def _wanted(self, name: str) -> bool:
        asked = {
            "semantic_duplicates": self.config.semantic.use,
            "contamination": bool(self.config.contamination.benchmarks),
        }
        return name not in self.config.skip and asked.get(name, True)

    def _step(
        self, name: str, ledger: Ledger, bar: Any, make: Callable[[], tuple[pa.Table, dict[str, Any]]]
    ) -> pa.Table:
        """Runs a global step (or takes up what it had found), drops its documents, keeps its figures."""
        began = time.process_time()
        bar.tell(step=name)
        (verdicts, figures), before = once(self.workspace.checkpoints / "global", name, make)
        if before:
            self.workspace.note_resume(f"{name} was finished")
        drops = verdicts
        if verdicts["reason"].null_count:
            drops = verdicts.filter(verdicts["reason"].is_valid())
        ledger.drop(name, drops)
        self.figures[name] = figures
        self.clock.add({name: time.process_time() - began}, 0)
        bar.update(1, documents=ledger.count(where="step IS NULL"))
        give_back()
        return verdicts

    def _known(self, ledger: Ledger, key: str, step_name: str) -> None:
        """Drops documents whose key a corpus that is deduplicated against has."""
        files = [str(path / "keys.parquet") for path in self.against if (path / "keys.parquet").exists()]
        if files:
            reason = "same_url" if key == "url_key" else "exact_duplicate"
            found = ledger.table(
                "SELECT place, ? AS reason, 'kept earlier: ' || min(old.id) AS detail, 1.0 AS similarity "
                f"FROM documents JOIN read_parquet(?) AS old USING ({key}) "
                f"WHERE step IS NULL AND kind <> '{STATEMENT}' GROUP BY place",
                [reason, files],
            )
            ledger.drop(step_name, found)

    def _frequent_lines(self, ledger: Ledger, texts: Texts, n: int, bar: Any) -> None:
        import pyarrow as pa

        from herdbook.curation.dedup.line_store import LineStore

        began = time.process_time()
        bar.tell(step="frequent_lines")
        folder = self.workspace.checkpoints / "lines"
        remove_tree(folder)  # counted again in a moment: the lines were hashed when their units were measured
        mine = ledger.kept(n, "kind = 'prose'")
        store = LineStore(folder, self.config.frequent_lines, memory_limit_bytes=self.room // 4)
        for unit in texts.units.units:
            rows = np.flatnonzero(mine[unit.start : unit.start + unit.n_documents])
            if len(rows):
                store.add_lines(texts.units.lines(unit), rows)
        store.finish()
        shorter, sizes, blank, n_lines = texts.leave_out_lines(store, mine)
        if len(shorter):
            ledger.set_column("n_bytes", shorter, sizes)
        verdicts = pa.table({
            "place": pa.array(shorter[blank], pa.int64()),
            "reason": pa.array(["only_frequent_lines"] * int(blank.sum()), pa.string()),
        })  # fmt: skip
        ledger.drop("frequent_lines", verdicts)
        self.figures["frequent_lines"] = {"lines_dropped": n_lines}
        give_back()
        self.clock.add({"frequent_lines": time.process_time() - began}, 0)
        bar.update(1, documents=ledger.count(where="step IS NULL"))

    def _shingled(self, ledger: Ledger, n: int) -> Shingled:
        folder = self.workspace.checkpoints / "near"
        left = ledger.kept(n, f"kind <> '{STATEMENT}'")
        return Shingled(folder, self.config.minhash, left, self.room // 4)

    def _quality(self, ledger: Ledger, texts: Texts, n: int, shingled: Shingled | None, bar: Any) -> None:
        from herdbook.curation.engine import noise_quality

        seed, total = self.workspace.seed, ledger.count(where="step IS NULL AND kind = 'prose'")
        with self.workspace.progress(total, "documents", "score quality") as shown:
            verdicts = self._step(
                "quality", ledger, bar,
                lambda: noise_quality.judge(ledger, texts, n, self.config.quality, seed, shown.update, shingled),
            )  # fmt: skip
        if verdicts.num_rows:
            ledger.set_column("quality", verdicts["place"].to_numpy(), verdicts["quality"].to_numpy())

    def _near_duplicates(self, ledger: Ledger, texts: Texts, shingled: Shingled, bar: Any) -> duplicates.NearDuplicates:
        index = self.workspace.checkpoints / "near-index" if self.config.keep_index else None
        old = [path / "near" for path in self.against]
        near = duplicates.NearDuplicates(ledger, shingled, self.config.prefer, old)

        def judge() -> tuple[pa.Table, dict[str, Any]]:
            shingled.complete(texts)
            # closed: steps of a run that goes on rely on it
            found, _ = together(self.threads, lambda: near.judge(index), shingled.close)
            return found

        self._step("near_duplicates", ledger, bar, judge)
        return near

    def _near_recall(self, near: duplicates.NearDuplicates) -> None:
        """Adds the measured recall to the figures; also of a run that was killed before it was known."""

        def measure() -> tuple[pa.Table, dict[str, Any]]:
            return _undrawn([]), near.recall(self.config.recall_sample, self.workspace.seed)

        (_, figures), _ = once(self.workspace.checkpoints / "global", "near_recall", measure)
        self.figures["near_duplicates"] |= figures
        give_back()

    def _semantic(self, ledger: Ledger, texts: Texts, n: int, bar: Any) -> None:
        from herdbook.curation.engine import semantic

        folder = self.workspace.checkpoints / "vectors"
        bars: dict[str, tuple[Any, int]] = {}

        def show(what: str, done: int, total: int) -> None:
            shown, before = bars.get(what) or (self.workspace.progress(total, "documents", what), 0)
            shown.update(done - before)
            bars[what] = (shown, done)

        self._step(
            "semantic_duplicates", ledger, bar,
            lambda: semantic.judge(
                ledger, texts, n, self.config.semantic, self.config.prefer, folder, self.room // 4, show
            ),
        )  # fmt: skip

    def _contamination(self, ledger: Ledger, texts: Texts, n: int, bar: Any) -> None:
        from herdbook.curation.engine import contamination

        total = ledger.count(where=f"step IS NULL AND kind <> '{STATEMENT}'")
        with self.workspace.progress(total, "documents", "look for benchmark items") as shown:
            self._step(
                "contamination", ledger, bar,
                lambda: contamination.judge(ledger, texts, n, self.config.contamination, shown.update),
            )  # fmt: skip

    def _held_out(
        self, ledger: Ledger, texts: Texts, n: int, shingled: Shingled | None
    ) -> tuple[pa.Table, dict[str, Any]]:
        import pyarrow as pa

        held, counts = heldout.choose(ledger, texts, n, self.config.heldout, shingled, self.room // 8)
        reasons = pa.array(["held_out"] * len(held), pa.string())
        return pa.table({"place": pa.array(held), "reason": reasons}), {"counts": counts}

    # write

    def write(self, ledger: Ledger, units: MeasuredUnits, texts: Texts) -> dict[str, Any]:
        """Writes the corpus and its account to the workspace; returns the figures of the run."""
        config, out = self.config, self.workspace.out
        for name in PAYLOAD:
            remove_tree(out / name)  # of a run that was killed, or of an earlier one into the same folder
        began = time.process_time()
        mixed = mixture.mix(ledger, config.mixture, config.max_megabytes, self.workspace.seed)
        if not len(mixed.places_E):
            raise nothing_left(ledger)
        annealing = mixture.anneal(ledger, config.mixture, self.workspace.seed)
        held = ledger.column("SELECT place FROM documents WHERE step = 'held_out' ORDER BY place").astype(np.int64)
        left = ledger.kept(units.n_documents)
        left[mixed.places_E] = False
        ledger.drop("mixture", _undrawn(np.flatnonzero(left)))
        del left
        sizes = _sizes(ledger, units.n_documents)
        report = self._report(ledger, units, mixed, annealing, sizes, held)
        counts = {name: CorpusCounts() for name in ("shards", "anneal", "heldout")}
        gathered = threading.Event()  # texts are read by all threads, and a shard is written by one

        def write_texts() -> None:
            try:
                self._write_texts(ledger, units, texts, mixed, annealing, sizes, counts, gathered.set)
            finally:
                gathered.set()

        def write_account() -> None:
            gathered.wait()
            self._write_account(ledger, units, report)

        def write_heldout() -> None:
            gathered.wait()
            counts["heldout"].add(write.write_some(units, held, _Finish(ledger, units, texts), out / "heldout.parquet"))

        together(self.threads, write_texts, write_account, write_heldout)
        about = {
            "train": counts["shards"].report(),
            "heldout": counts["heldout"].report(),
            "epochs": {row["source"]: row["epochs"] for row in mixed.rows},
            "steps": [{**row, "counts": _mended_by(row["name"], report["mended"])} for row in report["steps"]],
            "settings": to_mapping(config),
            "limits": _limits(report),
        }
        atomic_write_text(out / "data_statement.md", statement(about))
        self.clock.add({"write": time.process_time() - began}, 0)
        return self._figures(report)

    def _write_texts(
        self, ledger: Ledger, units: MeasuredUnits, texts: Texts, mixed: Any, annealing: Any, sizes: Any,
        counts: Mapping[str, CorpusCounts], begun: Callable[[], None],
    ) -> None:  # fmt: skip
        """The shards, and those of the annealing mix; counted in `counts`. `begun` is called once some are written."""
        out, finish = self.workspace.out, _Finish(ledger, units, texts)
        for folder, entries in (("shards", mixed), ("anneal", annealing)):
            if entries is None:
                continue
            sizes_E = sizes[entries.places_E]
            with self.workspace.progress(len(sizes_E), "documents", f"write {folder}") as bar:
                lock = threading.Lock()

                def written(
                    table: pa.Table, of: CorpusCounts = counts[folder], bar: Any = bar, lock: Any = lock
                ) -> None:
                    begun()
                    with lock:
                        of.add(table)
                        bar.update(table.num_rows)

                write.write_shards(
                    units, entries.places_E, sizes_E, finish, out / folder, self.workspace.checkpoints / "buckets",
                    int(self.config.shard_megabytes * 1e6), self.room // 16, written,
                )  # fmt: skip

    def _report(
        self, ledger: Ledger, units: MeasuredUnits, mixed: Any, annealing: Any, sizes: Any, held: Any
    ) -> dict[str, Any]:
        """What `funnel.json` says."""
        names = [name for name in step_names() if self._wanted(name)]
        steps = account.funnel_steps(ledger, names, {name: dict(self.figures.get(name, {})) for name in ("held_out",)})
        problems, mended = Counter[str](), Counter[str]()
        for row in [self.skipped, *units.problems()]:
            problems.update({reason: int(n) for reason, n in row.get("counts", {}).items()})
            mended.update(row.get("mended", {}))
        return {
            "sources": sorted({source for row in steps for source in row["before"]}),
            "not_read": dict(sorted(problems.items())),
            "steps": steps,
            "mended": dict(sorted(mended.items())),
            "mixture": mixed.rows,
            "anneal": None if annealing is None else annealing.rows,
            "languages": account.languages_of(ledger),
            "quality": self.figures.get("quality", {"auc": None}),
            "dedup": self.figures.get("near_duplicates", {}),
            "frequent_lines": self.figures.get("frequent_lines", {}),
            "semantic": self.figures.get("semantic_duplicates", {}),
            "contamination": self.figures.get("contamination", {}).get("benchmarks", []),
            "heldout": {
                **self.figures.get("held_out", {}).get("counts", {}),
                "documents": len(held),
                "bytes": int(sizes[held].sum()),
            },
            "emails_masked": mended.get("personal_data/email", 0),
            "duplicate_ids": self.figures["ids"]["renamed"],
            "exempt": {STATEMENT: "statements of facts pass every step unjudged: they are repeated on purpose"},
            "totals": {
                "documents": len(mixed.places_E),
                "megabytes": round(int(sizes[mixed.places_E].sum()) / 1e6, 3),
                "heldout_documents": len(held),
                "heldout_megabytes": round(int(sizes[held].sum()) / 1e6, 3),
            },
        }

    def _write_account(self, ledger: Ledger, units: MeasuredUnits, report: Mapping[str, Any]) -> None:
        """The funnel, samples, the ledger and what could not be read; the index for later runs."""
        from herdbook.curation.engine import publish

        config, out = self.config, self.workspace.out
        atomic_write_json(out / "funnel.json", report)
        samples = account.dropped_samples(
            ledger, units, config.samples_per_reason, self.workspace.seed, self._span_of, NOT_BAD
        )
        atomic_write_json(out / "dropped_samples.json", samples)
        kept = account.kept_samples(ledger, units, config.samples_per_reason, self.workspace.seed)
        atomic_write_json(out / "kept_samples.json", kept)
        if "contamination" in self.figures:
            atomic_write_json(out / "contamination.json", self.figures["contamination"])
        publish.ledger(ledger, units, out / "ledger")
        publish.problems([self.skipped, *units.problems()], out / "not_read.jsonl")
        if config.keep_index:
            publish.index(ledger, self.workspace.checkpoints / "near-index", out / "index")

    def _figures(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """The figures of the stage; says what happened in a line."""
        steps, totals = report["steps"], report["totals"]
        self.workspace.say(_summary(report, steps))
        return {
            "n_documents_in": steps[0]["in"],
            "n_documents": totals["documents"],
            "n_heldout": totals["heldout_documents"],
            "megabytes_in": round(steps[0]["bytes_in"] / 1e6, 3),
            "megabytes": totals["megabytes"],
            "heldout_megabytes": totals["heldout_megabytes"],
            "quality_auc": report["quality"].get("auc"),
            "dedup_recall": report["dedup"].get("measured_recall_on_sample"),
            "not_read": report["not_read"],
            "steps": self.clock.rows(),
        }

    def _span_of(self, name: str, reason: str, text: str) -> tuple[int, int] | None:
        if name not in self.settings.steps:
            return None
        module = step(name).module
        found = module.span(text, reason, self.settings.steps[name]) if hasattr(module, "span") else None
        return None if found is None else (int(found[0]), int(found[1]))


class _Clock:
    """Seconds by step, for the metrics; times never go into the corpus."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.bytes = 0

    def add(self, seconds: Mapping[str, float], n_bytes: int) -> None:
        self.seconds.update(seconds)
        self.bytes += n_bytes

    def rows(self) -> list[dict[str, Any]]:
        """A row for each step: seconds (of one core), MB/s."""
        return [
            {"step": name, "seconds": round(value, 3), "mb_per_s": round(self.bytes / 1e6 / max(value, 1e-9), 2)}
            for name, value in self.seconds.items()
        ]


class _Finish:
    """Gives a batch of measured documents its final ids and texts."""

    def __init__(self, ledger: Ledger, units: MeasuredUnits, texts: Texts) -> None:
        self.texts = texts
        self.ledger = ledger
        self.renamed = ledger.count("renamed") > 0

    def __call__(self, places: Any, table: pa.Table) -> pa.Table:
        import pyarrow as pa

        columns: dict[str, Any] = {"text": self.texts.shortened(places, table["text"])}
        if self.renamed:
            columns["id"] = pa.array(self.ledger.ids(places), pa.string())
        return write.with_columns(table, columns)


def _wants_processes(n_workers: int, jobs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether workers are to be processes: web pages are read by libraries that let no other thread run meanwhile, and
    many threads would wait for the little that Python itself does."""
    return n_workers > MOST_THREADS or any(job["unit"]["format"] in PAGES for job in jobs)


def _sizes(ledger: Ledger, n: int) -> Any:
    found = ledger.table("SELECT place, n_bytes FROM documents")
    sizes = np.zeros(n, dtype=np.int64)
    sizes[found["place"].to_numpy()] = found["n_bytes"].to_numpy()
    return sizes


def _mended_by(name: str, mended: Mapping[str, int]) -> dict[str, int]:
    return {key.partition("/")[2]: n for key, n in sorted(mended.items()) if key.startswith(name + "/")}


def _limits(report: Mapping[str, Any]) -> list[str]:
    """Sentences of the data statement that only this run can say."""
    unread = ", ".join(f"{reason} {n:,}" for reason, n in report["not_read"].items())
    found = [f"Not read: {unread or 'nothing'}."]
    found += [f"{text[:1].upper()}{text[1:]}." for text in report["exempt"].values()]
    if report["quality"].get("auc") is not None:
        found.append(f"Quality classifier: held-out AUC {report['quality']['auc']:.3f} on synthetic noise.")
    return found


def _summary(report: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> str:
    """The run in a line: what went in, what came out, and where the rest went."""
    totals = report["totals"]
    gone = Counter({row["name"]: row["in"] - row["out"] for row in steps if row["in"] > row["out"]})
    most = ", ".join(f"{name} {n:,}" for name, n in gone.most_common(4))
    unread = ", ".join(f"{reason} {n:,}" for reason, n in report["not_read"].items())
    return (
        f"curate: {steps[0]['in']:,} documents read, {totals['documents']:,} in the corpus ({totals['megabytes']} MB)"
        + (f"; went at: {most}" if most else "")
        + (f"; not read: {unread}" if unread else "")
    )


def _undrawn(places: Any) -> pa.Table:
    import pyarrow as pa

    return pa.table({
        "place": pa.array(places, pa.int64()), "reason": pa.repeat(pa.scalar("not_drawn", pa.string()), len(places)),
    })  # fmt: skip


def _remove_unfinished(cache: Path) -> None:
    """Removes units that another process, gone by now, was writing."""
    import shutil

    for path in cache.glob(".*.*"):
        number = path.name.rsplit(".", 1)[-1]
        if not (number.isdecimal() and Path("/proc", number).exists() and int(number) != os.getpid()):
            shutil.rmtree(path, ignore_errors=True)


def nothing_left(ledger: Ledger) -> InputError:
    """The message where no document is left to train on."""
    rows = ledger.ask(
        "SELECT reason, count(*) AS n FROM documents WHERE step IS NOT NULL "
        "GROUP BY reason ORDER BY n DESC, reason LIMIT 4"
    )
    most = ", ".join(f"{reason} {n}" for reason, n in rows) or "nothing was read"
    return InputError(
        f"No document is left to train on: {most}.", key="documents",
        remedy="Loosen the thresholds of stages.curate, or give more text.",
    )  # fmt: skip


def curate(
    config: Config,
    units: Sequence[Mapping[str, Any]],
    workspace: Workspace,
    against: Sequence[Path] = (),
    skipped: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Runs all phases; returns the figures. `against`: index folders of older corpora; `skipped`: files that the plan
    passed over, as `Problems.to_json`."""
    run = Run(config, units, workspace, against, skipped or {})
    measured = run.measure()
    if not measured.n_documents:
        raise InputError(
            "There is no document to curate.", key="documents", remedy="Give at least one document with text."
        )
    run.own_checkpoints()
    with Ledger(workspace.checkpoints / "ledger.duckdb", run.room // 8, run.threads) as ledger:
        texts = run.judge(ledger, measured)
        return run.write(ledger, measured, texts)
