"""The report: figures that are right, a page that is safe, complete in itself, and whole when inputs are missing."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from herdbook.errors import ArtifactError
from herdbook.evaluate import pedigree_graph, report, report_views, run_records
from herdbook.evaluate.funnel import ALL, read_funnel, read_samples
from herdbook.lineage import load_artifact
from herdbook.page import duration
from herdbook.page.funnel import Step, funnel_chart
from herdbook.workspace import Stage, Workspace

VOID = {"meta", "link", "br", "img", "hr", "input", "path", "rect", "use"}


class Page(HTMLParser):
    """Checks nesting while it collects tags, ids, references, headings and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
            self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def attributes(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


def make(made, out, **inputs):
    workspace = Workspace.local(out)
    metrics = report.run(report.Config(), {"evaluation": made["evaluate"], **inputs}, workspace)
    return metrics, (out / "report.html").read_text(encoding="utf-8"), json.loads((out / "report.json").read_text())


@pytest.fixture(scope="module")
def result(synthetic_run, tmp_path_factory):
    made = synthetic_run
    models = [made[name] for name in ("pretrain", "sft", "reject", "ppo", "dpo", "control")]
    return make(made, tmp_path_factory.mktemp("report") / "out", corpus=made["curate"], tokenizer=made["tokenizer"],
                shards=made["tokenize"], models=models, reward=made["reward"])  # fmt: skip


@pytest.fixture(scope="module")
def html(result):
    return result[1]


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_is_a_stage():
    assert isinstance(report, Stage)
    assert report.KIND_OUT == "report"


# ---- report.json -------------------------------------------------------------------------------------------------


def test_json_has_the_agreed_keys_and_the_measured_figures(result, synthetic_run):
    figures = result[2]
    evaluation = json.loads(synthetic_run["evaluate"].file("evaluation.json").read_text())
    assert list(figures) == [
        "final", "closed_book_accuracy", "invention_rate", "false_abstention_rate", "win_rate_over_sft",
        "win_rate_over_control", "wall_seconds", "peak_memory_gib",
    ]  # fmt: skip
    assert figures["final"] == "dpo"
    for metric in ("closed_book_accuracy", "invention_rate", "false_abstention_rate"):
        assert figures[metric] == evaluation["metrics"][metric]
    assert figures["win_rate_over_sft"].keys() == {"dpo", "control"}
    assert figures["win_rate_over_sft"]["dpo"] == evaluation["pairwise"][0]["win_rate"]
    assert figures["win_rate_over_control"]["dpo"] == evaluation["pairwise"][1]["win_rate"]


def test_a_pair_judged_the_other_way_round_is_turned(result):
    """control against sft was judged; that says what sft does against control."""
    figures = result[2]
    straight, turned = figures["win_rate_over_sft"]["control"], figures["win_rate_over_control"]["sft"]
    assert turned == {
        "value": pytest.approx(1 - straight["value"]), "low": pytest.approx(1 - straight["high"]),
        "high": pytest.approx(1 - straight["low"]), "n": straight["n"],
    }  # fmt: skip


def test_wall_time_and_memory_of_every_ancestor(result, synthetic_run):
    figures = result[2]
    assert figures["wall_seconds"] == {name: a.card.wall_seconds for name, a in synthetic_run.items()}
    assert figures["peak_memory_gib"] == {name: a.card.peak_memory_gib for name, a in synthetic_run.items()}


# ---- report.html -------------------------------------------------------------------------------------------------


def test_page_is_well_formed_and_says_the_main_things(page, result):
    text = " ".join(" ".join(page.text).split())
    accuracy = result[2]["closed_book_accuracy"]["dpo"]
    assert f"{100 * accuracy['value']:.1f} %" in text
    assert f"{100 * accuracy['low']:.1f} to {100 * accuracy['high']:.1f} %" in text
    assert "Better: the interval excludes 50 %" in text
    for words in (
        "quickstart: how dpo was raised",
        "gopher quality: too few words (9,713)",
        "too few words (2 words) · packages, p/1",
        "packages/prose",
        "dedup: pairs checked",
        "dpo against sft",
        "Share of questions about tuned facts",
        "held out pair accuracy: right over wrong",
        "vocab size",
        "Example CPU",
        "Python 3.11.2",
        "0123456789ab",
    ):
        assert words in text, words
    assert "Not available" not in text


def test_nothing_is_fetched_and_nothing_runs(page, html):
    for tag, attrs in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "img", "base", "form"}, tag
        assert not [name for name in attrs if name.startswith("on")], attrs
        for name in ("src", "srcset", "action", "data", "poster"):
            assert name not in attrs, (tag, attrs)
        if "href" in attrs:
            assert attrs["href"].startswith("#") or attrs["href"] == "data:,", attrs
    style = "".join(re.findall(r"<style>(.*?)</style>", html, flags=re.S))
    assert "url(" not in style and "@import" not in style
    assert "default-src 'none'" in html


def test_untrusted_text_arrives_as_text(page, html):
    hostile = [t for t in page.text if "evil.example" in t]
    assert len(hostile) == 2, "one answer and one dropped document hold markup; both are shown as they are"
    assert "<script" not in html and "<img" not in html


def test_every_reference_resolves_and_ids_are_unique(page):
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    targets = [href[1:] for href in page.attributes("href") if href.startswith("#")]
    targets += page.attributes("aria-labelledby")
    assert targets and set(targets) <= set(ids)


def test_accessible(page):
    svgs = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(svgs) >= 15
    assert all(attrs.get("role") == "img" and len(attrs.get("aria-label") or "") > 20 for attrs in svgs)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), "no level of headings is skipped"
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption")
    figures = tags.count("figure")
    assert figures >= 8 and tags.count("table") >= figures, "a table for each chart"
    assert page.tags[0] == ("html", {"lang": "en"})
    viewport = [attrs for tag, attrs in page.tags if tag == "meta" and attrs.get("name") == "viewport"]
    assert viewport and "maximum-scale" not in (viewport[0]["content"] or "")


def test_charts_and_table_agree(page, result):
    """The value that the chart of accuracy writes beside a dot is the one in report.json."""
    text = "".join(page.text)
    for interval in result[2]["invention_rate"].values():
        assert text.count(f"{100 * interval['value']:.1f} %") >= 3, "wide chart, narrow chart, table"


def test_inputs_that_are_not_given_are_found_and_the_bytes_are_the_same(synthetic_run, tmp_path, result):
    assert make(synthetic_run, tmp_path / "out") == result


def test_without_any_ancestor_the_page_says_what_is_not_available(synthetic_run, tmp_path):
    alone = tmp_path / "elsewhere" / "evaluate"
    shutil.copytree(synthetic_run["evaluate"].path, alone)
    _, html, figures = make({"evaluate": load_artifact(alone)}, tmp_path / "out")
    text = " ".join(" ".join(Page(html).text).split())
    for what in (
        "the corpus was not given",
        "the tokenizer was not given",
        "no stage left a metric log",
        "no reward model",
        "Not found beside this run, so not drawn: control, dpo, ppo",
    ):
        assert what in text, what
    assert list(figures["wall_seconds"]) == ["evaluate"]
    assert "A run: how dpo was raised" in text


def change(synthetic_run, tmp_path, edit):
    folder = tmp_path / "evaluate"
    shutil.copytree(synthetic_run["evaluate"].path, folder)
    data = json.loads((folder / "evaluation.json").read_text())
    edit(data)
    (folder / "evaluation.json").write_text(json.dumps(data))
    return {"evaluate": load_artifact(folder)}


def test_the_bare_minimum_of_an_evaluation_is_enough(synthetic_run, tmp_path):
    def edit(data):
        for key in ("pairwise", "validation", "examples", "definitions"):
            del data[key]
        data["metrics"] = {"closed_book_accuracy": {"dpo": data["metrics"]["closed_book_accuracy"]["dpo"]}}

    _, html, figures = make(change(synthetic_run, tmp_path, edit), tmp_path / "out")
    text = " ".join(Page(html).text)
    assert "no pairwise comparison" in text and "kept no examples" in text and "pass@1 and pass@8 were not" in text
    assert figures["invention_rate"] == {} and figures["win_rate_over_sft"] == {}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda data: data.pop("final"), "has no `final`"),
        (lambda data: data.pop("metrics"), "has no `metrics`"),
        (lambda data: data.update(final="grpo"), "'grpo' is not among"),
    ],
)
def test_an_evaluation_that_cannot_be_reported_is_refused(synthetic_run, tmp_path, edit, message):
    with pytest.raises(ArtifactError, match=message):
        make(change(synthetic_run, tmp_path, edit), tmp_path / "out")
    assert not (tmp_path / "out" / "report.html").exists()


# ---- views -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "tone"), [(0.51, 0.6, "good"), (0.4, 0.49, "bad"), (0.49, 0.6, "plain"), (0.5, 0.6, "plain")]
)
def test_a_win_rate_is_better_only_when_the_interval_excludes_one_half(low, high, tone):
    assert report_views.standing({"low": low, "high": high})[1] == tone


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.14, "3.1 s"), (84.2, "84 s"), (147, "2 min 27 s"), (119.9, "2 min 00 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_dialogs_show_right_and_wrong_ones_of_the_final_model_first(synthetic_run):
    evaluation = json.loads(synthetic_run["evaluate"].file("evaluation.json").read_text())
    shown = report_views.dialogs(evaluation, 4)
    assert [name for name, _ in shown] == ["dpo", "sft", "pretrain"]
    assert [bubble.tone for bubble in shown[0][1]] == ["good", "good", "bad", "bad"]
    verdicts = {bubble.verdict for _, bubbles in report_views.dialogs(evaluation, 99) for bubble in bubbles}
    assert verdicts == {words for words, _ in report_views.VERDICTS.values()}


def test_metric_log_with_gaps_and_broken_lines(tmp_path, synthetic_run):
    folder = tmp_path / "sft"
    shutil.copytree(synthetic_run["sft"].path, folder)
    lines = [
        '{"step": 1, "loss": 2.0}',
        '{"step": 2, "loss": NaN}',
        '{"step": 3, "lo',
        "7",
        '{"step": 4, "loss": 1.0, "b": true}',
    ]
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    assert run_records.curves(load_artifact(folder)) == {"loss": ([1.0, 4.0], [2.0, 1.0])}


# ---- pedigree ----------------------------------------------------------------------------------------------------


def test_ancestors_come_before_their_children_and_once(synthetic_run):
    found = [a.name for a in run_records.ancestors([synthetic_run["sft"], synthetic_run["evaluate"]])]
    assert sorted(found) == sorted(synthetic_run)
    for name, artifact in synthetic_run.items():
        for parent in artifact.card.parent_names.values():
            if parent in [load_artifact(synthetic_run[n].path).name for n in found[: found.index(name)]]:
                assert found.index(parent) < found.index(name)
    assert (
        found.index("pretrain")
        < found.index("sft")
        < found.index("reward")
        < found.index("reject")
        < found.index("dpo")
    )


def test_edges_that_a_longer_path_implies_are_left_out():
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d"), ("b", "e")]
    assert pedigree_graph.essential_edges(edges) == [("a", "b"), ("b", "c"), ("b", "e"), ("c", "d")]


def test_the_line_of_descent_is_straight_and_no_line_crosses_a_box(synthetic_run):
    artifacts = run_records.ancestors(synthetic_run.values())
    key = {a.name: a.identity for a in artifacts}
    descent = run_records.descent(artifacts)
    line = pedigree_graph.descent_line(key["dpo"], descent)
    assert [n for n, k in key.items() if k in line] == ["pretrain", "sft", "reject", "ppo", "dpo"]
    lines = sorted({*pedigree_graph.essential_edges(run_records.edges(artifacts)), *descent})
    places, passes = pedigree_graph.arrange([a.identity for a in artifacts], lines, descent, line)
    assert {places[k].lane for k in line} == {0}
    boxes = list(places.values())
    assert len(set(boxes)) == len(boxes)
    way = [place for path in passes.values() for place in path]
    assert way and not set(way) & set(boxes)
    assert len(set(way)) == len(way), "two lines never share a lane"
    for parent, child in lines:
        assert places[parent].layer < places[child].layer


def test_names_in_the_pedigree_are_text():
    svg = pedigree_graph.draw([pedigree_graph.Node("k<", "<b>&", '"x"')], [], '"<&')
    assert "<b>" not in svg and "&lt;b&gt;&amp;" in svg and 'aria-label="&quot;&lt;&amp;"' in svg


# ---- funnel ------------------------------------------------------------------------------------------------------


def test_funnel_in_the_forms_that_it_may_have():
    step = Step("near duplicates", {"web": 7.0}, {"exact": {"web": 3.0}})
    row = {"name": "near_duplicates", "in": 10, "out": 7, "before": {"web": 10}, "kept": {"web": 7},
           "reasons": {"exact": {"web": 3}}, "bytes_in": 9_000_000, "bytes_out": 2_000_000}  # fmt: skip
    written = [Step("collected", {"web": 10.0}, {}, 9.0), Step(step.name, step.kept, step.dropped, 2.0)]
    assert read_funnel({"steps": [row]}) == written
    assert read_funnel([{"step": "near duplicates", "kept": {"web": 7}, "dropped": {"exact": {"web": 3}}}]) == [step]
    assert read_funnel(
        {"steps": [{"name": "near_duplicates", "after": {"web": 7}, "reasons": {"web": {"exact": 3}}}]}
    ) == [step]
    counts = read_funnel([{"step": "near_duplicates", "before": 10, "after": 7, "dropped": {"exact": 3}}])
    assert counts == [Step("collected", {ALL: 10.0}), Step("near duplicates", {ALL: 7.0}, {"exact": {ALL: 3.0}})]
    nested = read_funnel([{"step": "near duplicates", "kept": {"web": {"documents": 7, "bytes": 90}}}])
    assert nested == [Step("near duplicates", {"web": 7.0})]
    assert read_funnel({}) == read_funnel([]) == read_funnel("?") == read_funnel(None) == []


def test_steps_that_dropped_nothing_are_not_drawn():
    steps = [Step("collected", {"web": 7}), Step("language", {"web": 7}), Step("quality", {"web": 5})]
    chart = funnel_chart(steps)
    assert ">language<" not in chart.svg and ">quality<" in chart.svg
    assert [row[0] for row in chart.table.rows] == ["collected", "language", "quality"]


def test_samples_in_the_forms_that_they_may_have():
    flat = [{"step": "s", "reason": "short", "source": "web", "text": "a" * 500}] * 5
    samples = read_samples(flat, per_reason=2, text_limit=100)
    assert len(samples) == 2 and samples[0].reason == "s: short" and samples[0].text == "a" * 100 + " …"
    assert read_samples({"s": {"short": [{"text": "x", "source": "web"}]}})[0] == ("s: short", "web", "", "x")
    assert read_samples({"short": ["x"]})[0] == ("short", "", "", "x")
    assert read_samples(flat, per_reason=0) == read_samples({}) == read_samples(None) == []
