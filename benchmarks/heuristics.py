"""Heuristic filters, all published rules of Gopher (quality, repetition), C4 and FineWeb together: MB/s of one core,
and how often the verdicts agree with datatrove's.

Text: English articles, help pages, stories and news, as they lie. Each round every contestant judges documents that it
has not seen (datatrove keeps the words of the last five). CPU seconds of one thread; reading files is not counted.
dolma's taggers have no FineWeb rules and no thresholds: they do less.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

from _bench import ROOT, median_and_spread, ratio, save, start, table  # noqa: E402

DOLMA = ROOT / ".venv-bench-dolma" / "bin" / "python"


def read_texts(data: Path, megabytes: float) -> list[tuple[str, str]]:
    """(source, text) from four kinds of English text, mixed evenly by count."""

    def lines(path: Path) -> list[str]:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [json.loads(line)["text"] for line in file]

    articles = lines(data / "text" / "enwiki-2015" / "enwiki-2015.jsonl.gz")
    # long articles would fill the measure with a handful of documents
    short = [text for text in articles if len(text) < 20_000]
    sources = {
        "articles": short,
        "help": lines(data / "text" / "libreoffice-help-7.4" / "en-us.jsonl.gz"),
        "stories": (data / "text" / "tinystories-sample" / "tinystories.txt").read_text().split("<|endoftext|>"),
        "long articles": articles[::40],
    }
    found: list[tuple[str, str]] = []
    size = i = 0
    longest = max(map(len, sources.values()))
    while size < megabytes * 1e6 and i < longest:
        for source, texts in sources.items():
            if i < len(texts) and texts[i].strip():
                found.append((source, texts[i]))
                size += len(texts[i].encode())
        i += 1
    return found


class Dolma:
    """The peer process."""

    def __init__(self, texts: list[str]) -> None:
        if not DOLMA.exists():
            print("herdbook: the peers of the benchmarks are not installed: make bench-deps", file=sys.stderr)
            sys.exit(2)
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False, encoding="utf-8") as file:
            json.dump(texts, file)
        self._path = file.name
        # dolma tries a download of its own when it starts, and complains when there is no network
        command = [str(DOLMA), str(ROOT / "benchmarks" / "_dolma_peer.py"), file.name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def seconds(self, begin: int, end: int) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{begin} {end}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        os.unlink(self._path)


def main() -> None:
    options = start(__doc__ or "")
    import pyarrow as pa
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    from herdbook.curation import heuristics
    from herdbook.curation.heuristics import rules
    from herdbook.curation.heuristics.judgement import first_reason

    rounds = 3 if options.quick else 5
    sample = read_texts(options.data, 0.8 if options.quick else 10.0)
    texts = [text for _, text in sample]
    n = len(texts)
    # whole documents, about equal bytes in each round
    sizes = [len(text.encode()) for text in texts]
    goal, bounds, size = sum(sizes) / rounds, [0], 0
    for i, length in enumerate(sizes):
        size += length
        if size >= goal * len(bounds) and len(bounds) < rounds:
            bounds.append(i + 1)
    bounds.append(n)

    filters = {
        "gopher_repetition": GopherRepetitionFilter(),
        "gopher_quality": GopherQualityFilter(),
        "c4": C4QualityFilter(),
        "fineweb": FineWebQualityFilter(),
    }
    theirs: dict[str, list[str | None]] = {name: [None] * n for name in filters}
    dolma = Dolma(texts)
    heuristics.judge(texts[:50])  # compiled, or read from the cache
    first = Document(text=texts[0], id="0")
    with contextlib.redirect_stdout(None):
        for peer in filters.values():
            peer.filter(first)
    rates: dict[str, list[float]] = {"herdbook": [], "datatrove": [], "dolma": []}
    for begin, end in itertools.pairwise(bounds):
        megabytes = sum(sizes[begin:end]) / 1e6
        column = pa.array(texts[begin:end], type=pa.large_string())
        repeats = 5
        began = time.process_time()
        for _ in range(repeats):
            heuristics.judge(column)
        rates["herdbook"].append(megabytes * repeats / (time.process_time() - began))
        spent = 0.0
        for i in range(begin, end):
            for name, peer in filters.items():
                document = Document(text=texts[i], id=str(i))  # the C4 filter rewrites the text
                began = time.process_time()
                result: Any = peer.filter(document)
                spent += time.process_time() - began
                theirs[name][i] = None if result is True else str(result[1])
        rates["datatrove"].append(megabytes / spent)
        rates["dolma"].append(megabytes / dolma.seconds(begin, end))
    dolma.close()

    arrays = heuristics.signals(texts)
    agreement: dict[str, float] = {}
    classes: dict[str, dict[str, int]] = {}
    gone_ours, gone_theirs = [False] * n, [False] * n
    for name in filters:
        config = heuristics.Config(sets=(name,))
        ours = first_reason(rules.rules_of(arrays, config), n).tolist()
        agreement[name] = sum((a is None) == (b is None) for a, b in zip(ours, theirs[name])) / n
        differing = Counter(
            f"{sample[i][0]}: ours {a or 'keep'}, datatrove {b or 'keep'}"
            for i, (a, b) in enumerate(zip(ours, theirs[name]))
            if (a is None) != (b is None)
        )
        classes[name] = dict(differing.most_common())
        gone_ours = [gone or reason is not None for gone, reason in zip(gone_ours, ours)]
        gone_theirs = [gone or reason is not None for gone, reason in zip(gone_theirs, theirs[name])]
    agreement["all four"] = sum(a == b for a, b in zip(gone_ours, gone_theirs)) / n

    rows = [[name, *median_and_spread(values)] for name, values in rates.items()]
    print(table(["contestant", "MB/s per core", "spread"], rows))
    print(f"\n{n} documents, {sum(sizes) / 1e6:.1f} MB, {n - sum(gone_theirs)} kept by datatrove's four filters")
    print(table(["verdicts", "agreement"], [[name, value] for name, value in agreement.items()]))
    for name, found in classes.items():
        for what, count in found.items():
            print(f"  {name}: {count} x {what}")
    path = save(
        "heuristics",
        options,
        {
            "rates": rates,
            "agreement": agreement,
            "disagreements": classes,
            "documents": n,
            "megabytes": sum(sizes) / 1e6,
        },
    )
    print(f"\n{path}")
    middle = {name: median_and_spread(values)[0] for name, values in rates.items()}
    ratio("datatrove", "verdict agreement", agreement["all four"])
    ratio("dolma", "MB/s per core", middle["herdbook"] / middle["dolma"])
    ratio("datatrove", "MB/s per core", middle["herdbook"] / middle["datatrove"])


if __name__ == "__main__":
    main()
