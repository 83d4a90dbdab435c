"""Text out of HTML: MB of HTML per second of one core, and precision, recall and F1 of segments that must and must not
be in the text.

Pages and segments: trafilatura's own evaluation set, those pages whose URL has an odd hash (herdbook's classifier has
learnt from others, tools/train_extraction.py). herdbook is shown with the second reading by trafilatura asked for
never, as often as is its default, and often. CPU seconds, those of the second reader's process included.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from _bench import ratio, save, start, table


def read_pages(data: Path, n: int) -> list[tuple[bytes, list[str], list[str]]]:
    """(page, segments that must be in its text, segments that must not)."""
    folder = data / "html" / "trafilatura-eval"
    evaluation = json.loads(gzip.decompress((folder / "evaldata.json.gz").read_bytes()))
    with tarfile.open(folder / "pages.tar.xz") as tar:
        pages = {Path(m.name).name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}  # type: ignore
    judged = [
        (pages[item["file"]], [s for s in item["with"] if s], [s for s in item["without"] if s])
        for url, item in evaluation.items()
        if hashlib.sha256(url.encode()).digest()[0] % 2 == 1 and item["file"] in pages
    ]
    return judged[:: max(1, len(judged) // n)] if n else judged


def main() -> None:
    options = start(__doc__ or "")
    import trafilatura
    from resiliparse.extract.html2text import extract_plain_text

    from herdbook.curation import extract
    from herdbook.curation.extract.source import decode

    pages = read_pages(options.data, 70 if options.quick else 0)
    megabytes = sum(len(page) for page, _, _ in pages) / 1e6
    second = extract.SecondOpinion()
    second.start()

    def ours(limit: float) -> Callable[[bytes], str]:
        config = extract.Config(max_uncertainty=limit)
        return lambda page: extract.extract(page, config, second).text

    default = extract.Config().max_uncertainty
    contestants: dict[str, Callable[[bytes], str]] = {
        "resiliparse, main content": lambda page: extract_plain_text(decode(page), main_content=True),
        "herdbook, never a second reading": ours(1e9),
        "herdbook": ours(default),
        "herdbook, often a second reading": ours(default / 4),
        "trafilatura, fast": lambda page: trafilatura.extract(page, include_comments=False, fast=True) or "",
        "trafilatura": lambda page: trafilatura.extract(page, include_comments=False) or "",
    }
    for contestant in contestants.values():
        contestant(pages[0][0])
    rows: list[list[Any]] = []
    rates: dict[str, float] = {}
    for name, contestant in contestants.items():
        spent, found, missed, wrong = 0.0, 0, 0, 0
        seconds_before, pages_before = second.cpu_seconds, second.n_pages
        for page, must, must_not in pages:
            began = time.process_time()
            text = contestant(page)
            spent += time.process_time() - began
            present = sum(segment in text for segment in must)
            found += present
            missed += len(must) - present
            wrong += sum(segment in text for segment in must_not)
        rates[name] = megabytes / (spent + second.cpu_seconds - seconds_before)
        precision, recall = found / (found + wrong), found / (found + missed)
        f1 = 2 * precision * recall / (precision + recall)
        rows.append([name, rates[name], precision, recall, f1, (second.n_pages - pages_before) / len(pages)])
    second.__exit__(None, None, None)
    header = ["contestant", "MB/s per core", "precision", "recall", "F1", "read twice"]
    print(f"{len(pages)} pages, {megabytes:.1f} MB")
    print(table(header, rows))
    print(f"\n{save('extract', options, {'rows': [dict(zip(header, row)) for row in rows], 'megabytes': megabytes})}")
    scores = {row[0]: row[4] for row in rows}
    for peer in ("resiliparse, main content", "trafilatura"):
        ratio(peer.replace(",", ""), "F1", scores["herdbook"] / scores[peer])
    ratio("trafilatura", "MB/s per core", rates["herdbook"] / rates["trafilatura"])


if __name__ == "__main__":
    main()
