"""Peak memory of `herd curate` by the size of its input, under one limit: `python tools/curate_memory.py 16 64 160`.

Arguments: sizes in MB. Each input is JSONL made of sentences of real articles (`--data` or HERDBOOK_TEST_DATA: English
Wikipedia), drawn by lot for each document and with every eighth word exchanged for another, so that a larger input is
no repetition of a smaller one; one document in twenty is a near copy of an earlier one. All steps run, the semantic one
by `--embedder` (or none) and the look for (made-up) benchmark items in other words included. Each input is curated in a
fresh run folder under --limit GiB; printed are the peak that the runner saw (stage and workers together), documents,
and seconds. All is removed at the end.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
ITEMS = 300
"""Benchmark items that are looked for."""


def sentences_of(data: Path) -> list[str]:
    """Sentences of 6 to 60 words of the articles, in their order."""
    found = []
    with gzip.open(data / "text" / "enwiki-2015" / "enwiki-2015.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            for sentence in json.loads(line)["text"].replace("\n", " ").split(". "):
                if 6 <= sentence.count(" ") < 60:
                    found.append(sentence.strip() + ".")
    return found


def varied(rng: random.Random, sentence: str, words: list[str]) -> str:
    """The sentence with about every eighth word exchanged."""
    return " ".join(rng.choice(words) if rng.random() < 0.125 else word for word in sentence.split(" "))


def write_input(path: Path, megabytes: float, sentences: list[str], per_document: int) -> int:
    """Documents of about `per_document` sentences as JSON lines; returns their number."""
    rng = random.Random(0)
    words = " ".join(rng.sample(sentences, min(2000, len(sentences)))).replace(".", "").split()
    earlier: list[str] = []
    done = number = 0
    with open(path, "w", encoding="utf-8") as file:
        while done < megabytes * 1e6:
            text = "\n".join(varied(rng, rng.choice(sentences), words) for _ in range(per_document))
            if earlier and number % 20 == 0:
                text = rng.choice(earlier) + f" {number}"
            elif len(earlier) < 1000:
                earlier.append(text)
            done += file.write(json.dumps({"id": f"document-{number}", "text": text}) + "\n")
            number += 1
    return number


def stage(file: Path, items: Path, embedder: str) -> dict[str, Any]:
    """Settings of a stage in which every step runs."""
    return {
        "path": [str(file)], "unit_megabytes": 8.0, "keep_index": True,
        "contamination": {"benchmarks": {"made_up": f"{items}#question"}},
        "semantic": {"use": False} if embedder == "none" else {"use": True, "embedders": [embedder]},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("megabytes", nargs="+", type=float, help="sizes of the inputs")
    parser.add_argument("--limit", type=float, default=1.5, help="memory limit in GiB (default 1.5)")
    parser.add_argument("--sentences", type=int, default=12, help="sentences of a document (12: some 1.6 kB)")
    parser.add_argument("--threads", type=int, default=1, help="workers")
    parser.add_argument("--embedder", default="character-ngrams", help="of the semantic step; none: without it")
    parser.add_argument("--data", type=Path, default=os.environ.get("HERDBOOK_TEST_DATA"), help="folder of real data")
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of real data: --data, or HERDBOOK_TEST_DATA")
    from herdbook.recipe import run

    sentences = sentences_of(options.data)
    for megabytes in options.megabytes:
        with tempfile.TemporaryDirectory(prefix="curate-memory-") as name:
            folder = Path(name)
            items = folder / "items.jsonl"
            chosen = random.Random(1).sample(sentences, ITEMS)
            items.write_text("".join(json.dumps({"question": text}) + "\n" for text in chosen), encoding="utf-8")
            n = write_input(folder / "text.jsonl", megabytes, sentences, options.sentences)
            settings = {"run.memory_limit_gib": options.limit, "run.threads": options.threads}
            stages = {"curate": stage(folder / "text.jsonl", items, options.embedder)}
            began = time.monotonic()
            found = run({"recipe": {"name": "memory"}, "stages": stages}, folder / "run", settings, mode="quiet")
            card = found.artifacts["curate"].card
            steps = sum(row["seconds"] for row in card.metrics["steps"])
            print(
                f"{megabytes:g} MB, {n:,} documents, {card.metrics['n_documents']:,} kept: peak "
                f"{card.peak_memory_gib * 1024:,.0f} MiB under {options.limit:g} GiB, "
                f"{time.monotonic() - began:.0f} s ({steps:.0f} s in steps)",
                flush=True,
            )


if __name__ == "__main__":
    main()
