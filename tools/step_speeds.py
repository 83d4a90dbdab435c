"""MB of text for each CPU second of every step that sees one document at a time, on Parquet files of documents.

`python tools/step_speeds.py documents.parquet`: what stage `collect` wrote, say. One thread; the best of `--rounds`.
"""

from __future__ import annotations

import argparse
import time
from typing import Any


def main() -> None:
    """Reads the files, prints a row for each step."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from herdbook.curation.documents import schema
    from herdbook.curation.steps import code, heuristics, language, licence, maths, normalise, personal_data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    pa.set_cpu_count(1)
    columns = schema()
    rows = pa.concat_tables([pq.read_table(file).select(columns.names).cast(columns) for file in given.files])
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
        ("code.mend", "code", code.mend),
        ("code.measure", "code", code.measure),
    ]
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
