"""Semantic duplicates: recall and cost against comparing all pairs, against semhash, and the speed of the embedders.

Vectors: passages of 100 words of articles, help pages and novels, and of every tenth a copy without about every eighth
word, embedded by wordllama (static vectors). All contestants get the same vectors and cosine. Recall: of the pairs
that comparing all pairs finds, those of which not both are kept. semhash (usearch's HNSW graph) makes its own selection
among the same vectors. CPU seconds of one thread.

Then what the verdicts are worth: sentence pairs that people scored (KorSTS dev, score 4 and more against under 3), and
novels in two editions (a passage and its place in the other edition are not known, so the labels are damaged copies).
"""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

from _bench import median_and_spread, ratio, save, start, table  # noqa: E402

WORDS = 100


def read_texts(data: Path, n: int) -> list[str]:
    """n passages, then damaged copies of a tenth of them."""
    import numpy as np

    sources = [
        (data / "text" / "enwiki-2015" / "enwiki-2015.jsonl.gz", "text"),
        (data / "text" / "libreoffice-help-7.4" / "en-us.jsonl.gz", "text"),
        (data / "dedup" / "english-novels-editions" / "eltec_overlap.jsonl.gz", "eltec_text"),
    ]
    found: list[str] = []
    for number, (path, field) in enumerate(sources, 1):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                words = json.loads(line)[field].split(" ")
                found += [" ".join(words[i : i + WORDS]) for i in range(0, len(words), WORDS)]
                if len(found) > n * number // len(sources):
                    break
        found = found[: n * number // len(sources)]
    rng = np.random.Generator(np.random.PCG64(0))
    copies = [" ".join(w for w in text.split(" ") if rng.random() > 0.125) for text in found[::10]]
    found += copies
    return [found[i] for i in rng.permutation(len(found))]


def all_pairs(x: Any, threshold: float) -> Any:
    """Pairs [2, P] over the threshold, by comparing all."""
    import numpy as np

    found = []
    for i in range(0, len(x), 2048):
        a, b = np.nonzero(x[i : i + 2048] @ x[i:].T >= threshold)
        later = a < b
        found.append(np.stack([a[later] + i, b[later] + i]))
    return np.concatenate(found, axis=1)


class Ready:
    """Vectors by text, for semhash."""

    def __init__(self, texts: list[str], x: Any) -> None:
        self.rows = {text: i for i, text in enumerate(texts)}
        self.x = x

    def encode(self, inputs: Any, **_: Any) -> Any:
        return self.x[[self.rows[text] for text in inputs]]


def main() -> None:
    options = start(__doc__ or "")
    import numpy as np
    from semhash import SemHash

    from herdbook.curation import embeddings
    from herdbook.curation.dedup.semantic import Config, semantic_duplicates

    texts = list(dict.fromkeys(read_texts(options.data, 9000 if options.quick else 40_000)))
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    model = embeddings.embedder("wordllama")
    threshold = embeddings.THRESHOLDS["wordllama"]
    began = time.process_time()
    x = model.embed(texts)
    speeds: dict[str, list[float]] = {"wordllama, first pass": [megabytes / (time.process_time() - began)]}
    for name in ("wordllama", "character-ngrams"):
        embeddings.embedder(name).embed(texts[:2])
        for _ in range(3):
            began = time.process_time()
            embeddings.embedder(name).embed(texts)
            speeds.setdefault(name, []).append(megabytes / (time.process_time() - began))
    few = texts[:20] if options.quick else texts[:200]
    for name in ("use-multilingual", "minilm"):
        embeddings.embedder(name).embed(few[:1])
        began = time.process_time()
        embeddings.embedder(name).embed(few)
        speeds[name] = [sum(len(text.encode()) for text in few) / 1e6 / (time.process_time() - began)]

    n = len(texts)
    config = Config(threshold=threshold)
    semantic_duplicates(x[:50], np.zeros(50), config)  # compiled, or read from the cache
    seconds: dict[str, list[float]] = {}
    for _ in range(1 if options.quick else 2):
        began = time.process_time()
        found = semantic_duplicates(x, np.zeros(n), config)
        seconds.setdefault("herdbook", []).append(time.process_time() - began)
        began = time.process_time()
        pairs = all_pairs(x, threshold)
        seconds.setdefault("all pairs", []).append(time.process_time() - began)
        began = time.process_time()
        hashed = SemHash.from_records(records=texts, model=Ready(texts, x))
        theirs = hashed.self_deduplicate(threshold=threshold)
        seconds.setdefault("semhash", []).append(time.process_time() - began)
    chosen = set(theirs.selected)
    kept = {"herdbook": found.kept, "semhash": np.array([text in chosen for text in texts])}
    twins = np.zeros(n, dtype=bool)

    def judged(stays: Any) -> tuple[int, float, float]:
        """(removed, share of pairs not both kept, share of removals with a twin that stays)."""
        twins[:] = False
        twins[pairs[0][stays[pairs[1]]]] = True
        twins[pairs[1][stays[pairs[0]]]] = True
        gone = ~stays
        return int(gone.sum()), float((~(stays[pairs[0]] & stays[pairs[1]])).mean()), float(twins[gone].mean())

    rows = {name: judged(stays) for name, stays in kept.items()}
    fewer = n * (n - 1) / 2 / found.n_compared

    with open(options.data / "dedup" / "kor-sts-nli" / "sts-dev.tsv", encoding="utf-8") as file:
        sts = [line.rstrip("\n").split("\t") for line in file][1 : 200 if options.quick else None]
    score = np.array([float(row[4]) for row in sts])
    labels = {}
    for name in ("use-multilingual", "character-ngrams"):
        each = embeddings.embedder(name)
        a, b = (each.embed([row[column] for row in sts]) for column in (5, 6))
        over = np.einsum("ne,ne->n", a, b) >= embeddings.THRESHOLDS[name]
        same, other = over[score >= 4], over[score < 3]
        labels[name] = (float(same.mean()), float(same.sum() / max(1, same.sum() + other.sum())))

    print(table(["embedder", "MB/s per core", "spread"], [[k, *median_and_spread(v)] for k, v in speeds.items()]))
    print(f"\n{n} vectors of {x.shape[1]}, {found.n_clusters} clusters, {pairs.shape[1]} pairs of cosine {threshold}")
    print(table(["contestant", "CPU s", "spread"], [[k, *median_and_spread(v)] for k, v in seconds.items()]))
    print()
    print(table(["contestant", "removed", "recall", "precision"], [[k, *v] for k, v in rows.items()]))
    print("\nKorSTS dev: paraphrases (4 and more) found, and their share among those and pairs under 3")
    print(table(["embedder", "found", "precision"], [[k, *v] for k, v in labels.items()]))
    results = {"speeds": speeds, "seconds": seconds, "verdicts": rows, "fewer": fewer, "sts": labels, "vectors": n}
    print(f"\n{save('semantic', options, results)}")
    middle = {name: median_and_spread(values)[0] for name, values in seconds.items()}
    ratio("semhash", "seconds", middle["semhash"] / middle["herdbook"])
    ratio("all pairs", "seconds", middle["all pairs"] / middle["herdbook"])
    ratio("wordllama", "MB/s", median_and_spread(speeds["wordllama"])[0])
    ratio("all pairs", "recall", rows["herdbook"][1])
    ratio("all pairs", "fewer cosines", fewer)


if __name__ == "__main__":
    main()
