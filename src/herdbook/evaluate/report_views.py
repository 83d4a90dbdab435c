"""What stands on the report's page: plain values for the template, made from evaluation.json and from cards.

Every function takes what was measured and returns a view (headline figures, charts with their tables, dialogs), or None
where nothing was measured; the template then says so. Nothing here reads a file or writes HTML but the charts' SVG.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from herdbook import figures
from herdbook.figures import IntervalPanel, Line, LinePanel, Whisker, format_number, format_percent
from herdbook.page import Chart, Table, Tile, duration, slug

Evaluation = Mapping[str, Any]

RATES = ("accuracy", "rate", "answer_diversity")
"""Endings of the names of metrics that are shares; so is pass@k. The others are shown as plain numbers."""

_PASS = re.compile(r"pass_at_(\d+)")

NAMES = {
    "closed_book_accuracy": "Closed-book accuracy",
    "invention_rate": "Invention rate",
    "false_abstention_rate": "False abstention rate",
    "untuned_fact_accuracy": "Accuracy on untuned facts",
    "untuned_false_abstention_rate": "False abstention on them",
    "win_rate": "Win rate",
    "answer_diversity": "Answer diversity",
    "bits_per_byte": "Bits per byte, held out",
    "describe": "describe it",
    "name": "name it",
    "module": "its module",
    "signature": "its signature",
    "recombined": "recombined parts",
    "edited": "one-word edits",
    "made_up": "made up",
}


@dataclass(frozen=True)
class Bubble:
    """A question, its answer and the verdict."""

    question: str
    answer: str
    expected: str
    verdict: str
    tone: str
    about: str


# ---- numbers as text ---------------------------------------------------------------------------------------------


def metric_name(metric: str) -> str:
    """`closed_book_accuracy/module` -> "Closed-book accuracy: its module"."""
    head, _, tail = metric.partition("/")
    if k := _PASS.fullmatch(metric):
        return f"pass@{k[1]}"
    name = NAMES.get(head, head.replace("_", " ").capitalize())
    return f"{name}: {NAMES.get(tail, tail.replace('_', ' '))}" if tail else name


def is_rate(metric: str) -> bool:
    """Whether a metric is a share, to be shown in per cent."""
    return metric.partition("/")[0].endswith(RATES) or _PASS.fullmatch(metric) is not None


def as_text(value: float, rate: bool) -> str:
    return format_percent(value) if rate else format_number(value)


def interval_text(interval: Mapping[str, Any], rate: bool) -> str:
    """`71.8 to 76.4 %`"""
    low, high = interval["low"], interval["high"]
    if rate:
        return f"{100 * low:.1f} to {100 * high:.1f} %"
    return f"{format_number(low)} to {format_number(high)}"


def cell(interval: Mapping[str, Any] | None, rate: bool) -> str:
    """A value with its interval, as it stands in a table."""
    if not interval:
        return "–"
    return f"{as_text(interval['value'], rate)} ({interval_text(interval, rate)})"


def whisker(interval: Mapping[str, Any] | None) -> Whisker | None:
    return Whisker(interval["value"], interval["low"], interval["high"]) if interval else None


# ---- evaluation --------------------------------------------------------------------------------------------------


def model_names(evaluation: Evaluation) -> list[str]:
    """Names of the evaluated models in the order of the evaluation."""
    return [model["name"] for model in evaluation.get("models", [])]


def versus(evaluation: Evaluation, opponent: str) -> dict[str, dict[str, Any]]:
    """Model -> its win rate over `opponent`; a pair that was judged the other way round is turned."""
    found: dict[str, dict[str, Any]] = {}
    for pair in evaluation.get("pairwise", []):
        rate = pair.get("win_rate")
        if not rate:
            continue
        if pair["b"] == opponent:
            found[pair["a"]] = dict(rate)
        elif pair["a"] == opponent:
            turned = {"value": 1 - rate["value"], "low": 1 - rate["high"], "high": 1 - rate["low"], "n": rate["n"]}
            found.setdefault(pair["b"], turned)
    return found


def tiles(evaluation: Evaluation) -> list[Tile]:
    """The headline: what the final model can do, and whether it beats its parents."""
    final, metrics = evaluation["final"], evaluation.get("metrics", {})
    notes = {
        "closed_book_accuracy": "Questions answered right from memory, in wordings that no training stage has seen.",
        "invention_rate": "Names that do not exist, answered with an invention. Lower is better.",
        "false_abstention_rate": "Real names answered with “I don’t know”. Lower is better.",
    }
    found = []
    for metric, note in notes.items():
        interval = metrics.get(metric, {}).get(final)
        if interval:
            found.append(_tile(metric_name(metric), interval, note))
    for opponent in ("sft", "control"):
        interval = versus(evaluation, opponent).get(final)
        if interval:
            verdict, tone = standing(interval)
            found.append(
                _tile(f"Win rate over {opponent}", interval, f"{verdict.capitalize()}. Ties count half.", tone)
            )
    return found


def _tile(label: str, interval: Mapping[str, Any], note: str, tone: str = "plain") -> Tile:
    text = f"{interval_text(interval, True)} (95 %), n = {interval['n']:,}"
    return Tile(label, format_percent(interval["value"]), text, note, tone)


def standing(win_rate: Mapping[str, Any]) -> tuple[str, str]:
    """What a win rate's interval shows, in words, and the tone to say it in."""
    if win_rate["low"] > 0.5:
        return "better: the interval excludes 50 %", "good"
    if win_rate["high"] < 0.5:
        return "worse: the interval excludes 50 %", "bad"
    return "not told apart: the interval contains 50 %", "plain"


def metric_chart(
    evaluation: Evaluation, metrics: Sequence[str], *, name: str, title: str, note: str, short_titles: bool = False
) -> Chart | None:
    """Dots with whiskers for some metrics of all models, with the same figures as a table."""
    values = evaluation.get("metrics", {})
    present = [metric for metric in metrics if values.get(metric)]
    if not present:
        return None
    final, models = evaluation["final"], model_names(evaluation)

    def label(metric: str) -> str:
        tail = metric.partition("/")[2]
        return NAMES.get(tail, tail).capitalize() if short_titles and tail else metric_name(metric)

    panels = [
        IntervalPanel(label(metric), [whisker(values[metric].get(model)) for model in models], is_rate(metric))
        for metric in present
    ]
    said = "; ".join(
        f"{metric_name(metric)} of {final}: {cell(values[metric].get(final), is_rate(metric))}" for metric in present
    )
    svg = figures.interval_chart(
        models, panels, name=name, description=f"{title}. {said}. Table below.", emphasis=final
    )
    return Chart(title, Markup(svg), note, metric_table(evaluation, present, title))


def metric_table(evaluation: Evaluation, metrics: Sequence[str], caption: str, where: str = "metrics") -> Table:
    """Models by metrics, each cell a value with its interval; the number of questions stands in the head."""
    values = evaluation.get(where, {})
    head = ["Model"]
    for metric in metrics:
        counts = sorted({interval["n"] for interval in values[metric].values()})
        n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        head.append(f"{metric_name(metric)} (n\u00a0=\u00a0{n})")
    rows = [
        [model, *(cell(values[metric].get(model), is_rate(metric)) for metric in metrics)]
        for model in model_names(evaluation)
    ]
    return Table(caption, head, rows)


def pairwise_chart(evaluation: Evaluation) -> Chart | None:
    """Win, tie and loss of the judged pairs, those of the final model first."""
    final = evaluation["final"]
    pairs = sorted(evaluation.get("pairwise", []), key=lambda pair: pair["a"] != final)
    if not pairs:
        return None
    rows = [(f"{pair['a']} against {pair['b']}", (pair["win"], pair["tie"], pair["loss"])) for pair in pairs]
    table = []
    for (label, counts), pair in zip(rows, pairs, strict=True):
        reasons = "; ".join(f"{reason}: {_count(n)}" for reason, n in pair.get("reasons", {}).items()) or "–"
        rate = pair.get("win_rate")
        verdict = standing(rate)[0] if rate else "–"
        table.append([label, *(f"{n:,}" for n in counts), cell(rate, True), verdict, reasons])
    said = "; ".join(f"{label}: {w} wins, {t} ties, {n} losses" for label, (w, t, n) in rows)
    svg = figures.stacked_bars(
        rows,
        ("win", "tie", "loss"),
        name="pairwise",
        description=f"Pairwise comparison. {said}. Table below.",
        roles=("accent", "quiet", "second"),
        shares=True,
    )
    note = (
        "Both models answer the same question; a program that knows the truth decides: correct beats an honest "
        "“I don’t know”, which beats a wrong answer. The reward model has no say."
    )
    head = ["Pair", "Win", "Tie", "Loss", "Win rate (ties half)", "What it shows", "Reasons"]
    return Chart("Wins, ties and losses", Markup(svg), note, Table("Pairwise comparison", head, table))


def _count(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_count(inner)}" for key, inner in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def pass_chart(evaluation: Evaluation) -> Chart | None:
    """One try against the best of k, the largest k that was measured."""
    values = evaluation.get("metrics", {})
    best = max((m for m in values if _PASS.fullmatch(m)), key=lambda m: int(m.rpartition("_")[2]), default="pass_at_1")
    one, many = values.get("pass_at_1", {}), values.get(best, {})
    models = [model for model in model_names(evaluation) if model in one and model in many]
    if not models or best == "pass_at_1":
        return None
    name = metric_name(best)
    said = "; ".join(f"{model}: {cell(one[model], True)} and {cell(many[model], True)}" for model in models)
    svg = figures.paired_dots(
        [(model, whisker(one[model]), whisker(many[model])) for model in models],
        ("pass@1", name),
        name="pass",
        description=f"pass@1 and {name}. {said}. Table below.",
    )
    present = [metric for metric in ("pass_at_1", best, "answer_diversity") if values.get(metric)]
    note = (
        "The gap between one sampled answer and the best of several is what a model could still win by choosing better "
        "among its own answers."
    )
    table = metric_table(evaluation, present, f"pass@1, {name} and answer diversity")
    return Chart("One answer, or the best of several", Markup(svg), note, table)


VERDICTS = {
    "correct": ("correct", "good"),
    "honest": ("honest: that name does not exist", "good"),
    "invented": ("invented: that name does not exist", "bad"),
    "abstained": ("“don’t know” about a real name", "bad"),
    "wrong": ("wrong", "bad"),
}


def dialogs(evaluation: Evaluation, limit: int) -> list[tuple[str, list[Bubble]]]:
    """Sample dialogs by model, at most `limit` of each: the final model first, right answers before wrong ones."""
    by_model: dict[str, list[Bubble]] = {}
    for example in evaluation.get("examples", []):
        by_model.setdefault(str(example.get("model", "?")), []).append(_bubble(example))
    final = evaluation["final"]
    order = [final, *(name for name in reversed(model_names(evaluation)) if name != final)]
    order += [name for name in by_model if name not in order]
    found = []
    for name in order:
        bubbles = by_model.get(name, [])
        good, bad = ([b for b in bubbles if (b.tone == "good") is right] for right in (True, False))
        n_bad = min(len(bad), max(limit // 2, limit - len(good)))
        chosen = good[: limit - n_bad] + bad[:n_bad]
        if chosen:
            found.append((name, chosen))
    return found


def _bubble(example: Mapping[str, Any]) -> Bubble:
    expected, verdict = str(example.get("expected") or ""), str(example.get("verdict", ""))
    unknown = example.get("known") is False or "don't know" in expected.lower()
    key = {"correct": "honest", "wrong": "invented"}.get(verdict, verdict) if unknown else verdict
    words, tone = VERDICTS.get(key, (verdict.replace("_", " "), "plain"))
    about = ", ".join(str(example[key]) for key in ("type", "split") if example.get(key))
    return Bubble(str(example.get("question", "")), str(example.get("answer", "")), expected, words, tone, about)


def definitions(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Every metric's name and definition; a metric without one is listed too, so that the gap shows."""
    given = evaluation.get("definitions", {})
    metrics = list(evaluation.get("metrics", {}))
    names = [*given, *(metric for metric in metrics if metric not in given and metric.partition("/")[0] not in given)]
    return [(metric_name(name), str(given.get(name, "No definition was given."))) for name in names]


# ---- training ----------------------------------------------------------------------------------------------------

LOSSES = ("loss", "heldout_loss", "validation_loss")
OTHERS = {
    "bits per byte": ("bits_per_byte", "heldout_bits_per_byte"),
    "pair accuracy": ("accuracy", "pair_accuracy", "heldout_accuracy", "heldout_pair_accuracy", "validation_accuracy"),
    "margin": ("margin", "reward_margin", "mean_margin"),
    "reward": ("reward", "mean_reward", "score", "task_reward"),
    "KL to the reference": ("kl", "mean_kl", "kl_to_reference", "approx_kl"),
}
"""Which figures of a metric log are drawn, and which share a small chart; the others stand in the tables only."""

_LOSS_UNITS = {"pretrain": "nats per token", "sft": "nats per token", "reject": "nats per token",
               "control": "nats per token", "reward": "nats per pair", "dpo": "nats per pair"}  # fmt: skip

Log = tuple[str, str, Mapping[str, tuple[list[float], list[float]]]]
"""Name of a stage, its kind, and its curves: figure -> (steps, values)."""


@dataclass(frozen=True)
class Curves:
    """Charts of all stages together, and each stage's log as a table."""

    charts: list[Chart]
    tables: list[Table]


def curve_charts(logs: Iterable[Log]) -> Curves:
    """Losses of all stages as one set of small panels, everything else that was measured while training as another."""
    logs = [log for log in logs if log[2]]
    losses, others = [], []
    for name, stage, curves in logs:
        if lines := _lines(curves, LOSSES):
            unit = _LOSS_UNITS.get(stage)
            losses.append(LinePanel(f"{name} ({unit})" if unit else name, _step_unit(stage), lines))
        for title, keys in OTHERS.items():
            if lines := _lines(curves, keys):
                others.append(LinePanel(f"{name}: {title}", _step_unit(stage), lines))
    titles = (
        ("Loss by stage", "Long logs are drawn as means of bins; the shade is the range within a bin."),
        ("What else was measured", "Of preference pairs, rollouts and held-out text while training."),
    )
    charts = []
    for (title, note), panels in zip(titles, (losses, others), strict=True):
        if panels:
            name = slug(title)
            svg = figures.line_panels(panels, name=name, description=f"{title}. {_said(panels)}. Table below.")
            charts.append(Chart(title, Markup(svg), note, _first_and_last(title, panels)))
    return Curves(charts, [_log_table(name, curves) for name, _, curves in logs])


def _lines(curves: Mapping[str, tuple[list[float], list[float]]], keys: Iterable[str]) -> list[Line]:
    return [Line(key.replace("_", " ").replace("heldout", "held-out"), *curves[key]) for key in keys if key in curves]


def _step_unit(stage: str) -> str:
    return "rollout" if stage == "ppo" else "step"


def _said(panels: Sequence[LinePanel]) -> str:
    ends = [
        (p.title, line.label, format_number(line.y[0]), format_number(line.y[-1])) for p in panels for line in p.lines
    ]
    return "; ".join(f"{title}, {label}: from {first} to {last}" for title, label, first, last in ends)


def _first_and_last(caption: str, panels: Sequence[LinePanel]) -> Table:
    rows = [
        [p.title, line.label, format_number(line.y[0]), format_number(line.y[-1])] for p in panels for line in p.lines
    ]
    return Table(caption, ["Panel", "Curve", "First", "Last"], rows)


def _log_table(name: str, curves: Mapping[str, tuple[list[float], list[float]]]) -> Table:
    rows = [
        [key.replace("_", " "), *(format_number(v) for v in (y[0], y[-1], min(y), max(y))), f"{len(y):,}"]
        for key, (_, y) in curves.items()
    ]
    return Table(f"Metric log of {name}", ["Figure", "First", "Last", "Lowest", "Highest", "Points"], rows)


# ---- stages ------------------------------------------------------------------------------------------------------


def time_chart(stages: Sequence[tuple[str, float, float]]) -> Chart | None:
    """Wall time of each stage from (name, wall seconds, peak memory in GiB)."""
    if not stages:
        return None
    rows = [(name, [round(seconds, 1)]) for name, seconds, _ in stages]
    total = sum(seconds for _, seconds, _ in stages)
    peak = max(memory for _, _, memory in stages)
    said = "; ".join(f"{name}: {duration(seconds)}" for name, seconds, _ in stages)
    svg = figures.stacked_bars(
        rows, ["wall seconds"], name="time", description=f"Wall time by stage. {said}. Table below.", unit=" s"
    )
    note = f"{duration(total)} in all; the hungriest stage needed {peak:.2f} GiB at its peak."
    body = [[name, f"{seconds:,.1f}", f"{memory:.2f}"] for name, seconds, memory in stages]
    body.append(["all (peak: largest)", f"{total:,.1f}", f"{peak:.2f}"])
    table = Table("Wall seconds and peak memory by stage", ["Stage", "Wall seconds", "Peak memory, GiB"], body)
    return Chart("Time by stage", Markup(svg), note, table)
