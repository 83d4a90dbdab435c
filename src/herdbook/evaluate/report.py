"""Stage `report`: one self-contained HTML page about a run, and the same figures for machines.

report.html fetches nothing: charts are inline SVG, there is no script, and its content security policy forbids both.
report.json holds `final`, the metrics with their intervals by model, and wall seconds and peak memory by stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from herdbook import page, storage
from herdbook.errors import ArtifactError
from herdbook.evaluate import pedigree_graph, report_views, run_records
from herdbook.evaluate.funnel import read_funnel, read_measures, read_mixture, read_samples
from herdbook.lineage import Artifact, parent_identities
from herdbook.page import Table, duration, facts_table
from herdbook.page.funnel import drop_table, funnel_chart, mixture_table
from herdbook.workspace import Inputs, InputSpec, Workspace, one, several

KIND_OUT = "report"
VERSION = 1
INPUTS = {
    "evaluation": InputSpec(("evaluation",)),
    "corpus": InputSpec(("corpus",), optional=True),
    "tokenizer": InputSpec(("tokenizer",), optional=True),
    "shards": InputSpec(("token_shards",), optional=True),
    "models": InputSpec(("model",), optional=True, many=True),
    "reward": InputSpec(("reward_model",), optional=True),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the page shows; what was measured is decided by `evaluate`."""

    title: str = ""
    """Heading of the page; empty: made from the names of the run and of the final model."""
    dialogs: int = 10
    """Sample dialogs shown of each model, right and wrong ones."""
    dropped_samples: int = 2
    """Dropped documents shown for each reason."""


def estimate(config: Config) -> float:
    """Seconds on two cores."""
    return 8.0


def run(config: Config, inputs: Inputs, workspace: Workspace) -> dict[str, Any]:
    """Writes report.html and report.json; returns the final model's name and its closed-book accuracy.

    Inputs that were not given but are ancestors of the evaluation, found beside it, are shown all the same.
    Raises ArtifactError where evaluation.json lacks what a report cannot do without.
    """
    evaluation_artifact = one(inputs, "evaluation")
    evaluation = read_evaluation(evaluation_artifact)
    given = [artifact for name in INPUTS for artifact in several(inputs, name)]
    artifacts = run_records.ancestors([*given[1:], evaluation_artifact])
    figures_by_name = machine_figures(evaluation, artifacts)
    context = page_context(config, evaluation, evaluation_artifact, artifacts, inputs)
    html = page.render(Path(__file__).with_name("templates") / "report.html", context)
    storage.atomic_write_text(workspace.out / "report.html", html)
    storage.atomic_write_json(workspace.out / "report.json", figures_by_name)
    final = evaluation["final"]
    accuracy = figures_by_name["closed_book_accuracy"].get(final, {}).get("value")
    workspace.say(f"report.html: {len(html) / 1e6:.1f} MB, {len(artifacts)} stages")
    return {
        "final": final,
        "closed_book_accuracy": accuracy,
        "n_stages": len(artifacts),
        "html_bytes": len(html.encode()),
    }


def read_evaluation(artifact: Artifact) -> dict[str, Any]:
    """evaluation.json, checked for what everything else relies on."""
    path = artifact.file("evaluation.json")
    data = storage.read_json(path)
    missing = (
        [key for key in ("models", "final", "metrics") if key not in data] if isinstance(data, dict) else ["models"]
    )
    if missing:
        raise ArtifactError(f"{path} has no `{missing[0]}`.", key=missing[0], remedy="Run the stage `evaluate` again.")
    if data["final"] not in report_views.model_names(data):
        raise ArtifactError(
            f"{path}: the final model {data['final']!r} is not among the evaluated models.", key="final"
        )
    return data


def machine_figures(evaluation: dict[str, Any], artifacts: list[Artifact]) -> dict[str, Any]:
    """The content of report.json. Two stages of one name (a run and a parent from elsewhere): the later one counts."""
    metrics = evaluation["metrics"]
    return {
        "final": evaluation["final"],
        **{
            name: {model: _four(interval) for model, interval in metrics.get(name, {}).items()}
            for name in ("closed_book_accuracy", "invention_rate", "false_abstention_rate")
        },
        "win_rate_over_sft": {m: _four(i) for m, i in report_views.versus(evaluation, "sft").items()},
        "win_rate_over_control": {m: _four(i) for m, i in report_views.versus(evaluation, "control").items()},
        "wall_seconds": {a.name: round(a.card.wall_seconds, 3) for a in artifacts},
        "peak_memory_gib": {a.name: round(a.card.peak_memory_gib, 4) for a in artifacts},
    }


def _four(interval: dict[str, Any]) -> dict[str, Any]:
    return {key: interval[key] for key in ("value", "low", "high", "n")}


def page_context(
    config: Config, evaluation: dict[str, Any], evaluated: Artifact, artifacts: list[Artifact], inputs: Inputs
) -> dict[str, Any]:
    """Everything that the template shows."""
    views, final = report_views, evaluation["final"]
    corpus = _input(inputs, artifacts, "corpus")
    funnel, dropped = _json_of(corpus, "funnel.json"), _json_of(corpus, "dropped_samples.json")
    steps = read_funnel(funnel)
    main = ["closed_book_accuracy", "invention_rate", "false_abstention_rate"]
    by_type, by_name = ([m for m in evaluation["metrics"] if m.startswith(head + "/")] for head in main[:2])
    shown = {*main, *by_type, *by_name, "answer_diversity"}
    rest = [m for m in evaluation["metrics"] if m not in shown and not m.startswith("pass_at_")]
    stages = [(a.name, a.card.wall_seconds, a.card.peak_memory_gib) for a in artifacts]
    validation = [m for m in evaluation.get("validation", {}) if evaluation["validation"][m]]
    run_name = _run_name(evaluated)
    return {
        "title": config.title or f"{run_name or 'A run'}: how {final} was raised",
        "final": final,
        "tiles": views.tiles(evaluation),
        "summary": {
            "stages": len(artifacts),
            "time": duration(sum(seconds for _, seconds, _ in stages)),
            "memory": f"{max((memory for *_, memory in stages), default=0):.2f} GiB",
            "date": evaluated.card.created[:10],
            "version": evaluated.card.package_version,
        },
        "accuracy": views.metric_chart(
            evaluation, main, name="main", title="Accuracy, inventions, needless “don’t know”",
            note=f"Dots are measured values, lines 95 % bootstrap intervals over facts; {final} is the final model.",
        ),
        "by_type": views.metric_chart(
            evaluation,
            by_type,
            name="types",
            title="Accuracy by kind of question",
            note="Given a name: describe it, say where it lives, give its signature. Given a description: name it.",
            short_titles=True,
        ),
        "by_name": views.metric_chart(
            evaluation,
            by_name,
            name="names",
            title="Inventions by kind of name",
            note="Names that do not exist, by how they were made; the honest answer is “I don’t know”.",
            short_titles=True,
        ),
        "other": views.metric_chart(
            evaluation, rest, name="other", title="What was not tuned for",
            note="Untuned facts stand in the pretraining text, but no tuning stage asks about them.",
        ),
        "validation": views.metric_table(evaluation, validation, "On validation phrasings", "validation")
        if validation
        else None,
        "pairwise": views.pairwise_chart(evaluation),
        "passes": views.pass_chart(evaluation),
        "dialogs": views.dialogs(evaluation, config.dialogs),
        "pedigree": _pedigree(artifacts, evaluation),
        "missing": _missing(artifacts),
        "stages": _stage_table(artifacts),
        "time": views.time_chart(stages),
        "funnel": funnel_chart(steps),
        "drops": drop_table(steps),
        "samples": read_samples(dropped, config.dropped_samples),
        "mixture": mixture_table(read_mixture(funnel)),
        "corpus": _card_table(corpus, "The corpus"),
        "measures": facts_table("What curation measured", run_records.scalars(read_measures(funnel))),
        "tokenizer": _card_table(_input(inputs, artifacts, "tokenizer"), "The tokenizer"),
        "shards": _card_table(_input(inputs, artifacts, "shards"), "Token shards"),
        "reward": _card_table(_input(inputs, artifacts, "reward"), "Figures on its card"),
        "curves": views.curve_charts([(a.name, a.card.stage, run_records.curves(a)) for a in artifacts]),
        "cards": [t for a in artifacts if (t := _card_table(a, f"{a.name}: figures on its card"))],
        "definitions": views.definitions(evaluation),
        "machines": _machines(artifacts),
    }  # fmt: skip


# ---- cards as views ----------------------------------------------------------------------------------------------


def _input(inputs: Inputs, artifacts: list[Artifact], name: str) -> Artifact | None:
    """The artifact given for an input, else the last ancestor of its kind."""
    given = several(inputs, name)
    of_kind = [a for a in artifacts if a.kind in INPUTS[name].kinds]
    return given[0] if given else of_kind[-1] if of_kind else None


def _json_of(artifact: Artifact | None, name: str) -> Any:
    """The JSON value of a payload file, None where there is no such artifact or file."""
    if artifact is None or not (artifact.path / name).is_file():
        return None
    return storage.read_json(artifact.path / name)


def _card_table(artifact: Artifact | None, caption: str) -> Table | None:
    return facts_table(caption, run_records.scalars(artifact.metrics)) if artifact else None


def _run_name(artifact: Artifact) -> str:
    """`quickstart` for runs/quickstart/stages/evaluate-...; empty for an artifact that lies elsewhere."""
    folder = artifact.path.resolve().parent
    return folder.parent.name if folder.name == "stages" else ""


def _pedigree(artifacts: list[Artifact], evaluation: dict[str, Any]) -> Markup:
    final = next((m.get("artifact") for m in evaluation["models"] if m["name"] == evaluation["final"]), None)

    def role(artifact: Artifact) -> str:
        if artifact.identity == final or (final is None and artifact.name == evaluation["final"]):
            return "final"
        return "model" if artifact.kind in ("model", "reward_model") else "data"

    nodes = [pedigree_graph.Node(a.identity, a.name, duration(a.card.wall_seconds), role(a)) for a in artifacts]
    names = {a.identity: a.name for a in artifacts}
    said = "; ".join(
        f"{a.name} from {', '.join(names[p] for p in parent_identities(a.card.parents) if p in names)}"
        for a in artifacts
        if any(p in names for p in parent_identities(a.card.parents))
    )
    description = f"Pedigree. {said}. Table beside it."
    return Markup(pedigree_graph.draw(nodes, run_records.edges(artifacts), description, run_records.descent(artifacts)))


def _stage_table(artifacts: list[Artifact]) -> Table:
    rows = []
    names = {a.identity: a.name for a in artifacts}
    for a in artifacts:
        parents = dict.fromkeys(
            names.get(p) or a.card.parent_names.get(p, p[:12]) for p in parent_identities(a.card.parents)
        )
        rows.append([a.name, a.kind.replace("_", " "), ", ".join(parents) or "–", a.identity[:12]])
    return Table("What was made from what", ["Stage", "Kind", "Made from", "Identity"], rows, numbers=False)


def _missing(artifacts: list[Artifact]) -> list[str]:
    """Names of ancestors that are on a card but whose folders were not found."""
    known = {a.identity for a in artifacts}
    gone = {
        p: a.card.parent_names.get(p, p[:12])
        for a in artifacts
        for p in parent_identities(a.card.parents)
        if p not in known
    }
    return sorted(gone.values())


def _machines(artifacts: list[Artifact]) -> Table:
    """Stages by what they ran on, in one row for each combination."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for a in artifacts:
        card = a.card
        machine = card.machine
        commit = f" ({card.git_commit[:12]})" if card.git_commit else ""
        key = (
            str(machine.get("processor", "–")),
            f"{machine.get('cores', '–')} cores, {card.device}, {card.threads} threads × {card.world_size}",
            str(machine.get("system", "–")),
            f"Python {machine.get('python', '–')}, herdbook {card.package_version or '–'}{commit}",
            str(card.seed),
        )
        groups.setdefault(key, []).append(a.name)
    rows = [[", ".join(names), *key] for key, names in groups.items()]
    return Table("Hardware and versions", ["Stages", "Processor", "Used", "System", "Software", "Seed"], rows, False)
