"""MB of text for each CPU second of every step that sees one document at a time, and of decontamination.

`python tools/step_speeds.py documents.parquet --benchmark gsm8k=test.jsonl#question`. Files are what stage `collect`
wrote, or whatever the readers know (`encyclopaedia.jsonl.gz`), of which the first `--megabytes` are taken. One thread;
the best of `--rounds`.
"""

from __future__ import annotations

import argparse
import time
from typing import Any


def read_rows(file: str, megabytes: float) -> list[Any]:
    """Tables of documents from a file, about so many MB of text of it."""
    from herdbook.curation.reading import Config, Problems, Source, plan, read

    found: list[Any] = []
    size = 0
    for unit in plan([Source(path=file)], unit_megabytes=1024).units:
        for table in read(unit, Config(), Problems()):
            if size >= megabytes * 1e6:
                return found
            table = table.slice(0, max(1, int(table.num_rows * (megabytes * 1e6 - size) / max(1, table.nbytes))))
            found.append(table)
            size += table.nbytes
    return found


def main() -> None:
    """Reads the files, prints a row for each step."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from herdbook.curation.benchmark_files import read_benchmarks
    from herdbook.curation.decontaminate import Decontaminator
    from herdbook.curation.steps import code, heuristics, language, licence, maths, normalise, opt_out, personal_data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--megabytes", type=float, default=1e6, help="of each file (default: all)")
    parser.add_argument("--benchmark", metavar="NAME=PATH#FIELD", help="items that are looked for")
    given = parser.parse_args()
    pa.set_cpu_count(1)
    rows = pa.concat_tables([table for file in given.files for table in read_rows(file, given.megabytes)])
    kinds = {kind: rows.filter(pc.equal(rows["kind"], kind)) for kind in ("prose", "code")}
    steps: list[tuple[str, str, Any]] = [
        ("normalise.mend", "prose", normalise.mend),
        ("language.measure", "prose", language.measure),
        ("language.measure, no lines", "prose", lambda t: language.measure(t, language.Config(lines=0))),
        ("personal_data.mend", "prose", personal_data.mend),
        ("personal_data.mend, e-mail", "prose", lambda t: personal_data.mend(t, personal_data.emails_only())),
        ("heuristics.measure", "prose", heuristics.measure),
        ("heuristics.mend", "prose", lambda t: heuristics.mend(t, heuristics.Config(remove_lines=True))),
        ("maths.measure", "prose", maths.measure),
        ("licence.measure", "prose", licence.measure),
        ("opt_out.measure", "prose", opt_out.measure),
        ("code.mend", "code", code.mend),
        ("code.measure", "code", code.measure),
    ]
    if given.benchmark:
        name, _, path = given.benchmark.partition("=")
        finder = Decontaminator(read_benchmarks({name: path}))
        steps.append((f"Decontaminator.add, {name}", "prose", lambda t: finder.add(t["text"])))
    for name, kind, step in steps:
        table = kinds[kind]
        if not table.num_rows:
            continue
        size = pc.sum(pc.binary_length(table["text"])).as_py() / 1e6
        step(table.slice(0, 5))  # compiles what is compiled
        best = float("inf")
        for _ in range(given.rounds):
            start = time.process_time()
            step(table)
            best = min(best, time.process_time() - start)
        print(f"{name:28} {kind:6} {size:6.1f} MB  {size / max(best, 1e-9):8.1f} MB/s")


if __name__ == "__main__":
    main()
