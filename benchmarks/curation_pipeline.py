"""The whole of curation: MB of text per CPU second from files to a corpus, and how long each step takes.

- plain: 140 MB of JSON lines of English and Korean articles and of help pages in 29 languages, every step but the
  semantic one;
- semantic: the same with semantic duplicates;
- html: a WARC file of web pages; MB of HTML;
- workers: the plain text with two workers against one, by the clock, alternately; and two processes with one worker
  each that curate it at the same time, which no scheduling can be better than. It needs a quiet machine and two cores;
- peer: English articles through datatrove's readers, filters (Gopher repetition, Gopher quality, C4, FineWeb), MinHash
  steps and writer. It identifies no language, masks nothing, normalises nothing and has no quality classifier that it
  would train, so it does less.

CPU seconds of one process with one worker, all its threads together, the second reader of pages included. A small run
before, untimed, loads packages and compiled kernels. `--only plain,peer` runs some of them.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import multiprocessing
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import zip_longest
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

from _bench import median_and_spread, ratio, save, start, table  # noqa: E402

PARTS = ("plain", "semantic", "html", "workers", "peer")
AIMS = {"plain": 4.0, "semantic": 2.0, "html": 10.0}
"""MB per CPU second."""
SOURCES = {
    "english": (0.4, "text/enwiki-2015/*.jsonl.gz"),
    "korean": (0.4, "text/kowiki/*.jsonl.gz"),
    "others": (0.2, "text/libreoffice-help-7.4/*.jsonl.gz"),
}
"""Share of the text, and where it lies."""


def rows(files: list[Path]) -> Iterator[dict[str, Any]]:
    """Records of the files, a record of each in turn."""

    def one(file: Path) -> Iterator[dict[str, Any]]:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    for together in zip_longest(*map(one, files)):
        yield from filter(None, together)


def write_text(data: Path, folder: Path, megabytes: float) -> float:
    """A file of JSON lines for each source; returns million bytes of text."""
    folder.mkdir(parents=True)
    total = 0.0
    for source, (share, pattern) in SOURCES.items():
        files = sorted(data.glob(pattern))
        if not files:
            print(f"herdbook: no {pattern} below {data}: set --data or HERDBOOK_TEST_DATA", file=sys.stderr)
            sys.exit(2)
        size = 0
        with open(folder / f"{source}.jsonl", "w", encoding="utf-8") as out:
            for number, row in enumerate(rows(files)):
                out.write(json.dumps({"id": f"{source}/{number}", "text": row["text"]}, ensure_ascii=False) + "\n")
                size += len(row["text"].encode("utf-8", "replace"))
                if size >= share * megabytes * 1e6:
                    break
        total += size / 1e6
    return total


def write_pages(data: Path, file: Path, megabytes: float) -> float:
    """A WARC file of web pages; returns million bytes of HTML."""
    size = 0
    with tarfile.open(data / "html" / "trafilatura-eval" / "pages.tar.xz") as tar, open(file, "wb") as out:
        for member in tar:
            page = tar.extractfile(member).read() if member.isfile() and member.name.endswith(".html") else b""  # type: ignore[union-attr]
            if not page:
                continue
            body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page
            address = f"http://pages.example/{Path(member.name).stem}".encode("ascii", "replace").replace(b" ", b"_")
            out.write(
                b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 2020-01-01T00:00:00Z\r\nWARC-Target-URI: " + address
                + b"\r\nContent-Type: application/http; msgtype=response\r\n"
                + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"\r\n\r\n"
            )  # fmt: skip
            size += len(page)
            if size >= megabytes * 1e6:
                break
    return size / 1e6


def cpu_seconds() -> float:
    """Of this process, and of the one that reads pages again."""
    from herdbook.curation.engine.measure import _second_opinion

    return time.process_time() + _second_opinion().cpu_seconds


def curate(path: Path, out: Path, workers: int = 1, **settings: Any) -> tuple[float, float, dict[str, float]]:
    """(CPU seconds, seconds by the clock, seconds of each step) of a run; one worker is a thread of this process."""
    from herdbook.config import from_mapping
    from herdbook.curation.curate_stage import Config
    from herdbook.curation.curate_stage import run as run_stage
    from herdbook.workspace import Workspace

    config = from_mapping(Config, {"path": [str(path)], **settings}, "curate")
    workspace = Workspace.local(out)
    workspace.threads = workers
    began, clock = cpu_seconds(), time.perf_counter()
    figures = run_stage(config, {}, workspace)
    steps = {row["step"]: row["seconds"] for row in figures["steps"]}
    return cpu_seconds() - began, time.perf_counter() - clock, steps


def datatrove(file: Path, folder: Path) -> float:
    """CPU seconds of the peer."""
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from loguru import logger

    logger.remove()
    config = MinhashConfig(n_grams=5)
    filtered, nowhere = f"{folder}/filtered", io.StringIO()
    with contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere):
        began = time.process_time()
        documents: Any = JsonlReader(str(file.parent), glob_pattern=file.name).run(None, 0, 1)
        for part in (GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(), FineWebQualityFilter()):
            documents = part.run(documents, 0, 1)
        list(JsonlWriter(filtered).run(documents, 0, 1))
        MinhashDedupSignature(f"{folder}/signatures", config).run(JsonlReader(filtered).run(None, 0, 1), 0, 1)
        buckets = MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=config)
        for rank in range(config.num_buckets):
            buckets.run(None, rank, config.num_buckets)
        MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config).run(None, 0, 1)
        kept = MinhashDedupFilter(f"{folder}/remove").run(JsonlReader(filtered).run(None, 0, 1), 0, 1)
        list(JsonlWriter(f"{folder}/corpus").run(kept, 0, 1))
        return time.process_time() - began


def first_records(source: Path, target: Path, megabytes: float) -> float:
    """The first records of a file into another; returns its million bytes."""
    target.parent.mkdir()
    with open(source, encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as out:
        size = 0
        for line in lines:
            size += out.write(line)
            if size >= megabytes * 1e6:
                break
    return target.stat().st_size / 1e6


def measured(path: Path, size: float, out: Path, rounds: int, **settings: Any) -> dict[str, Any]:
    """MB per CPU second and seconds by the clock of each round, mean seconds of each step."""
    rates, clocks, steps = [], [], []
    for number in range(rounds):
        cpu, clock, parts = curate(path, out.with_name(f"{out.name}-{number}"), **settings)
        rates.append(size / cpu)
        clocks.append(clock)
        steps.append({**parts, "beside the steps": cpu - sum(parts.values())})
    means = {step: sum(row.get(step, 0.0) for row in steps) / rounds for step in steps[0]}
    return {"megabytes": size, "rates": rates, "clock": clocks, "steps": means}


def workers_against_one(text: Path, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds by the clock of each round: one worker, two workers, two separate runs at once (the later one's end)."""
    clocks: dict[str, list[float]] = {"one": [], "two": [], "two runs at once": []}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for process in range(2):  # loads packages and kernels
            pool.submit(curate, folder / "small", folder / f"warm-{process}").result()
        for number in range(rounds):
            clocks["one"].append(curate(text, folder / f"one-{number}")[1])
            clocks["two"].append(curate(text, folder / f"two-{number}", workers=2)[1])
            together = [pool.submit(curate, text, folder / f"at-once-{number}-{process}") for process in range(2)]
            clocks["two runs at once"].append(max(future.result()[1] for future in together))
    return clocks


def run_parts(parts: tuple[str, ...], data: Path, folder: Path, quick: bool) -> dict[str, Any]:
    """The figures of each part."""
    rounds, found = (1 if quick else 3), dict[str, Any]()
    write_text(data, folder / "small", 0.5)
    curate(folder / "small", folder / "small-out", semantic={"use": "semantic" in parts})
    text, out = folder / "text", folder / "out"
    size = write_text(data, text, 6.0 if quick else 140.0)
    if "plain" in parts:
        found["plain"] = measured(text, size, out, rounds)
    if "semantic" in parts:
        found["semantic"] = measured(text, size, folder / "semantic", rounds, semantic={"use": True})
    if "html" in parts:
        html = write_pages(data, folder / "pages.warc", 8.0 if quick else 60.0)
        found["html"] = measured(folder / "pages.warc", html, folder / "html", rounds)
    if "workers" in parts:
        found["workers"] = workers_against_one(text, folder, rounds)
    if "peer" in parts:
        file = folder / "peer" / "english.jsonl"
        english = first_records(text / "english.jsonl", file, 0.5 if quick else 4.0)
        ours = measured(file, english, folder / "ours", rounds)["rates"]
        found["peer"] = {"herdbook": ours, "datatrove": [english / datatrove(file, folder / "theirs")]}
    return found


def main() -> None:
    options = start(__doc__ or "", PARTS)
    with tempfile.TemporaryDirectory(prefix="herdbook-bench-") as name:
        results = run_parts(options.only, options.data, Path(name), options.quick)
    whole = [part for part in ("semantic", "html", "plain") if part in results]
    lines = []
    for part in whole:
        size, steps = results[part]["megabytes"], results[part]["steps"]
        total = sum(steps.values())
        rows_ = [[k, 1000 * v / size, v / total] for k, v in sorted(steps.items(), key=lambda item: -item[1])]
        print(f"{part}: {size:.1f} MB\n{table(['step', 'CPU s per GB', 'share'], rows_)}\n")
        lines.append([part, *median_and_spread(results[part]["rates"]), AIMS[part]])
    lines += [[f"{who}, English", *median_and_spread(v), "-"] for who, v in results.get("peer", {}).items()]
    print(table(["from files to a corpus", "MB per CPU s", "spread", "aim"], lines))
    print(f"\n{save('curation_pipeline', options, results)}")
    if "workers" in results:
        one, two, apart = (
            median_and_spread(results["workers"][name])[0] for name in ("one", "two", "two runs at once")
        )
        print(f"clock: {one:.1f} s with one worker, {two:.1f} with two; two runs at once {apart:.1f}")
        ratio("one worker", "clock of two", one / two)
        ratio("two runs at once", "share of the two cores' gain", (one / two) / (2 * one / apart))
    for part in whole:
        ratio("aim", f"MB per CPU second, {part}", median_and_spread(results[part]["rates"])[0] / AIMS[part])
    if "peer" in results:
        middle = {who: median_and_spread(values)[0] for who, values in results["peer"].items()}
        ratio("datatrove", "MB per CPU second", middle["herdbook"] / middle["datatrove"])


if __name__ == "__main__":
    main()
