"""Semantic duplicates: recall and cost against comparing all pairs, against semhash, and the speed of the embedders.

Two sets of passages of 100 words, each with copies of a tenth that lack about every eighth word: English articles, help
pages and novels, embedded by wordllama (static vectors), and help pages in 29 languages with Korean and Vietnamese
articles, embedded by use-static and by character n-grams. All contestants get the same vectors and cosine. Recall: of
the pairs that comparing all pairs finds, those of which not both are kept. Cost: numbers multiplied, in cosines of
whole vectors; learning, clusters, sketches and bounds are counted. semhash (usearch's HNSW graph) makes its own
selection among the same vectors. CPU seconds of one thread.

Then what the verdicts are worth: sentence pairs that people scored (KorSTS dev, score 4 and more against under 3).
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

from _bench import median_and_spread, ratio, save, start, table  # noqa: E402

WORDS = 100
Verdicts = tuple[int, float, float]
"""(removed, share of true pairs not both kept, share of removals with a twin that stays)."""


def passages(path: Path, field: str = "text") -> Iterator[str]:
    """Passages of a file of JSON lines, those of some length."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            words = json.loads(line)[field].split(" ")
            for i in range(0, len(words), WORDS):
                text = " ".join(words[i : i + WORDS])
                if len(text) > 2 * WORDS:
                    yield text


def with_copies(texts: list[str]) -> list[str]:
    """The different texts and damaged copies of a tenth of them, in a fixed random order."""
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(0))
    copies = [" ".join(w for w in text.split(" ") if rng.random() > 0.125) for text in texts[::10]]
    found = list(dict.fromkeys(texts + copies))
    return [found[i] for i in rng.permutation(len(found))]


def english(data: Path, n: int) -> list[str]:
    """About n passages of three kinds of English."""
    articles = passages(data / "text/enwiki-2015/enwiki-2015.jsonl.gz")
    manuals = passages(data / "text/libreoffice-help-7.4/en-us.jsonl.gz")
    novels = passages(data / "dedup/english-novels-editions/eltec_overlap.jsonl.gz", "eltec_text")
    return with_copies([*islice(articles, 6 * n // 10), *islice(manuals, n // 10), *islice(novels, 2 * n // 10)])


def many_languages(data: Path, n: int) -> list[str]:
    """About n passages in some thirty languages."""
    manuals = sorted((data / "text/libreoffice-help-7.4").glob("*.jsonl.gz"))
    found = [text for path in manuals for text in islice(passages(path), 2 * n // 3 // len(manuals))]
    for name in ("kowiki/kowiki-2023", "viwiki-2022/viwiki"):
        found += islice(passages(data / f"text/{name}.jsonl.gz"), n // 8)
    return with_copies(found)


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


@dataclass
class Searched:
    """What the contestants made of one set of vectors."""

    vectors: int
    clusters: int
    threshold: float
    pairs: int
    fewer: float
    """Cosines of all pairs / cosines' worth of numbers that herdbook multiplied."""
    seconds: dict[str, list[float]]
    verdicts: dict[str, Verdicts]


def judged(stays: Any, pairs: Any) -> Verdicts:
    """What a selection (bool [N]) is worth."""
    import numpy as np

    twins = np.zeros(len(stays), dtype=bool)
    twins[pairs[0][stays[pairs[1]]]] = True
    twins[pairs[1][stays[pairs[0]]]] = True
    parted = ~(stays[pairs[0]] & stays[pairs[1]])
    return int((~stays).sum()), float(parted.mean()), float(twins[~stays].mean())


def searched(texts: list[str], x: Any, threshold: float, rounds: int) -> Searched:
    """herdbook, all pairs and semhash in turns."""
    import numpy as np
    from semhash import SemHash

    from herdbook.curation.dedup.semantic import Config, semantic_duplicates

    n = len(texts)
    config = Config(threshold=threshold)
    semantic_duplicates(x[:50], np.zeros(50), config)  # compiled, or read from the cache
    seconds: dict[str, list[float]] = {"herdbook": [], "all pairs": [], "semhash": []}
    for _ in range(rounds):
        began = time.process_time()
        found = semantic_duplicates(x, np.zeros(n), config)
        seconds["herdbook"].append(time.process_time() - began)
        began = time.process_time()
        pairs = all_pairs(x, threshold)
        seconds["all pairs"].append(time.process_time() - began)
        began = time.process_time()
        theirs = SemHash.from_records(records=texts, model=Ready(texts, x)).self_deduplicate(threshold=threshold)
        seconds["semhash"].append(time.process_time() - began)
    chosen = set(theirs.selected)
    verdicts = {
        "herdbook": judged(found.kept, pairs),
        "semhash": judged(np.array([text in chosen for text in texts]), pairs),
    }
    fewer = n * (n - 1) / 2 / found.n_compared
    return Searched(n, found.n_clusters, threshold, pairs.shape[1], fewer, seconds, verdicts)


def megabytes_per_second(embed: Callable[[list[str]], Any], texts: list[str]) -> float:
    """Speed of an embedder in CPU time."""
    began = time.process_time()
    embed(texts)
    return sum(len(text.encode()) for text in texts) / 1e6 / (time.process_time() - began)


def speeds_of(texts: list[str], others: list[str], few: list[str], rounds: int) -> dict[str, list[float]]:
    """MB/s of one core of every embedder: the static ones on `texts` (English) or `others`, the networks on `few`."""
    from herdbook.curation import embeddings

    found: dict[str, list[float]] = {}
    for name, given in (("wordllama", texts), ("use-static", others), ("character-ngrams", others)):
        embeddings.embedder(name).embed(["Compiled, or read from the cache."])
        first, again = [], []
        for _ in range(rounds):  # each time one that has seen no word
            model = embeddings.EMBEDDERS[name]()
            first.append(megabytes_per_second(model.embed, given))
            again.append(megabytes_per_second(model.embed, given))
        found[f"{name}, first pass"], found[name] = first, again
    for name in ("use-multilingual", "minilm"):
        model = embeddings.embedder(name)
        model.embed(few[:1])
        found[name] = [megabytes_per_second(model.embed, few)]
    return found


def paraphrases(data: Path, most: int | None) -> dict[str, tuple[float, float]]:
    """For each embedder of Korean (share of KorSTS pairs scored 4 and more that are found, their share among those and
    pairs under 3)."""
    import numpy as np

    from herdbook.curation import embeddings

    with open(data / "dedup" / "kor-sts-nli" / "sts-dev.tsv", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:most]
    score = np.array([float(row[4]) for row in rows])
    found = {}
    for name in ("use-multilingual", "use-static", "character-ngrams"):
        a, b = (embeddings.embedder(name).embed([row[column] for row in rows]) for column in (5, 6))
        over = np.einsum("ne,ne->n", a, b) >= embeddings.THRESHOLDS[name]
        same, other = over[score >= 4], over[score < 3]
        found[name] = (float(same.mean()), float(same.sum() / max(1, same.sum() + other.sum())))
    return found


def main() -> None:
    options = start(__doc__ or "")
    from herdbook.curation import embeddings

    texts = english(options.data, 8000 if options.quick else 50_000)
    others = many_languages(options.data, 6000 if options.quick else 25_000)
    few = texts[:4] if options.quick else texts[:200]
    speeds = speeds_of(texts, others, few, 1 if options.quick else 3)
    sets = {}
    for name, given, model in (
        ("English", texts, "wordllama"),
        ("many languages, use-static", others, "use-static"),
        ("many languages", others, "character-ngrams"),
    ):
        x = embeddings.embedder(model).embed(given)
        sets[name] = searched(given, x, embeddings.THRESHOLDS[model], 1 if options.quick else 2)
    labels = paraphrases(options.data, 60 if options.quick else None)

    print(table(["embedder", "MB/s per core", "spread"], [[k, *median_and_spread(v)] for k, v in speeds.items()]))
    for name, one in sets.items():
        how = f"{one.clusters} clusters" if one.clusters else "sketches"
        print(f"\n{name}: {one.vectors} vectors, {how}, {one.pairs} pairs of cosine {one.threshold}")
        rows = [
            [who, *median_and_spread(spent), *one.verdicts.get(who, ("", "", ""))] for who, spent in one.seconds.items()
        ]
        print(table(["contestant", "CPU s", "spread", "removed", "recall", "precision"], rows))
        print(f"herdbook multiplied {one.fewer:.1f} times fewer numbers than all pairs need")
    print("\nKorSTS dev: paraphrases (4 and more) found, and their share among those and pairs under 3")
    print(table(["embedder", "found", "precision"], [[k, *v] for k, v in labels.items()]))
    results = {"speeds": speeds, "sets": {name: vars(one) for name, one in sets.items()}, "sts": labels}
    print(f"\n{save('semantic', options, results)}")
    for name, one in reversed(sets.items()):
        middle = {who: median_and_spread(spent)[0] for who, spent in one.seconds.items()}
        ratio("semhash", f"{name} seconds", middle["semhash"] / middle["herdbook"])
        ratio("all pairs", f"{name} seconds", middle["all pairs"] / middle["herdbook"])
        ratio("all pairs", f"{name} recall", one.verdicts["herdbook"][1])
        ratio("all pairs", f"{name} fewer cosines", one.fewer)


if __name__ == "__main__":
    main()
