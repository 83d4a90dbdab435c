"""Text out of HTML: MB of HTML per second of one core, and how much of the right text is in what comes out.

Two sets of pages that herdbook's classifier has not learnt from, nor from other pages of their sites
(tools/train_extraction.py):
- segments: trafilatura's own evaluation pages whose URL has an odd hash; precision, recall and F1 of the segments that
  must and must not be in the text;
- gold: Mozilla's readability test pages of the sites whose name has an odd hash, against their full gold text; F1 of
  the distinct words of a page, mean over pages, and F1 of its distinct runs of five words, all pages together.
herdbook is shown with the second reading by trafilatura asked for never, as often as is its default, and often. CPU
seconds over both sets, those of the second reader's process included.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import os
import re
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from _bench import ratio, save, start, table

WORD = re.compile(r"\w+")
TAG = re.compile(r"<[^>]*>")


@dataclass
class Case:
    """A page and what is known of its text: segments that must and must not be in it, or all of it."""

    page: bytes
    must: list[str] = field(default_factory=list)
    must_not: list[str] = field(default_factory=list)
    gold: str | None = None


def odd(name: str) -> bool:
    """Whether a page is for this benchmark, by its URL or its site."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def read_cases(data: Path, every: int) -> list[Case]:
    """The cases of both sets; one in `every`."""
    folder = data / "html" / "trafilatura-eval"
    evaluation = json.loads(gzip.decompress((folder / "evaldata.json.gz").read_bytes()))
    with tarfile.open(folder / "pages.tar.xz") as tar:
        pages = {Path(m.name).name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}  # type: ignore
    segments = [
        Case(pages[item["file"]], [s for s in item["with"] if s], [s for s in item["without"] if s])
        for url, item in evaluation.items()
        if odd(url) and item["file"] in pages
    ]
    with tarfile.open(data / "html" / "readability-test-pages" / "pages.tar.xz") as tar:
        pages = {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}  # type: ignore
    gold = []
    for name in sorted(name for name in pages if name.endswith("/source.html")):
        if odd(re.sub(r"-\d+$", "", name.split("/")[-2])):
            expected = pages[name.replace("source.html", "expected.html")].decode("utf-8", "replace")
            gold.append(Case(pages[name], gold=html.unescape(TAG.sub(" ", expected))))
    return segments[::every] + gold[::every]


def runs(text: str, n: int) -> set[tuple[str, ...]]:
    """The distinct runs of n words, lower case."""
    words = WORD.findall(text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def f1(right: float, given: float, wanted: float) -> float:
    return 2 * right / (given + wanted) if given + wanted else 1.0


def judge(cases: list[Case], texts: list[str]) -> dict[str, float]:
    """The figures of the two sets."""
    found = wanted = wrong = 0
    of_words, shared, given, gold = [], 0, 0, 0
    for case, text in zip(cases, texts):
        if case.gold is None:
            found += sum(segment in text for segment in case.must)
            wanted += len(case.must)
            wrong += sum(segment in text for segment in case.must_not)
            continue
        ours, theirs = runs(text, 1), runs(case.gold, 1)
        of_words.append(f1(len(ours & theirs), len(ours), len(theirs)))
        ours, theirs = runs(text, 5), runs(case.gold, 5)
        shared, given, gold = shared + len(ours & theirs), given + len(ours), gold + len(theirs)
    return {
        "precision": found / (found + wrong),
        "recall": found / wanted,
        "F1 segments": f1(found, found + wrong, wanted),
        "F1 gold words": sum(of_words) / len(of_words),
        "F1 gold runs": f1(shared, given, gold),
    }


def main() -> None:
    options = start(__doc__ or "")
    import trafilatura
    from resiliparse.extract.html2text import extract_plain_text

    from herdbook.curation import extract
    from herdbook.curation.extract.source import decode

    cases = read_cases(options.data, 8 if options.quick else 1)
    n_gold = sum(case.gold is not None for case in cases)
    megabytes = sum(len(case.page) for case in cases) / 1e6
    second = extract.SecondOpinion()
    second.start()

    def ours(limit: float) -> Callable[[bytes], str]:
        config = extract.Config(max_uncertainty=limit)
        return lambda page: extract.extract(page, config, second).text

    default = extract.Config().max_uncertainty
    contestants: dict[str, Callable[[bytes], str]] = {
        "resiliparse, main content": lambda page: extract_plain_text(decode(page), main_content=True),
        "herdbook, never a second reading": ours(1),
        "herdbook": ours(default),
        "herdbook, often a second reading": ours(default / 2),
        "trafilatura, fast": lambda page: trafilatura.extract(page, include_comments=False, fast=True) or "",
        "trafilatura": lambda page: trafilatura.extract(page, include_comments=False) or "",
    }
    for contestant in contestants.values():
        contestant(cases[0].page)
    rows: list[dict[str, Any]] = []
    for name, contestant in contestants.items():
        seconds_before, pages_before = second.cpu_seconds, second.n_pages
        began = time.process_time()
        texts = [contestant(case.page) for case in cases]
        spent = time.process_time() - began + second.cpu_seconds - seconds_before
        read_twice = (second.n_pages - pages_before) / len(cases)
        rows.append({
            "contestant": name, "MB/s per core": megabytes / spent, **judge(cases, texts), "read twice": read_twice,
        })  # fmt: skip
    second.__exit__(None, None, None)
    print(f"{len(cases) - n_gold} pages with segments, {n_gold} with gold texts, {megabytes:.1f} MB")
    print(table(list(rows[0]), [list(row.values()) for row in rows]))
    print(f"\n{save('extract', options, {'rows': rows, 'megabytes': megabytes})}")
    by_name = {row["contestant"]: row for row in rows}
    for peer in ("resiliparse, main content", "trafilatura"):
        for what in ("F1 segments", "F1 gold words", "F1 gold runs"):
            ratio(peer.replace(",", ""), what, by_name["herdbook"][what] / by_name[peer][what])
    rates = {name: row["MB/s per core"] for name, row in by_name.items()}
    ratio("trafilatura", "MB/s per core", rates["herdbook"] / rates["trafilatura"])


if __name__ == "__main__":
    main()
