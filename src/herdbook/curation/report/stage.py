"""Stage `curation_report`: one page about a corpus, and the same figures for machines.

report.html fetches nothing and runs nothing; texts of documents are escaped. report.json holds all figures but times.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from herdbook import page
from herdbook.config import from_mapping
from herdbook.curation.curate_stage import Config as CurateConfig
from herdbook.curation.report import views
from herdbook.curation.report.gather import gather
from herdbook.errors import ConfigError
from herdbook.page.funnel import funnel_chart, mixture_table
from herdbook.storage import atomic_write_json, atomic_write_text
from herdbook.workspace import Inputs, InputSpec, Workspace, one

KIND_OUT = "report"
VERSION = 1
INPUTS = {"corpus": InputSpec(("corpus",))}


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the page shows; how many samples there are is decided by `curate`."""

    title: str = ""
    """Heading of the page; empty: made from the figures."""
    clusters: int = 10
    """Clusters of duplicates shown, those with most documents."""

    def __post_init__(self) -> None:
        if self.clusters < 0:
            raise ConfigError("clusters must not be negative.", key="clusters", value=self.clusters)


def estimate(config: Config) -> float:
    """Seconds on two cores."""
    return 8.0


def run(config: Config, inputs: Inputs, workspace: Workspace) -> dict[str, Any]:
    """Writes report.html and report.json; returns documents in and out and the size of the page.

    Raises ArtifactError for a corpus without a ledger.
    """
    corpus = one(inputs, "corpus")
    settings = from_mapping(CurateConfig, corpus.card.config, "curate")
    found = gather(corpus.path, settings, config.clusters)
    atomic_write_json(workspace.out / "report.json", found)
    statement = corpus.path / "data_statement.md"
    text = statement.read_text(encoding="utf-8") if statement.is_file() else ""
    html = page.render(
        Path(__file__).with_name("templates") / "curation.html",
        page_context(config, found, list(corpus.metrics.get("steps", [])), text),
    )
    atomic_write_text(workspace.out / "report.html", html)
    return {
        "documents_in": found["documents_in"],
        "documents": found["documents"],
        "dropped": found["dropped"],
        "html_bytes": len(html.encode()),
    }


def page_context(config: Config, found: dict[str, Any], times: list[dict[str, Any]], statement: str) -> dict[str, Any]:
    """Everything that the template shows."""
    used, idle = views.histogram_charts(found)
    return {
        "title": config.title or f"{found['documents_in']:,} documents read, {found['documents']:,} in the corpus",
        "about": f"{views.megabytes(found['megabytes_in'])} of text became {views.megabytes(found['megabytes'])}.",
        "tiles": views.tiles(found),
        "funnel": funnel_chart(views.funnel_steps(found)),
        "kept": views.kept_table(found),
        "reasons": views.reason_tables(found),
        "rules": views.rules(found),
        "histograms": used,
        "idle": idle,
        "dedup": views.dedup_table(found),
        "clusters": views.clusters(found),
        "mixture": mixture_table(found["mixture"]),
        "languages": views.counts_table("Languages of prose in the corpus", "Language", found["languages"]),
        "licences": views.licence_table(found),
        "mended": views.counts_table("Mended", "What", found["mended"]),
        "not_read": views.counts_table("Not read", "Why", found["not_read"]),
        "statement": statement,
        "times": views.time_chart(times),
    }
