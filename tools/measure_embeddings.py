"""What embedders are worth: sentence pairs that people scored, pairs that clusters miss, and rephrased benchmark items.

    python tools/measure_embeddings.py sts rephrased --embedders wordllama character-ngrams
    python tools/measure_embeddings.py probe --data FOLDER
    python tools/measure_embeddings.py many --embedders wordllama character-ngrams --sample 100000
    python tools/measure_embeddings.py sts --embedders use-multilingual --sample 300

`--data` (or HERDBOOK_TEST_DATA) names the folder with the data sets: KorSTS and KLUE STS (dev parts alone), English
Wikipedia, the rephrased items of Yang et al. (2023), GSM8K. `--sample` takes that many rows of each set, evenly.
Shape letters: P pairs or passages, I items, E numbers of a vector.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from herdbook.curation.dedup import semantic
from herdbook.curation.dedup.semantic import Config, semantic_duplicates
from herdbook.curation.embeddings import EMBEDDERS, THRESHOLDS, Embedder, embedder
from herdbook.curation.quality.measures import best_cut, f1, spearman
from herdbook.curation.rephrased import passages

Pairs = list[tuple[str, str, float]]


def evenly(rows: list[Any], n: int) -> list[Any]:
    """At most `n` of the rows, evenly (0: all)."""
    return rows if not n or n >= len(rows) else [rows[i * len(rows) // n] for i in range(n)]


def scored_pairs(data: Path) -> dict[str, Pairs]:
    """(sentence, sentence, score from 0 to 5) of each set's dev part."""
    with open(data / "dedup/kor-sts-nli/sts-dev.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    with gzip.open(data / "dedup/klue-sts/klue-sts-v1.1_dev.json.gz", "rt", encoding="utf-8") as file:
        klue = json.load(file)
    return {
        "KorSTS dev": [(r["sentence1"], r["sentence2"], float(r["score"])) for r in rows],
        "KLUE STS dev": [(r["sentence1"], r["sentence2"], float(r["labels"]["real-label"])) for r in klue],
    }


def sts(model: Embedder, data: Path, sample: int) -> None:
    """Spearman's correlation; at the threshold for duplicates the share of paraphrases (score 4 and more) that are
    found, and their share among those and pairs under 3."""
    for name, every in scored_pairs(data).items():
        pairs = evenly(every, sample)
        began = time.process_time()
        one, two = (model.embed([pair[side] for pair in pairs]).astype(np.float64) for side in (0, 1))
        spent = time.process_time() - began
        size = sum(len(pair[side].encode()) for pair in pairs for side in (0, 1)) / 1e6
        cosines_P = np.einsum("pe,pe->p", one, two)
        scores_P = np.array([pair[2] for pair in pairs])
        over = cosines_P >= THRESHOLDS[model.name]
        right, wrong = int((over & (scores_P >= 4)).sum()), int((over & (scores_P < 3)).sum())
        print(
            f"{model.name:17} {name:13} {len(pairs):5} pairs  Spearman {spearman(cosines_P, scores_P) or 0:.3f}  "
            f"at {THRESHOLDS[model.name]}: found {right / max(1, (scores_P >= 4).sum()):.3f}, precision "
            f"{right / max(1, right + wrong):.3f}  {size / max(spent, 1e-9):.3f} MB/s"
        )


def probe(model: Embedder, data: Path, sample: int) -> None:
    """Pairs over the threshold that are not both kept, for several numbers of clusters looked into (0: all)."""
    texts: list[str] = []
    with gzip.open(data / "text/enwiki-2015/enwiki-2015.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            words = json.loads(line)["text"].split()
            texts += [" ".join(words[i : i + 100]) for i in range(0, len(words) - 99, 100)]
    texts = evenly(texts, sample or 16_700)
    texts += [" ".join(w for i, w in enumerate(text.split()) if i % 8 != 7) for text in texts[::10]]
    vectors_NE = model.embed(texts)
    n, threshold = len(texts), THRESHOLDS[model.name]
    pairs = []
    for start in range(0, n, 1024):
        a, b = np.nonzero(
            vectors_NE[start : start + 1024].astype(np.float32) @ vectors_NE.T.astype(np.float32) >= threshold
        )
        pairs += [(start + i, j) for i, j in zip(a.tolist(), b.tolist()) if start + i < j]
    for visits in (0, 64, 16, 4):
        found = semantic_duplicates(vectors_NE, np.zeros(n), Config(threshold=threshold, probe=visits))
        parted = statistics.mean(not (found.kept[a] and found.kept[b]) for a, b in pairs)
        print(
            f"{model.name:17} {n} passages, {len(pairs)} pairs, {found.n_clusters} clusters, probe {visits:2}: "
            f"not both kept {parted:.3f}, {n * (n - 1) / 2 / found.n_compared:.1f} times fewer cosines"
        )


def short_passages(data: Path, english: bool, words: int = 30) -> list[str]:
    """Different passages of so many words (English articles, help pages and novels, or help pages in 29 languages with
    Korean and Vietnamese articles) and copies of a tenth that lack about every eighth word, in a fixed random order."""
    texts = data / "text"
    files = [
        (texts / "enwiki-2015/enwiki-2015.jsonl.gz", "text"),
        (texts / "libreoffice-help-7.4/en-us.jsonl.gz", "text"),
    ]
    files.append((data / "dedup/english-novels-editions/eltec_overlap.jsonl.gz", "eltec_text"))
    if not english:
        files = [(path, "text") for path in sorted((texts / "libreoffice-help-7.4").glob("*.jsonl.gz"))]
        files += [(texts / f"{name}.jsonl.gz", "text") for name in ("kowiki/kowiki-2023", "viwiki-2022/viwiki")]
    found: dict[str, None] = {}
    for path, key in files:
        for text in lines(path, key):
            split = text.split(" ")
            parts = (" ".join(split[i : i + words]) for i in range(0, len(split), words))
            found.update(dict.fromkeys(part for part in parts if len(part) > 2 * words))
    rng = np.random.Generator(np.random.PCG64(0))
    copies = [" ".join(w for w in text.split(" ") if rng.random() > 0.125) for text in list(found)[::10]]
    every = list(dict.fromkeys([*found, *copies]))
    return [every[i] for i in rng.permutation(len(every))]


def many(model: Embedder, data: Path, sample: int) -> None:
    """Semantic duplicates among many short passages, looked for everywhere and in the nearest clusters: CPU seconds,
    and of all pairs with one of the first 40,000 passages the share of which not both stay; the same of pairs in the
    lowest quarter over the threshold."""
    texts = short_passages(data, english=model.name == "wordllama")[: sample or 100_000]
    n, threshold = len(texts), THRESHOLDS[model.name]
    vectors_NE = np.concatenate([model.embed(texts[i : i + 4096]) for i in range(0, n, 4096)]).astype(np.float32)
    vectors_NE /= np.maximum(np.linalg.norm(vectors_NE, axis=1, keepdims=True), 1e-9)
    stays = {}
    everywhere = semantic.MANY_DOCUMENTS
    for name, most in (("everywhere", n), ("nearest clusters", 0)):
        semantic.MANY_DOCUMENTS = most
        semantic_duplicates(vectors_NE[:5000], np.zeros(5000), Config(threshold=threshold))  # compiled, or read
        began = time.process_time()
        found = semantic_duplicates(vectors_NE, np.zeros(n), Config(threshold=threshold))
        stays[name] = found.kept, time.process_time() - began, n * (n - 1) / 2 / found.n_compared
    semantic.MANY_DOCUMENTS = everywhere
    pairs, low = {name: [0, 0] for name in stays}, [0, 0]
    for i in range(0, min(n, 40_000), 2048):
        for j in range(0, n, 16_384):
            cosines = vectors_NE[i : i + 2048] @ vectors_NE[j : j + 16_384].T
            a, b = np.nonzero(cosines >= threshold)
            a, b, values = a + i, b + j, cosines[a, b]
            later = a < b
            a, b, lowest = a[later], b[later], values[later] < threshold + (1 - threshold) / 4
            low = [low[0] + len(a), low[1] + int(lowest.sum())]
            for name, (kept, _, _) in stays.items():
                both = kept[a] & kept[b]
                pairs[name] = [pairs[name][0] + int(both.sum()), pairs[name][1] + int((both & lowest).sum())]
    for name, (kept, seconds, fewer) in stays.items():
        shares = [f"{1 - missed / max(1, of):.4f} of {of:,}" for missed, of in zip(pairs[name], low)]
        print(
            f"{model.name:17} {n:,} passages, {name:16}: {(~kept).sum():,} removed, {seconds:.1f} s, {fewer:.0f} times "
            f"fewer cosines, pairs not both kept {shares[0]}, the lowest {shares[1]}",
            flush=True,
        )


def lines(path: Path, key: str = "text") -> list[str]:
    """A field of each row of JSON lines, compressed or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path, encoding="utf-8") as file:
        return [json.loads(line)[key] for line in file]


def item_pairs(data: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Name -> (items of the benchmark, the same ones rephrased, in the same order)."""
    folder = data / "evaluation/lm-sys+llm-decontaminator/data/rephrase"
    maths = data / "evaluation/openai+grade-school-math/grade_school_math/data"
    reworded = [
        text.removeprefix("Question: ").split("\nAnswer:")[0] for text in lines(folder / "rephrase_gsm8k.jsonl")
    ]
    with open(folder / "sociology_test.csv", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    questions = [row[0] for row in rows]
    choices = ["\n".join([row[0], *(f"{a}. {text}" for a, text in zip("ABCD", row[1:5]))]) for row in rows]
    answers = [f"{row[0]}\nAnswer: {row[1 + 'ABCD'.index(row[5])]}" for row in rows]
    english = lines(folder / "sociology_test_rephrase_english_filtered_question.jsonl")
    return {
        "GSM8K, reworded": (lines(maths / "test.jsonl.gz", "question"), reworded),
        "sociology, reworded": (questions, english),
        "sociology, Chinese, choices": (choices, lines(folder / "sociology_test_chinese_filtered_question.jsonl")),
        "sociology, Chinese, answer": (answers, lines(folder / "sociology_test_chinese.jsonl")),
    }


def nearest(model: Embedder, items_IE: Any, size: int, texts: list[str]) -> tuple[Any, Any]:
    """(largest cosine with any item, that item) over the passages of each text."""
    spans = [(row, text[a:b]) for row, text in enumerate(texts) for a, b in passages(text, size, 20)]
    cosines_PI = model.embed([part for _, part in spans]).astype(np.float32) @ items_IE.T
    best, which = np.zeros(len(texts)), np.full(len(texts), -1)
    for (row, _), cosine, item in zip(spans, cosines_PI.max(axis=1).tolist(), cosines_PI.argmax(axis=1).tolist()):
        if cosine > best[row]:
            best[row], which[row] = cosine, item
    return best, which


def rephrased(model: Embedder, data: Path, sample: int) -> None:
    """The cosine that is best (F1) on items with even numbers, and what it finds of the odd ones, beside questions of
    GSM8K's training part that are no rephrasing. A finding is right when it names the item that was rephrased."""
    other = data / "evaluation/openai+grade-school-math/grade_school_math/data/train.jsonl.gz"
    others = lines(other, "question")[: sample or 1500]
    for name, (items, reworded) in item_pairs(data).items():
        places = np.array(evenly(list(range(len(items))), sample))
        items_IE = model.embed(items).astype(np.float32)
        size = int(statistics.median(map(len, items)))
        cosine, item = nearest(model, items_IE, size, [reworded[i] for i in places])
        right = item == places
        none, _ = nearest(model, items_IE, size, others)
        even, even_none = places % 2 == 0, np.arange(len(others)) % 2 == 0
        cut = best_cut(
            np.concatenate([cosine[even], none[even_none]]), np.concatenate([right[even], none[even_none] < -2]), f1
        )
        found, flagged = (cosine >= cut) & ~even, (none >= cut) & ~even_none
        n_right = int((found & right).sum())
        share = flagged.sum() / (~even_none).sum()
        print(
            f"{model.name:17} {name:28} at {cut:.2f}: found {n_right / max(1, (~even).sum()):.3f}, precision "
            f"{n_right / max(1, found.sum() + flagged.sum()):.3f}, others flagged {share:.3f}"
        )


def main() -> None:
    """Prints a line for each embedder and set."""
    kinds = {"sts": sts, "probe": probe, "many": many, "rephrased": rephrased}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=list(kinds))
    parser.add_argument("--embedders", nargs="+", choices=list(EMBEDDERS), default=["wordllama"])
    parser.add_argument("--data", type=Path, default=os.environ.get("HERDBOOK_TEST_DATA"))
    parser.add_argument("--sample", type=int, default=0)
    given = parser.parse_args()
    if given.data is None:
        parser.error("say with --data or HERDBOOK_TEST_DATA where the data sets lie")
    for what in given.what:
        for name in given.embedders:
            kinds[what](embedder(name), Path(given.data), given.sample)


if __name__ == "__main__":
    main()
