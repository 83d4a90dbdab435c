"""What stands on the page about a corpus: plain values for the template, made from the figures of `gather`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from herdbook import figures
from herdbook.curation.report.gather import APART
from herdbook.figures import HistogramPanel, format_number, format_percent
from herdbook.page import Chart, Table, Tile, duration, slug
from herdbook.page.funnel import Step

Figures = Mapping[str, Any]
MOST_LANGUAGES = 8
"""Columns of a matrix; rarer languages share one."""
MOST_SOURCES = 6
"""Sources with a colour of their own in the funnel."""
PANELS = 6
"""Histograms of one figure."""


class Part(NamedTuple):
    """A piece of text, marked or not."""

    text: str
    marked: bool


class Sample(NamedTuple):
    """A document beside another: head line, what the rule measured, text in parts."""

    about: str
    figure: str
    parts: list[Part]


class RuleView(NamedTuple):
    """A reason with its pairs of samples."""

    name: str
    step: str
    documents: str
    pairs: list[tuple[Sample, Sample | None]]


class Cluster(NamedTuple):
    """A document that stayed, and what went in its favour."""

    title: str
    about: str
    text: str | None
    table: Table


def words(name: str) -> str:
    """`near_duplicates` -> "near duplicates"."""
    return name.replace("_", " ")


def megabytes(size: float) -> str:
    """`1,234.5 MB`"""
    return f"{format_number(round(size, 2))} MB"


def tiles(found: Figures) -> list[Tile]:
    """The headline."""
    read, stay = found["documents_in"], found["documents"]
    unread = sum(found["not_read"].values())
    recall = found["dedup"].get("measured_recall_on_sample")
    share = found["dropped"] / read if read else 0.0
    why = ", ".join(f"{words(name)} {n:,}" for name, n in _largest(found["not_read"], 4))
    in_all = [
        Tile("Documents in the corpus", f"{stay:,}", megabytes(found["megabytes"]),
             f"Of {read:,} that were read ({megabytes(found['megabytes_in'])}); repeats of the mixture count."),
        Tile("Dropped by a rule", format_percent(share), f"{found['dropped']:,} documents",
             "Each with a reason, and the duplicates with the document that stayed."),
        Tile("Not drawn", f"{found['not_drawn']:,}", f"and {found['heldout_documents']:,} held out",
             "Good documents that the mixture did not need, and those kept apart for evaluation."),
        Tile("Not read", f"{unread:,}", "files, records and lines",
             why or "All that was given was read."),
    ]  # fmt: skip
    if recall is not None:
        n = found["dedup"].get("sample_documents", 0)
        pairs = found["dedup"].get("sample_true_pairs", 0)
        in_all.append(
            Tile("Near-duplicates found", format_percent(recall), f"of {pairs:,} true pairs",
                 f"Measured against an exact comparison of {n:,} documents.")
        )  # fmt: skip
    return in_all


def _largest(counts: Mapping[str, int], n: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n]


def funnel_steps(found: Figures) -> list[Step]:
    """The funnel's steps as `page.funnel` takes them; small sources share one colour."""
    steps = found["steps"]
    named = {source for source, _ in _largest(steps[0]["before"], MOST_SOURCES)}

    def folded(counts: Mapping[str, int]) -> dict[str, float]:
        shown: dict[str, float] = {source: n for source, n in counts.items() if source in named}
        rest = sum(n for source, n in counts.items() if source not in named)
        return shown | ({f"{len(counts) - len(named)} others": rest} if len(counts) > len(named) else {})

    rows = [Step("read", folded(steps[0]["before"]), {}, steps[0]["bytes_in"] / 1e6)]
    rows += [Step(words(row["name"]), folded(row["kept"]), {}, row["bytes_out"] / 1e6) for row in steps]
    return rows


def languages_shown(found: Figures) -> list[str]:
    """The most frequent languages of what was read."""
    counts: dict[str, int] = {}
    for row in found["matrix"]:
        counts[row["language"]] = counts.get(row["language"], 0) + row["documents"]
    return [name for name, _ in _largest(counts, MOST_LANGUAGES)]


def kept_table(found: Figures) -> Table:
    """Source by language: documents that no rule dropped, of those read."""
    shown = languages_shown(found)
    read: dict[tuple[str, str], int] = {}
    good: dict[tuple[str, str], int] = {}
    for row in found["matrix"]:
        language = row["language"] if row["language"] in shown else "others"
        for key in ((row["source"], language), (row["source"], "all")):
            read[key] = read.get(key, 0) + row["documents"]
            good[key] = good.get(key, 0) + row["documents"] * (row["step"] is None or row["step"] in APART)
    columns = [*shown, *(["others"] if any(code == "others" for _, code in read) else []), "all"]
    sources = sorted({source for source, _ in read}, key=lambda name: (-read[name, "all"], name))
    rows = [
        [source, *(_of(good.get((source, code), 0), read.get((source, code), 0)) for code in columns)]
        for source in sources
    ]
    return Table("Documents that no rule dropped, of those read", ["Source", *columns], rows)


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" if whole else "–"


def reason_tables(found: Figures) -> list[Table]:
    """For each source: reasons by language, largest source first."""
    shown = languages_shown(found)
    sources: dict[str, dict[tuple[str, str], dict[str, int]]] = {}
    for row in found["matrix"]:
        if row["step"]:
            language = row["language"] if row["language"] in shown else "others"
            cells = sources.setdefault(row["source"], {}).setdefault((row["step"], row["reason"]), {})
            cells[language] = cells.get(language, 0) + row["documents"]
    tables = []
    for source, reasons in sorted(sources.items(), key=lambda item: (-_total(item[1]), item[0])):
        used = {code for cells in reasons.values() for code in cells}
        columns = [code for code in [*shown, "others"] if code in used]
        rows = [
            [f"{words(step)}: {words(reason)}", *(f"{cells[c]:,}" if c in cells else "–" for c in columns),
             f"{sum(cells.values()):,}"]
            for (step, reason), cells in sorted(reasons.items(), key=lambda item: (-sum(item[1].values()), item[0]))
        ]  # fmt: skip
        caption = f"{source}: {_total(reasons):,} documents did not enter the corpus"
        tables.append(Table(caption, ["Step: reason", *columns, "all"], rows))
    return tables


def _total(reasons: Mapping[Any, Mapping[str, int]]) -> int:
    return sum(n for cells in reasons.values() for n in cells.values())


def parts_of(text: str, span: Sequence[int] | None) -> list[Part]:
    """A text as pieces, the span between them marked."""
    if not span:
        return [Part(text, False)]
    start, end = span
    pieces = [Part(text[:start], False), Part(text[start:end], True), Part(text[end:], False)]
    return [part for part in pieces if part.text]


def rules(found: Figures) -> list[RuleView]:
    """Every reason with its samples, dropped beside kept."""
    views = []
    for row in found["rules"]:
        pairs = [
            (_sample(sample, twin=False), _sample(row["kept"][i], twin="kept_instead" in sample)
             if i < len(row["kept"]) else None)
            for i, sample in enumerate(row["dropped"])
        ]  # fmt: skip
        views.append(RuleView(words(row["reason"]), words(row["step"]), f"{row['documents']:,}", pairs))
    return views


def _sample(sample: Mapping[str, Any], *, twin: bool) -> Sample:
    about = [sample["source"], sample["id"]]
    if twin:
        about = [f"stayed instead: {sample['id']}"]
    notes = []
    if seen := sample.get("figure"):
        limit = f"{'at most' if seen['above'] else 'at least'} {format_number(seen['threshold'])}"
        notes.append(f"{seen['title'].partition(':')[0]}: {format_number(seen['value'])} (stays: {limit})")
    if sample.get("detail"):
        notes.append(str(sample["detail"]))
    if sample.get("similarity") is not None:
        notes.append(f"similarity {sample['similarity']:.3f}")
    return Sample(
        " · ".join(part for part in about if part), "; ".join(notes), parts_of(sample["excerpt"], sample["span"])
    )


def histogram_charts(found: Figures) -> tuple[list[Chart], list[Chart]]:
    """(histograms of rules that dropped documents, those of rules that dropped none and of single languages)."""
    went = {row["reason"] for row in found["rules"]}
    drawn = [row for row in found["histograms"] if row["documents"]]
    used = [row for row in drawn if row["reason"] in went and not row["language"]]
    unused = [row for row in drawn if row["reason"] not in went and not row["language"]]
    charts = _charts(unused, "idle", "Rules that dropped none")
    for code in dict.fromkeys(row["language"] for row in drawn if row["language"]):
        own = [row for row in drawn if row["language"] == code and row["reason"] in went]
        charts += _charts(own, f"own-{code}", f"Thresholds for {code}")
    return _charts(used, "judged", "Rules that dropped documents"), charts


def _charts(rows: Sequence[Mapping[str, Any]], name: str, title: str) -> list[Chart]:
    charts = []
    for number, start in enumerate(range(0, len(rows), PANELS)):
        some = rows[start : start + PANELS]
        panels = [
            HistogramPanel(
                row["title"].partition(":")[0], row["edges"], row["counts"], row["threshold"], row["above"],
                row["logarithmic"], row["edges"][-1] < 1 or row["edges"][-1] > 1,
            )
            for row in some
        ]  # fmt: skip
        table = Table(
            "Documents of prose with that figure, and those beyond the threshold",
            ["Rule", "Threshold", "Documents", "Beyond", "Share"],
            [
                [f"{words(row['step'])}: {words(row['reason'])}",
                 f"{'at most' if row['above'] else 'at least'} {format_number(row['threshold'])}",
                 f"{row['documents']:,}", f"{row['beyond']:,}", format_percent(row["beyond"] / row["documents"])]
                for row in some
            ],
        )  # fmt: skip
        said = "; ".join(f"{row[0]}, {row[1]}: {row[3]} of {row[2]}" for row in table.rows)
        svg = figures.histograms(
            panels, name=slug(f"{name}-{number}"), description=f"Histograms of signals. {said}. Table below."
        )
        heading = title if not number else f"{title}, continued"
        charts.append(Chart(heading, Markup(svg), "", table))
    return charts


def clusters(found: Figures) -> list[Cluster]:
    """The documents in whose favour most others went."""
    views = []
    for row in found["clusters"]:
        rows = [
            [one["id"], one["source"], words(one["reason"]), "–" if one["similarity"] is None else
             f"{one['similarity']:.3f}", f"{one['bytes'] / 1e3:,.1f} kB"]
            for one in row["went"]
        ]  # fmt: skip
        more = row["members"] - len(rows)
        caption = f"Went in its favour{f' (and {more:,} more)' if more else ''}"
        about = " · ".join(str(part) for part in (row["source"], row["path"]) if part)
        n = row["members"]
        title = f"{row['kept']}: {n:,} {'document' if n == 1 else 'documents'} went"
        head = ["Document", "Source", "Reason", "Similarity", "Size"]
        views.append(Cluster(title, about, row["excerpt"], Table(caption, head, rows, False)))
    return views


DEDUP = {
    "threshold": "Similarity from which on documents are the same (Jaccard)",
    "shingle_words": "Words of a shingle",
    "pairs_candidates": "Candidate pairs",
    "pairs_checked": "Pairs compared exactly",
    "pairs_true": "Documents dropped",
    "clusters": "Clusters",
    "sample_documents": "Documents of the sample",
    "sample_true_pairs": "True pairs in the sample (exact join)",
    "measured_recall_on_sample": "Recall on the sample",
}


def dedup_table(found: Figures) -> Table | None:
    """What the near-duplicate step measured of itself."""
    given = found["dedup"]
    rows = [
        [text, format_percent(given[key]) if key.startswith("measured") else format_number(given[key])]
        for key, text in DEDUP.items()
        if given.get(key) is not None
    ]
    return Table("Near-duplicates", ["What", "Value"], rows) if rows else None


def licence_table(found: Figures) -> Table:
    """Licences of what was read and of what no step took away."""
    rows = [
        [row["licence"], f"{row['documents_in']:,}", megabytes(row["bytes_in"] / 1e6), f"{row['documents']:,}",
         megabytes(row["bytes"] / 1e6)]
        for row in found["licences"]
    ]  # fmt: skip
    head = ["Licence", "Documents read", "Read", "Different documents in the corpus", "In the corpus"]
    return Table("Licences, as declared or stated", head, rows)


def counts_table(caption: str, what: str, counts: Mapping[str, int]) -> Table | None:
    """Names and numbers."""
    rows = [[words(name), f"{n:,}"] for name, n in counts.items() if n]
    return Table(caption, [what, "Number"], rows) if rows else None


def time_chart(steps: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Seconds and MB/s of each step, from the card of the corpus."""
    rows = sorted((row for row in steps if row["seconds"] >= 0.0005), key=lambda row: -row["seconds"])
    if not rows:
        return None
    total = sum(row["seconds"] for row in rows)
    bars = [(words(row["step"]), [round(row["seconds"], 2)]) for row in rows]
    said = "; ".join(f"{words(row['step'])}: {duration(row['seconds'])}" for row in rows)
    svg = figures.stacked_bars(
        bars, ["seconds"], name="times", description=f"Seconds by step. {said}. Table below.", unit=" s"
    )
    table = Table(
        "Seconds and speed by step", ["Step", "Seconds", "MB/s"],
        [[words(row["step"]), f"{row['seconds']:,.2f}", format_number(row["mb_per_s"])] for row in rows],
    )  # fmt: skip
    note = (
        f"{duration(total)} in all, added over workers; MB/s is the text that was measured by the step's seconds. "
        "Units that an earlier run had measured take no time."
    )
    return Chart("Time by step", Markup(svg), note, table)
