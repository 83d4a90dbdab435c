"""The report of a corpus: its figures are those of funnel and ledger, texts cannot do anything on its page."""

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.dataset as ds
import pytest

from herdbook.config import from_mapping
from herdbook.curation.curate_stage import Config as CurateConfig
from herdbook.curation.heuristics.languages import members
from herdbook.curation.report import stage, views
from herdbook.curation.report.gather import APART, gather
from herdbook.curation.report.signals import judged, own_languages
from herdbook.curation.steps import heuristics
from herdbook.errors import ArtifactError
from herdbook.recipe import run
from herdbook.storage import read_json
from herdbook.workspace import Stage

EVIL = '<script>alert("x")</script> & \'quotes\' "too" </blockquote><img src=x onerror=alert(1)> '
SKIP = ["quality", "held_out", "frequent_lines"]


def recipe(folder: Path, **settings: object) -> dict:
    stages = {
        "curate": {"path": [str(folder)], "skip": SKIP, "recall_sample": 200, **settings},
        "report": {"kind": "curation_report", "inputs": {"corpus": "curate"}},
    }
    return {"recipe": {"name": "c", "final": "curate"}, "stages": stages}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, made_up: SimpleNamespace) -> SimpleNamespace:
    """A run with duplicates, short documents, two languages and texts that would like to be markup."""
    rng = random.Random(7)
    root = tmp_path_factory.mktemp("text")
    rows = [{"id": f"w{i}", "text": made_up.prose(rng), "language": "en"} for i in range(60)]
    rows += [{"id": f"copy{i}", "text": rows[i]["text"], "language": "en"} for i in range(5)]
    rows += [{"id": f"copy{i}b", "text": rows[i]["text"], "language": "en"} for i in range(2)]
    rows += [{"id": f"twin{i}", "text": rows[30 + i]["text"] + "One more line.\n", "language": "en"} for i in range(4)]
    rows += [{"id": f"short<b>{i}", "text": EVIL, "language": "de"} for i in range(1)]
    rows += [{"id": "same", "text": "The same again and again. " * 80, "language": "en"}]
    rows += [{"id": "evil", "text": EVIL + made_up.prose(rng)}]
    with open(root / "web.jsonl", "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.write("{no JSON}\n")
    for i in range(4):
        (root / f"module{i}.py").write_text(made_up.program(rng))
    result = run(recipe(root), tmp_path_factory.mktemp("run"), mode="quiet")
    page = result.folder / "report.html"
    return SimpleNamespace(
        root=root, result=result, corpus=result.artifacts["curate"].path, html=page.read_text(encoding="utf-8"),
        figures=read_json(result.folder / "report.json"),
    )  # fmt: skip


class Tags(HTMLParser):
    """Every tag with its attributes, and the text outside of styles; tags must be closed in order."""

    VOID = frozenset({"meta", "link", "br", "path", "rect", "use"})

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open[-1:]:
            self.text += data


def test_is_a_stage() -> None:
    assert isinstance(stage, Stage)
    assert stage.KIND_OUT == "report"


def test_figures_agree_with_the_funnel_and_the_ledger(made: SimpleNamespace) -> None:
    found, funnel = made.figures, read_json(made.corpus / "funnel.json")
    ledger = ds.dataset(str(made.corpus / "ledger")).to_table().to_pylist()
    assert sum(row["documents"] for row in found["matrix"]) == len(ledger) == funnel["steps"][0]["in"]
    assert sum(row["bytes"] for row in found["matrix"]) == sum(row["n_bytes"] for row in ledger)
    by_reason = {(row["name"], reason): sum(by.values()) for row in funnel["steps"] for reason, by in
                 row["reasons"].items() if row["name"] not in APART}  # fmt: skip
    assert {(row["step"], row["reason"]): row["documents"] for row in found["rules"]} == by_reason
    assert found["dropped"] == sum(by_reason.values())
    assert by_reason["exact_duplicates", "exact_duplicate"] == 7
    assert by_reason["near_duplicates", "near_duplicate"] == 4
    assert found["not_read"] == {"not_json": 1}
    for step in funnel["steps"]:
        for reason, by in step["reasons_by_language"].items():
            mine: dict[str, int] = {}
            for row in found["matrix"]:
                if (row["step"], row["reason"]) == (step["name"], reason):
                    mine[row["language"]] = mine.get(row["language"], 0) + row["documents"]
            assert mine == by
    licences = {row["licence"]: row["documents_in"] for row in found["licences"]}
    assert sum(licences.values()) == len(ledger)


def test_clusters_are_those_of_the_ledger(made: SimpleNamespace) -> None:
    first = made.figures["clusters"][0]
    assert first["members"] == 2
    assert {one["reason"] for one in first["went"]} == {"exact_duplicate"}
    assert all(one["similarity"] == 1.0 for one in first["went"])
    assert first["excerpt"]
    ledger = ds.dataset(str(made.corpus / "ledger")).to_table(columns=["kept_instead"]).to_pylist()
    twins = [row["kept_instead"] for row in ledger if row["kept_instead"]]
    assert {c["kept"]: c["members"] for c in made.figures["clusters"]} == {name: twins.count(name) for name in twins}
    assert made.figures["dedup"]["measured_recall_on_sample"] == 1.0


def test_a_rules_figure_and_threshold_give_its_verdicts(made: SimpleNamespace) -> None:
    """What is drawn is what judges: the rules of the steps on the ledger's columns give the same documents."""
    table = ds.dataset(str(made.corpus / "ledger")).to_table()
    arrays = {name: table[name].to_numpy() for name in table.column_names}
    prose = arrays["kind"] == "prose"
    config = CurateConfig()
    rules = dict(heuristics.rules(arrays, config.heuristics))
    groups = members(arrays["language"], own_languages(config))
    assert set(groups) == {"", "de"}
    drawn = [rule for rule in judged(config, ["de"]) if rule.step == "heuristics"]
    without = {"too_large", "repetition_empty", "fineweb_empty", "c4_lorem_ipsum", "c4_curly_bracket"}
    assert rules.keys() - without == {rule.reason for rule in drawn}
    masks = {rule.reason: np.zeros(len(prose), dtype=bool) for rule in drawn}
    for rule in drawn:
        masks[rule.reason] |= rule.beyond(rule.values(arrays)) & prose & groups[rule.language]
    assert {reason: mask.tolist() for reason, mask in masks.items()} == {r: rules[r].tolist() for r in masks}
    assert sum(mask.sum() for mask in masks.values()) > 3


def test_histograms_count_every_document_once(made: SimpleNamespace) -> None:
    table = ds.dataset(str(made.corpus / "ledger")).to_table(columns=["kind"])
    n = table["kind"].to_pylist().count("prose")
    words = [row for row in made.figures["histograms"] if row["reason"] == "gopher_too_few_words"]
    assert [row["language"] for row in words] == ["", "de"]
    assert sum(sum(row["counts"]) for row in words) == sum(row["documents"] for row in words) == n
    assert all(len(row["edges"]) == len(row["counts"]) + 1 for row in words)
    figures = [sample["figure"] for row in made.figures["rules"] for sample in row["dropped"] if sample["figure"]]
    assert figures
    assert all((f["value"] > f["threshold"]) if f["above"] else (f["value"] < f["threshold"]) for f in figures)


def test_texts_and_ids_are_escaped_and_nothing_is_fetched(made: SimpleNamespace) -> None:
    page = Tags(made.html)
    assert not page.open
    assert "<script>alert(\"x\")</script> & 'quotes'" in page.text
    assert "short<b>0" in page.text
    for tag, attributes in page.tags:
        assert tag not in {"script", "img", "iframe", "object", "embed", "form", "base"}
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "action", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith("#") or value == "data:,"
    assert "default-src 'none'" in made.html
    assert not re.search(r"url\((?!#)|@import", made.html)


def test_every_table_has_heads_and_a_name(made: SimpleNamespace) -> None:
    page = Tags(made.html)
    n_tables = sum(tag == "table" for tag, _ in page.tags)
    assert n_tables > 8
    assert sum(tag == "caption" for tag, _ in page.tags) == n_tables
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_same_corpus_gives_the_same_figures(made: SimpleNamespace) -> None:
    card = made.result.artifacts["curate"].card
    config = from_mapping(CurateConfig, card.config, "curate")
    again = json.loads(json.dumps(gather(made.corpus, config, 10)))
    assert again == made.figures
    assert "seconds" not in json.dumps(again)


def test_spans_are_marked() -> None:
    assert views.parts_of("a bad word", (2, 5)) == [("a ", False), ("bad", True), (" word", False)]
    assert views.parts_of("bad", (0, 3)) == [("bad", True)]
    assert views.parts_of("text", None) == [("text", False)]


def test_where_nothing_was_dropped(tmp_path: Path, made_up: SimpleNamespace) -> None:
    rng = random.Random(1)
    text = tmp_path / "text"
    text.mkdir()
    for i in range(3):
        (text / f"{i}.txt").write_text(made_up.prose(rng))
    given = recipe(text, skip=[*SKIP, "heuristics", "near_duplicates", "language", "nsfw"])
    folder = run(given, tmp_path / "run", mode="quiet").folder
    html, figures = (folder / "report.html").read_text(), read_json(folder / "report.json")
    assert figures["rules"] == figures["clusters"] == figures["histograms"] == []
    for said in ("no rule dropped a document", "no document went in favour", "near-duplicates were not looked for"):
        assert said in html


def test_a_corpus_without_a_ledger_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no ledger"):
        gather(tmp_path, CurateConfig(), 3)
