"""Peak memory of `herd curate` by the size of its input, under one limit: `python tools/curate_memory.py 16 64 160`.

Arguments: sizes in MB. Each input is made-up JSONL, curated in a fresh run folder under --limit GiB. Printed are the
peak that the runner saw (stage and workers together), documents, and seconds. All is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT / "tests" / "curation"))


def write_input(path: Path, megabytes: float, sentences: int) -> int:
    """Made-up prose of about `sentences` sentences a document; returns the number of documents."""
    from conftest import prose

    rng = random.Random(0)
    done = number = 0
    with open(path, "w", encoding="utf-8") as file:
        while done < megabytes * 1e6:
            done += file.write(json.dumps({"id": f"d{number}", "text": prose(rng, sentences)}) + "\n")
            number += 1
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("megabytes", nargs="+", type=float, help="sizes of the inputs")
    parser.add_argument("--limit", type=float, default=1.5, help="memory limit in GiB (default 1.5)")
    parser.add_argument("--sentences", type=int, default=14, help="sentences of a document (14: some 1.5 kB)")
    parser.add_argument("--threads", type=int, default=1, help="workers")
    options = parser.parse_args()
    from herdbook.recipe import run

    for megabytes in options.megabytes:
        with tempfile.TemporaryDirectory(prefix="curate-memory-") as folder:
            file = Path(folder) / "text.jsonl"
            n = write_input(file, megabytes, options.sentences)
            stage = {"path": [str(file)], "unit_megabytes": 8.0}
            settings = {"run.memory_limit_gib": options.limit, "run.threads": options.threads}
            began = time.monotonic()
            recipe = {"recipe": {"name": "memory"}, "stages": {"curate": stage}}
            card = run(recipe, Path(folder) / "run", settings, mode="quiet").artifacts["curate"].card
            print(
                f"{megabytes:g} MB, {n:,} documents: peak {card.run['peak_memory_bytes'] / (1 << 20):,.0f} MiB "
                f"under {options.limit:g} GiB, {time.monotonic() - began:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
