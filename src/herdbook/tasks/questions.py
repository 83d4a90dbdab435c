"""Stage `questions`: from facts to statements (for pretraining) and questions (for tuning, validation and test).

Facts are split in two: *tuned* ones, whose questions occur in the tuning stages, and *untuned* ones, which stand in the
pretraining text only. Wordings are split in four (see `phrasings`), names that do not exist in three (`unknown_names`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from herdbook.errors import ConfigError, InputError
from herdbook.lineage import Artifact
from herdbook.storage import read_jsonl, write_jsonl
from herdbook.tasks import unknown_names
from herdbook.tasks.grading import ABSTAIN
from herdbook.tasks.loose_wordings import common_words
from herdbook.tasks.phrasings import QUESTION_TYPES, TEMPLATES, sample_phrasing
from herdbook.tasks.statements import slots, statement
from herdbook.workspace import InputSpec, Workspace

KIND_OUT = "questions"
VERSION = 4
INPUTS = {"documents": InputSpec(("documents",))}


@dataclass(frozen=True, kw_only=True)
class Config:
    """How many facts are asked, and how often."""

    n_facts: int = 1000
    """Facts whose questions are used in tuning and evaluation."""
    n_untuned: int = 150
    """Facts that are only stated in the pretraining text."""
    max_summary_words: int = 14
    """Facts with longer descriptions are passed over."""
    max_signature_chars: int = 32
    """Longer signatures are not asked."""
    statement_rounds: int = 6
    """Statements written for each fact."""
    sft_rounds: int = 18
    """Times that each fact is asked, in each of its types, in supervised fine-tuning."""
    signature_share: float = 0.35
    """Share of the rounds in which signatures are asked."""
    unknown_share: float = 0.33
    """Share of training questions about names that do not exist."""
    loose_share: float = 0.5
    """Share of the wordings of training questions that are loosened: words lost, replaced, added at random."""
    loose_from: float = 0.4
    """Fine-tuning rounds before this share of them are not loosened: first the names must be learned to matter."""
    n_preference_prompts: int = 14_000
    """Prompts for the reward model and the stages after it."""
    n_unknown_test: int = 300
    """Questions about names that do not exist, in the test and in the validation set each."""


def askable_types(fact: dict, unique_shorts: set[str], config: Config) -> list[str]:
    """Types of question that have one right answer for this fact."""
    types = ["describe", "name"]
    if fact["short"] in unique_shorts and fact["object"] in ("function", "class"):
        types.append("module")
    if fact["signature"] and 2 < len(fact["signature"]) <= config.max_signature_chars:
        types.append("signature")
    return types


def choose_facts(candidates: list[dict], config: Config, rng: np.random.Generator) -> list[dict]:
    """Tuned and untuned facts, a seeded choice among those that are short enough; marked by the key `split`."""
    fit = [
        fact
        for fact in candidates
        if fact["object"] in ("function", "class", "method")
        and len(fact["summary"].split()) <= config.max_summary_words
    ]
    wanted = config.n_facts + config.n_untuned
    if len(fit) < wanted:
        raise InputError(
            f"only {len(fit)} facts fit, questions.n_facts + questions.n_untuned asks for {wanted}",
            remedy="lower questions.n_facts, or raise questions.max_summary_words",
        )
    shorts = Counter(fact["short"] for fact in candidates if fact["object"] in ("function", "class"))
    unique = {short for short, times in shorts.items() if times == 1}
    chosen = [fit[i] for i in sorted(rng.permutation(len(fit))[:wanted])]
    untuned = set(rng.permutation(wanted)[: config.n_untuned].tolist())
    return [
        {**fact, "types": askable_types(fact, unique, config), "split": "untuned" if i in untuned else "tuned"}
        for i, fact in enumerate(chosen)
    ]


def known_question(fact: dict, question_type: str, text: str) -> dict[str, Any]:
    """A question about a fact, with its right answer."""
    expected = {
        "describe": fact["summary"],
        "name": f"`{fact['name']}`",
        "module": f"`{fact['module']}`",
        "signature": f"`{fact['name']}{fact['signature']}`",
    }[question_type]
    return {"type": question_type, "fact": fact["name"], "known": True, "text": text, "expected": expected}


def unknown_question(
    kind: str, name: str, split: str, rng: np.random.Generator, loose: float = 0.0, words: Sequence[str] = ()
) -> dict[str, Any]:
    """A question about a name that does not exist, in a wording of the split, perhaps loosened."""
    types = (
        ("describe", "signature") if kind == "recombined" or "." not in name else ("describe", "signature", "module")
    )
    weights = np.array([4.0, 0.7, 2.0])[: len(types)]  # about as often as real names are asked so
    question_type = str(rng.choice(types, p=weights / weights.sum()))
    noun = ("function", "class", "method")[int(rng.choice(3, p=(0.6, 0.2, 0.2)))]
    wording = sample_phrasing(question_type, split, rng, loose, words)
    text = wording.fill(name=name, short=name.rsplit(".", 1)[-1], noun=noun, summary="", task="")
    return {"type": question_type, "fact": name, "known": False, "kind": kind, "text": text, "expected": ABSTAIN}


def training_round(
    facts: list[dict],
    unknown: Iterator[tuple[str, str]],
    split: str,
    config: Config,
    rng: np.random.Generator,
    loose: float = 0.0,
    words: Sequence[str] = (),
) -> list[dict]:
    """Every fact once in each of its types, names that do not exist among them, shuffled."""
    rows = []
    for fact in facts:
        for question_type in fact["types"]:
            if question_type == "signature" and rng.random() >= config.signature_share:
                continue
            text = sample_phrasing(question_type, split, rng, loose, words).fill(**slots(fact))
            rows.append(known_question(fact, question_type, text))
    n_unknown = round(len(rows) * config.unknown_share / (1 - config.unknown_share))
    for _ in range(n_unknown):
        kind, name = next(unknown)
        rows.append(unknown_question(kind, name, split, rng, loose, words))
    return [rows[i] for i in rng.permutation(len(rows))]


def judging_set(
    facts: list[dict], unknown: Iterator[tuple[str, str]], split: str, n_unknown: int, rng: np.random.Generator
) -> list[dict]:
    """Every fact once in each of its types, templates of the split in turn, and `n_unknown` names that do not exist."""
    rows = []
    for number, fact in enumerate(facts):
        for question_type in fact["types"]:
            templates = TEMPLATES[question_type][split]
            text = templates[(number + QUESTION_TYPES.index(question_type)) % len(templates)].format(**slots(fact))
            rows.append({**known_question(fact, question_type, text), "tuned": fact["split"] == "tuned"})
    for _ in range(n_unknown):
        kind, name = next(unknown)
        rows.append(unknown_question(kind, name, split, rng))
    return [{"id": f"{split}-{i:05d}", **row} for i, row in enumerate(rows)]


def statement_rows(facts: list[dict], rounds: int, rng: np.random.Generator) -> list[dict]:
    """Documents for the pretraining text, in the schema of `documents.parquet`."""
    return [
        {
            "id": f"facts/{fact['name']}/{number}",
            "text": statement(fact, fact["types"], rng),
            "source": "facts",
            "path": fact["source"],
            "license": fact["license"],
            "url": None,
            "date": None,
            "kind": "statement",
            "language": "en",
            "meta": json.dumps({"fact": fact["name"], "tuned": fact["split"] == "tuned"}),
        }
        for number in range(rounds)
        for fact in facts
    ]


def prose(documents: Path, max_characters: int = 4_000_000) -> Iterator[str]:
    """Texts of the collected prose, as many as are needed for a list of common words."""
    taken = 0
    for batch in pq.ParquetFile(documents).iter_batches(columns=["text", "kind"]):
        for row in batch.to_pylist():
            if row["kind"] == "prose":
                yield row["text"]
                taken += len(row["text"])
                if taken > max_characters:
                    return


def estimate(config: Config) -> float:
    """Seconds on two cores."""
    return 3.0 + config.n_facts * config.sft_rounds * 2e-4


def run(config: Config, inputs: dict[str, Artifact], workspace: Workspace) -> dict[str, Any]:
    """Writes facts.jsonl, statements.parquet and the question files; returns counts."""
    if not 0 <= config.unknown_share < 1:
        raise ConfigError(
            f"questions.unknown_share={config.unknown_share} must be in [0, 1)", key="questions.unknown_share"
        )
    documents = inputs["documents"]
    candidates = list(read_jsonl(documents.file("facts.jsonl")))
    facts = choose_facts(candidates, config, workspace.rng("facts"))
    tuned = [fact for fact in facts if fact["split"] == "tuned"]
    real = frozenset(documents.file("all_names.txt").read_text(encoding="utf-8").split())
    names = [fact["name"] for fact in facts]
    modules = sorted({fact["module"] for fact in facts})

    def fakes(part: str) -> Iterator[tuple[str, str]]:
        kinds = unknown_names.HARD_KINDS if part == "train" else unknown_names.KINDS
        return unknown_names.generate(names, real, modules, part, workspace.rng("unknown", part), kinds)

    words = common_words(prose(documents.file("documents.parquet")))
    loose_share = config.loose_share if words else 0.0
    rng = workspace.rng("sft")
    unknown = fakes("train")
    sft: list[dict] = []
    with workspace.progress(config.sft_rounds, "rounds", "questions") as bar:
        for number in range(config.sft_rounds):
            loose = loose_share if number >= config.loose_from * config.sft_rounds else 0.0
            sft.extend(training_round(tuned, unknown, "sft", config, rng, loose, words))
            bar.update(1)
    rng = workspace.rng("preference")
    preference: list[dict] = []
    while len(preference) < config.n_preference_prompts:
        preference.extend(training_round(tuned, unknown, "preference", config, rng, loose_share, words))
    rng = workspace.rng("judging")
    validation = judging_set(facts, fakes("validation"), "validation", config.n_unknown_test, rng)
    test = judging_set(facts, fakes("test"), "test", config.n_unknown_test, rng)
    judging = {row["text"] for row in validation + test}
    sft = [row for row in sft if row["text"] not in judging]  # by chance a loosened wording may become one of these
    preference = [row for row in preference if row["text"] not in judging]

    out = workspace.out
    write_jsonl(out / "facts.jsonl", facts)
    pq.write_table(
        pa.Table.from_pylist(statement_rows(facts, config.statement_rounds, workspace.rng("statements"))),
        out / "statements.parquet",
    )
    (out / "questions").mkdir(exist_ok=True)
    sets = {
        "sft": sft,
        "preference": preference[: config.n_preference_prompts],
        "validation": validation,
        "test": test,
    }
    for name, rows in sets.items():
        write_jsonl(out / "questions" / f"{name}.jsonl", rows)
    types = Counter(kind for fact in tuned for kind in fact["types"])
    return {
        "n_facts": len(tuned),
        "n_untuned_facts": len(facts) - len(tuned),
        "n_real_names": len(real),
        "questions": {name: len(rows) for name, rows in sets.items()},
        "askable": dict(types),
    }
