"""Text out of HTML: MB of HTML per second of one core, and how much of the right text is in what comes out.

Two sets of pages (`_extract_pages.py`), each read with a network that has learnt from other sites alone: the pages are
in four folds by site, and for each fold extract_folds.json.gz holds a network, and a rule for which pages to read
twice, made without it (tools/train_extraction.py; the package's own network has learnt from all of them).
- segments: trafilatura's own evaluation pages; precision, recall and F1 of the segments that must and must not be in
  the text;
- gold: Mozilla's readability test pages against their full gold text; F1 of the distinct words of a page, mean over
  pages, and F1 of its distinct runs of five words, all pages together.
herdbook is shown with the second reading by trafilatura asked for never, as often as is its default, and often. Each
page is read by all contestants in turn; CPU seconds, those of the second reader's process included.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from _bench import ratio, save, start, table
from _extract_pages import FOLDS, Known, judge, known_pages

NETWORKS = Path(__file__).with_name("extract_folds.json.gz")


def main() -> None:
    options = start(__doc__ or "")
    import trafilatura
    from resiliparse.extract.html2text import extract_plain_text

    from herdbook.curation import extract
    from herdbook.curation.extract.classifier import weights_from
    from herdbook.curation.extract.source import decode

    pages = [page for page in known_pages(options.data) if page.kind != "fixtures"]
    n_gold = sum(page.gold is not None for page in pages)
    if options.quick:
        pages = pages[:n_gold:4] + pages[n_gold::16]
        n_gold = sum(page.gold is not None for page in pages)
    megabytes = sum(len(page.source) for page in pages) / 1e6
    networks = [weights_from(stored) for stored in json.loads(gzip.decompress(NETWORKS.read_bytes()))]
    assert len(networks) == FOLDS
    second = extract.SecondOpinion()
    second.start()

    def ours(min_gain: float) -> Callable[[Known], str]:
        config = extract.Config(min_gain=min_gain)
        return lambda page: extract.extract(page.source, config, second, networks[page.fold]).text

    default = extract.Config().min_gain
    contestants: dict[str, Callable[[Known], str]] = {
        "resiliparse, main content": lambda page: extract_plain_text(decode(page.source), main_content=True),
        "herdbook, never a second reading": ours(1),
        "herdbook": ours(default),
        "herdbook, often a second reading": ours(default / 2),
        "trafilatura, fast": lambda page: trafilatura.extract(page.source, include_comments=False, fast=True) or "",
        "trafilatura": lambda page: trafilatura.extract(page.source, include_comments=False) or "",
    }
    for contestant in contestants.values():
        contestant(pages[0])
    texts: dict[str, list[str]] = {name: [] for name in contestants}
    spent, twice = dict.fromkeys(contestants, 0.0), dict.fromkeys(contestants, 0)
    for page in pages:
        for name, contestant in contestants.items():
            seconds_before, pages_before = second.cpu_seconds, second.n_pages
            began = time.process_time()
            texts[name].append(contestant(page))
            spent[name] += time.process_time() - began + second.cpu_seconds - seconds_before
            twice[name] += second.n_pages - pages_before
    second.__exit__(None, None, None)
    rows: list[dict[str, Any]] = [
        {
            "contestant": name, "MB/s per core": megabytes / spent[name], **judge(pages, texts[name]),
            "read twice": twice[name] / len(pages),
        }
        for name in contestants
    ]  # fmt: skip
    print(f"{len(pages) - n_gold} pages with segments, {n_gold} with gold texts, {megabytes:.1f} MB")
    print(table(list(rows[0]), [[f"{v:.3f}" if isinstance(v, float) else v for v in row.values()] for row in rows]))
    print(f"\n{save('extract', options, {'rows': rows, 'megabytes': megabytes})}")
    by_name = {row["contestant"]: row for row in rows}
    for peer in ("resiliparse, main content", "trafilatura, fast", "trafilatura"):
        for what in ("F1 segments", "F1 gold words", "F1 gold runs", "MB/s per core"):
            ratio(peer.replace(",", ""), what, by_name["herdbook"][what] / by_name[peer][what])


if __name__ == "__main__":
    main()
