"""Stage `curate`: documents become a corpus; every document that goes has a reason, and the counts add up.

Steps, in order: normalise, licence headers, e-mail addresses, exact duplicates, language, Gopher quality, Gopher
repetition, C4, code rules, near-duplicates, quality score, held-out split, mixture. Each is a file of this room, pure
functions on batches of documents; this file only wires them. Statements of facts pass all of them unjudged.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from herdbook.config import from_mapping, to_mapping
from herdbook.curation import (
    c4,
    code_rules,
    data_statement,
    exact,
    gopher_quality,
    gopher_repetition,
    heldout,
    language,
    minhash,
    mixture,
    normalise,
    pii,
)
from herdbook.curation.documents import Document, read_documents, write_documents
from herdbook.curation.funnel import Funnel, size_of
from herdbook.curation.quality import noise as quality
from herdbook.curation.shingles import Shingler, ShingleSets
from herdbook.curation.verdict import Verdicts
from herdbook.errors import ConfigError, InputError
from herdbook.progress import Progress
from herdbook.storage import atomic_write_json, atomic_write_text, disk_errors
from herdbook.workspace import InputSpec, Workspace, one

KIND_OUT = "corpus"
VERSION = 1
INPUTS = {
    "documents": InputSpec(("documents",)),
    "statements": InputSpec(("questions",), optional=True),
}
_BATCH = 256
#: Of equal texts, the one from the earlier source stays.
PREFERENCE = ("pydoc-topics", "stdlib-docstrings", "stdlib-source", "packages", "user")
STEPS = (
    "normalise", "licence_headers", "emails", "exact_duplicates", "language", "gopher_quality", "gopher_repetition",
    "c4", "code_rules", "near_duplicates", "quality", "held_out", "mixture",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Config:
    """How documents become a corpus. Thresholds of the steps are tables: `[stages.curate.gopher_quality]` and so on."""

    max_megabytes: float = 13.0
    """Size of the training text (million bytes) without statements; 0 takes everything that is kept, once."""
    shard_megabytes: float = 8.0
    """Size of a file of the corpus."""
    samples_per_reason: int = 3
    """Dropped documents shown for each reason."""
    skip: tuple[str, ...] = ()
    """Names of steps that are left out."""
    normalise: normalise.Config = field(default_factory=normalise.Config)
    """Normalisation and damaged text."""
    language: language.Config = field(default_factory=language.Config)
    """Language identification."""
    gopher_quality: gopher_quality.Config = field(default_factory=gopher_quality.Config)
    """Gopher's quality rules."""
    gopher_repetition: gopher_repetition.Config = field(default_factory=gopher_repetition.Config)
    """Gopher's repetition rules."""
    c4: c4.Config = field(default_factory=c4.Config)
    """C4's rules."""
    code_rules: code_rules.Config = field(default_factory=code_rules.Config)
    """Rules for source code."""
    minhash: minhash.Config = field(default_factory=minhash.Config)
    """Near-duplicates."""
    quality: quality.Config = field(default_factory=quality.Config)
    """The quality classifier."""
    heldout: heldout.Config = field(default_factory=heldout.Config)
    """The held-out split."""
    mixture: mixture.Config = field(default_factory=mixture.Config)
    """Shares of the sources."""

    def __post_init__(self) -> None:
        for name in self.skip:
            if name not in STEPS[:-1]:
                raise ConfigError(
                    f"there is no step {name!r} to skip.", key="skip", remedy=f"Steps: {', '.join(STEPS[:-1])}."
                )
        if self.shard_megabytes <= 0 or self.max_megabytes < 0:
            raise ConfigError("sizes in megabytes must not be negative.", key="max_megabytes", value=self.max_megabytes)


@dataclass(frozen=True)
class Corpus:
    """What curation gives: training documents in order (repeats included), held-out ones, and the account of it."""

    train: list[Document]
    heldout: list[Document]
    funnel: dict[str, Any]
    dropped_samples: list[dict[str, Any]]
    statement: str
    figures: dict[str, Any]


class _Clock:
    """Shows progress by step and keeps how long each took; times go to the metrics and never into the corpus."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._last = time.perf_counter()
        self.rows: list[dict[str, Any]] = []

    def done(self, step: str, size: int, n_documents: int) -> None:
        now = time.perf_counter()
        seconds = max(now - self._last, 1e-9)
        self._last = now
        self.rows.append({"step": step, "seconds": round(seconds, 3), "mb_per_s": round(size / 1e6 / seconds, 2)})
        self._bar.update(1, documents=n_documents)


def _preference(documents: Sequence[Document]) -> list[int]:
    """Places of the documents, best first: by source, then newest, then longest, then by id."""
    rank = {name: number for number, name in enumerate(PREFERENCE)}
    order = sorted(range(len(documents)), key=lambda i: documents[i].date or "", reverse=True)
    return sorted(
        order, key=lambda i: (rank.get(documents[i].source, len(rank)), -len(documents[i].text), documents[i].id)
    )


def _select(sets: ShingleSets, keep: Sequence[bool]) -> ShingleSets:
    parts = [sets.of(i) for i, kept in enumerate(keep) if kept]
    offsets = np.zeros(len(parts) + 1, dtype=np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return ShingleSets(np.concatenate(parts) if parts else np.empty(0, np.uint64), offsets, sets.k)


def _with_scores(document: Document, language_score: float | None, quality_score: float | None) -> Document:
    if document.kind != "prose":
        return document
    meta = json.loads(document.meta or "{}")
    if language_score is not None:
        meta["language_score"] = language_score
    if quality_score is not None:
        meta["quality"] = quality_score
    return dataclasses.replace(document, meta=json.dumps(meta, sort_keys=True, ensure_ascii=False))


def curate_documents(documents: Iterable[Document], config: Config, seed: int, bar: Progress) -> Corpus:
    """The whole pipeline on documents in memory. Depends on documents, config and seed alone, the times aside."""
    docs = list(documents)
    _unique_ids(docs)
    funnel = Funnel(config.samples_per_reason)
    clock = _Clock(bar)
    masked = 0

    def wanted(step: str) -> bool:
        return step not in config.skip

    def record(
        name: str, verdicts: Verdicts | None = None, after: list[Document] | None = None, **extra: Any
    ) -> list[bool]:
        """Records a step, moves `docs` on, returns which stayed."""
        nonlocal docs
        judged: Verdicts = verdicts if verdicts is not None else [None] * len(docs)
        size = size_of(docs)
        docs = funnel.step(name, docs, judged, after, **extra)
        clock.done(name, size, len(docs))
        return [drop is None for drop in judged]

    if wanted("normalise"):
        mended = normalise.normalise(docs)
        record("normalise", normalise.judge(mended, config.normalise), mended)
    if wanted("licence_headers"):
        record("licence_headers", after=code_rules.mend(docs, config.code_rules))
    if wanted("emails"):
        mended, masked = pii.mask(docs)
        record("emails", after=mended, masked=masked)
    if wanted("exact_duplicates"):
        record("exact_duplicates", exact.judge(docs, _preference(docs)))
    language_scores: dict[str, float] = {}
    if wanted("language"):
        labelled, scores = language.label(docs)
        language_scores = {d.id: s for d, s in zip(labelled, scores) if d.kind == "prose"}
        record("language", language.judge(labelled, scores, config.language), labelled)
    if wanted("gopher_quality"):
        record("gopher_quality", gopher_quality.judge(docs, config.gopher_quality))
    if wanted("gopher_repetition"):
        record("gopher_repetition", gopher_repetition.judge(docs, config.gopher_repetition))
    if wanted("c4"):
        record("c4", c4.judge(docs, config.c4))
    if wanted("code_rules"):
        record("code_rules", code_rules.judge(docs, config.code_rules))

    sets = Shingler(config.minhash.words).sets([document.text for document in docs])
    dedup: dict[str, Any] = {"pairs_checked": 0, "pairs_true": 0, "measured_recall_on_sample": None}
    if wanted("near_duplicates"):
        eligible = np.array([document.kind != "statement" for document in docs], dtype=bool)
        found = minhash.find_pairs(sets, config.minhash, eligible=eligible)
        dedup |= {
            "pairs_checked": found.n_checked,
            "pairs_true": len(found.pairs),
            "clusters": len({c for c, n in Counter(minhash.clusters(len(docs), found.pairs)).items() if n > 1}),
            "threshold": config.minhash.threshold,
            "shingle_words": config.minhash.words,
        }
        if config.minhash.recall_sample:
            rng = np.random.Generator(np.random.PCG64([seed, 1]))
            places = np.flatnonzero(eligible)
            chosen = np.sort(rng.permutation(places)[: config.minhash.recall_sample]).tolist()
            recall, n_true = minhash.measured_recall(sets, found.pairs, config.minhash.threshold, chosen)
            dedup |= {
                "measured_recall_on_sample": recall,
                "sample_documents": len(chosen),
                "sample_true_pairs": n_true,
            }
        stayed = record("near_duplicates", minhash.judge(docs, found.pairs, _preference(docs)))
        sets = _select(sets, stayed)

    quality_scores: dict[str, float | None] = {}
    judged_quality: dict[str, Any] = {"auc": None, "histogram": [], "histogram_by_source": {}}
    if wanted("quality"):
        model = quality.train(docs, config.quality, np.random.Generator(np.random.PCG64([seed, 2])))
        if model is not None:
            values = quality.score(docs, model, config.quality)
            quality_scores = {d.id: value for d, value in zip(docs, values)}
            judged_quality = {
                "auc": None if model.auc is None else round(model.auc, 4),
                "auc_by_noise": {kind: round(value, 4) for kind, value in model.auc_by_noise.items()},
                "n_train": model.n_train,
                "n_test": model.n_test,
                "threshold": config.quality.min_score,
                "bins": [round(i / 10, 1) for i in range(11)],
                "histogram": _histogram([v for v in values if v is not None]),
                "histogram_by_source": {
                    source: _histogram([v for d, v in zip(docs, values) if v is not None and d.source == source])
                    for source in sorted({d.source for d in docs if d.kind == "prose"})
                },
            }
            stayed = record("quality", quality.judge(docs, values, config.quality))
            sets = _select(sets, stayed)
        else:
            record("quality")
    docs = [_with_scores(d, language_scores.get(d.id), quality_scores.get(d.id)) for d in docs]

    held_documents: list[Document] = []
    heldout_counts: dict[str, int] = {}
    if wanted("held_out"):
        held, heldout_counts = heldout.choose(docs, sets, config.heldout)
        held_documents = [document for document, out in zip(docs, held) if out]
        record("held_out", [_moved("held_out") if out else None for out in held], counts=heldout_counts)
    train, drawn, rows = mixture.mix(docs, config.mixture, config.max_megabytes, seed)
    languages = dict(Counter(d.language or language.UNKNOWN for d in docs if d.kind == "prose").most_common())
    record("mixture", [None if taken else _moved("not_drawn") for taken in drawn])
    # Text that was moved or left undrawn was not judged bad: it gives no samples of dropped documents.
    samples = [s for s in funnel.samples if s["reason"] not in ("held_out", "not_drawn")]
    report = {
        "sources": sorted({source for step in funnel.steps for source in step["before"]}),
        "steps": funnel.steps,
        "mixture": rows,
        "languages": dict(sorted(languages.items(), key=lambda item: (-item[1], item[0]))),
        "quality": judged_quality,
        "dedup": dedup,
        "heldout": {**heldout_counts, "documents": len(held_documents), "bytes": size_of(held_documents)},
        "emails_masked": masked,
        "exempt": {"statement": "statements of facts pass every step unjudged: they are repeated on purpose"},
    }
    figures = {
        "n_documents_in": funnel.steps[0]["in"],
        "n_documents": len(train),
        "n_heldout": len(held_documents),
        "megabytes_in": round(funnel.steps[0]["bytes_in"] / 1e6, 3),
        "megabytes": round(size_of(train) / 1e6, 3),
        "heldout_megabytes": round(size_of(held_documents) / 1e6, 3),
        "quality_auc": judged_quality["auc"],
        "dedup_recall": dedup["measured_recall_on_sample"],
        "steps": clock.rows,
    }
    written = data_statement.data_statement(train, held_documents, report, masked, to_mapping(config))
    return Corpus(train, held_documents, report, samples, written, figures)


def _moved(reason: str) -> Any:
    from herdbook.curation.verdict import Drop

    return Drop(reason)


def _histogram(values: Sequence[float]) -> list[int]:
    """Ten equal bins from 0 to 1."""
    counts = [0] * 10
    for value in values:
        counts[min(9, int(value * 10))] += 1
    return counts


def _unique_ids(documents: list[Document]) -> None:
    """Gives documents whose id occurred before a new one ("ID~2"), in place: an id names one document."""
    seen: Counter[str] = Counter()
    for i, document in enumerate(documents):
        seen[document.id] += 1
        if seen[document.id] > 1:
            documents[i] = dataclasses.replace(document, id=f"{document.id}~{seen[document.id]}")


def write_corpus(out: Path, corpus: Corpus, shard_megabytes: float) -> None:
    """Writes shards/train-*.parquet, heldout.parquet, funnel.json, dropped_samples.json and data_statement.md."""
    shards = out / "shards"
    with disk_errors():
        shards.mkdir(parents=True, exist_ok=True)
        part: list[Document] = []
        size = number = 0
        for document in corpus.train:
            part.append(document)
            size += len(document.text)
            if size >= shard_megabytes * 1e6:
                write_documents(shards / f"train-{number:05d}.parquet", part)
                part, size, number = [], 0, number + 1
        if part or not number:
            write_documents(shards / f"train-{number:05d}.parquet", part)
        write_documents(out / "heldout.parquet", corpus.heldout)
    atomic_write_json(out / "funnel.json", corpus.funnel)
    atomic_write_json(out / "dropped_samples.json", corpus.dropped_samples)
    atomic_write_text(out / "data_statement.md", corpus.statement)


def estimate(config: Config) -> float:
    """Seconds on two cores, for some 32 MB of documents."""
    return 18.0


def run(config: Config, inputs: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Reads documents (and statements), writes the corpus to the workspace, returns its figures with times by step.

    Raises InputError where there is no document or none is left, DiskFullError where the disk is full.
    """
    documents = read_documents(one(inputs, "documents").file("documents.parquet"))
    if inputs.get("statements") is not None:
        documents += read_documents(one(inputs, "statements").file("statements.parquet"))
    return _curate_to(documents, config, workspace)


def _curate_to(documents: list[Document], config: Config, workspace: Workspace) -> dict[str, Any]:
    if not documents:
        raise InputError(
            "There is no document to curate.", key="documents", remedy="Give at least one document with text."
        )
    with workspace.progress(len(STEPS) - len(config.skip), "steps", "curate") as bar:
        corpus = curate_documents(documents, config, workspace.seed, bar)
    if not corpus.train:
        drops = Counter({r: sum(by.values()) for step in corpus.funnel["steps"] for r, by in step["reasons"].items()})
        most = ", ".join(f"{reason} {n}" for reason, n in drops.most_common(4))
        raise InputError(
            f"No document is left to train on: {most}.",
            key="documents", remedy="Loosen the thresholds of stages.curate, or give more text.",
        )  # fmt: skip
    write_corpus(workspace.out, corpus, config.shard_megabytes)
    return corpus.figures


def curate(
    documents: str | Path | Iterable[Document],
    out: str | Path,
    *,
    statements: str | Path | Iterable[Document] = (),
    seed: int = 0,
    mode: str = "quiet",
    **settings: Any,
) -> dict[str, Any]:
    """Curates documents (or Parquet files of them) into the folder `out`; `settings` are those of stage `curate`.

    Returns the figures of the run. Example: `herdbook.curation.curate("documents.parquet", "corpus", max_megabytes=5)`.
    Raises UserError for what the user can mend.
    """
    config = from_mapping(Config, settings, "curate")

    def rows(given: str | Path | Iterable[Document]) -> list[Document]:
        return read_documents(Path(given)) if isinstance(given, (str, Path)) else list(given)

    return _curate_to(rows(documents) + rows(statements), config, Workspace.local(out, seed, mode=mode))
