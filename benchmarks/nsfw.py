"""The NSFW and toxicity filter on labelled sets that it has not learnt from, beside a word list: precision, recall,
share of false positives, AUC; what it drops of clean text; its speed.

The word list is LDNOOBW's: whole words in English, anywhere in Korean, where particles are glued to words. Sets and
their parts: tools/nsfw_sets.py. Speed in CPU seconds of one core.
"""

from __future__ import annotations

import csv
import os
import re
import sys
import tarfile
import time
from io import StringIO
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from _bench import ratio, save, start, table

MEDICAL = re.compile(
    r"\b(sex(?:ual)?|genital|vagina|penis|breast|contracept|gynaecolog|gynecolog|urolog|pregnan|masturbat|HIV|syphilis)",
    re.IGNORECASE,
)
"""English articles that say one of these at least three times speak of medicine or sexuality."""


def says_listed(entries: list[str], texts: list[str], language: str) -> Any:
    """Whether each text says an entry of the list, bool [N]."""
    import numpy as np

    from herdbook.curation.heuristics.word_list import count_entries, word_list
    from herdbook.curation.heuristics.words import split_words, texts_of

    if language == "ko":
        return np.array([any(entry in text for entry in entries) for text in texts])
    return count_entries(split_words(texts_of(texts), language), word_list(entries), language) > 0


def auc(scores: Any, label: Any) -> float:
    """Area under the curve; ties count half."""
    import numpy as np

    ordered = np.sort(scores)
    ranks = (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right") + 1) / 2
    positives = int(label.sum())
    wins = ranks[label == 1].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * (len(label) - positives)))


def figures(flagged: Any, label: Any) -> dict[str, float]:
    """Precision, recall, false positives, F1 of a verdict."""
    true, found, real = (flagged & (label == 1)).sum(), flagged.sum(), (label == 1).sum()
    precision, recall = true / max(found, 1), true / max(real, 1)
    return {
        "precision": float(precision),
        "recall": float(recall),
        "false positives": float(flagged[label == 0].mean()),
        "F1": float(2 * precision * recall / max(precision + recall, 1e-9)),
    }


def recall_at(scores: Any, label: Any, false_positives: float) -> float:
    """Recall where this share of the harmless rows is above the threshold."""
    import numpy as np

    threshold = np.quantile(scores[label == 0], 1 - false_positives, method="higher")
    return float((scores[label == 1] > threshold).mean())


def measured(texts: list[str], language: str, config: Any) -> Any:
    """The filter's columns for texts of a language."""
    import pyarrow as pa

    from herdbook.curation import nsfw

    columns = {"text": pa.array(texts, pa.large_string()), "language": pa.array([language] * len(texts), pa.string())}
    return nsfw.measure(pa.table(columns), config)


def thinned(rows: list[Any], most: int | None) -> list[Any]:
    """About `most` of the rows, evenly; all without `most`."""
    return rows if most is None else rows[:: max(1, len(rows) // most)]


def on_labelled_sets(data: Path, config: Any, lists: dict[str, list[str]], most: int | None) -> dict[str, Any]:
    """Figures of filter and word list on the test part of each labelled set; `most`: rows of a set, evenly."""
    import numpy as np
    from nsfw_sets import SETS, rows

    found = {}
    for one in SETS:
        judged = thinned([(text, label) for text, label, part in rows(data, one.name) if part == "test"], most)
        texts, label = [text for text, _ in judged], np.array([label for _, label in judged])
        scores = measured(texts, one.language, config)["nsfw_toxic_score"].to_numpy()
        words = figures(says_listed(lists[one.language], texts, one.language), label)
        more = {
            "AUC": auc(scores, label),
            "recall at the list's false positives": recall_at(scores, label, words["false positives"]),
            "recall at 0.19 false positives": recall_at(scores, label, 0.19),
        }
        found[one.name] = {
            "language": one.language,
            "rows": len(label),
            "toxic": int(label.sum()),
            "herdbook": figures(scores > config.max_toxic_score, label) | more,
            "word list": words,
        }
    return found


def clean_texts(data: Path, most: int | None) -> dict[str, tuple[str, list[str]]]:
    """Name -> (language, texts) of what nothing should be dropped of; `most`: articles of a Wikipedia, evenly."""
    from nsfw_sets import articles, news, share

    def wikipedia(name: str) -> list[str]:
        return thinned([text for key, _, text in articles(data / "text" / name) if share(key) >= 60], most)

    english = wikipedia("enwiki-2015/enwiki-2015.jsonl.gz")
    file = data / "evaluation" / "paul-rottger+exaggerated-safety" / "xstest_prompts.csv"
    prompts = csv.DictReader(StringIO(file.read_text(encoding="utf-8")))
    techdocs = [text for _, _, text in articles(data / "text" / "korean-techdocs" / "docs.jsonl.gz")]
    return {
        "English Wikipedia": ("en", english),
        "its articles on medicine and sexuality": ("en", [t for t in english if len(MEDICAL.findall(t)) >= 3]),
        "English news (NTREX-128), by sentence": ("en", news(data, "eng")),
        "harmless questions that sound harmful (XSTest)": (
            "en",
            [p["prompt"] for p in prompts if not p["type"].startswith("contrast")],
        ),
        "Korean Wikipedia": ("ko", wikipedia("kowiki/kowiki-2023.jsonl.gz")),
        "Korean news (NTREX-128), by sentence": ("ko", news(data, "kor")),
        "Korean technical documents": ("ko", thinned(techdocs, most)),
    }


def on_clean_texts(
    texts: dict[str, tuple[str, list[str]]], config: Any, lists: dict[str, list[str]]
) -> dict[str, dict[str, float]]:
    """Share of each kind of clean text that each rule, and the word list, would drop."""
    from herdbook.curation import nsfw

    found = {}
    for name, (language, given) in texts.items():
        measures = measured(given, language, config)
        rules = nsfw.rules({column: measures[column].to_numpy() for column in measures.column_names}, config)
        listed = float(says_listed(lists[language], given, language).mean())
        found[name] = {"texts": len(given), **{why: float(mask.mean()) for why, mask in rules}, "word list": listed}
    return found


def on_hosts(data: Path) -> dict[str, dict[str, int]]:
    """How many hosts of each of UT1's lists have an adult name."""
    from herdbook.curation.nsfw.domains import is_adult_name

    kinds = ("adult/urls", "dating/domains", "gambling/domains", "press/domains", "liste_bu/domains")
    found = {}
    with tarfile.open(data / "toxicity" / "ut1-url-blacklists" / "lists.tar.xz") as tar:
        for name in (*kinds, "sexual_education/domains"):
            lines = tar.extractfile(f"blacklists/{name}").read().decode("utf-8", "replace").splitlines()  # type: ignore
            hosts = sorted({line.split("/")[0] for line in lines if line})
            found[name] = {"hosts": len(hosts), "adult by name": sum(map(is_adult_name, hosts))}
    return found


def speed(texts: list[str], config: Any) -> tuple[float, float]:
    """(MB/s of one core, the middle one of three; MB)."""
    import pyarrow as pa

    from herdbook.curation import nsfw

    column = pa.table({"text": pa.array(texts, pa.large_string())})
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    rates = []
    for _ in range(3):
        began = time.process_time()
        nsfw.measure(column, config)
        rates.append(megabytes / (time.process_time() - began))
    return sorted(rates)[1], megabytes


def show(results: dict[str, Any]) -> None:
    """Prints the tables."""
    printed = []
    for name, one in results["labelled"].items():
        printed.append([name, one["language"], one["rows"], one["toxic"], *one["herdbook"].values()])
        printed.append(["  word list", "", "", "", *one["word list"].values(), "", "", ""])
    head = ["set", "", "rows", "toxic", "precision", "recall", "false +", "F1", "AUC", "R at list's F+", "R at .19 F+"]
    print(table(head, printed), end="\n\n")
    head = ["share dropped of clean text", "texts", "nsfw_text", "toxic_text", "word list"]
    printed = [
        [name, one["texts"], one["nsfw_text"], one["toxic_text"], one["word list"]]
        for name, one in results["clean"].items()
    ]
    print(table(head, printed), end="\n\n")
    hosts = [[name, *one.values()] for name, one in results["hosts"].items()]
    print(table(["hosts of UT1", "hosts", "adult by name"], hosts), end="\n\n")


def main() -> None:
    options = start(__doc__ or "")
    import numpy as np
    from nsfw_sets import word_lists

    from herdbook.curation import nsfw

    config = nsfw.Config()
    lists = word_lists(options.data)
    clean = clean_texts(options.data, 200 if options.quick else None)
    results: dict[str, Any] = {
        "labelled": on_labelled_sets(options.data, config, lists, 800 if options.quick else None),
        "clean": on_clean_texts(clean, config, lists),
        "hosts": on_hosts(options.data),
    }
    show(results)
    for language in ("en", "ko"):
        name = "English Wikipedia" if language == "en" else "Korean Wikipedia"
        rate, megabytes = speed(clean[name][1][:2000], config)
        results[f"MB/s {language}"] = rate
        print(f"{language}: {rate:.1f} MB/s of one core ({megabytes:.1f} MB)")
    print(f"\n{save('nsfw', options, results)}")
    sets = results["labelled"].values()
    mean = {
        who: {what: float(np.mean([one[who][what] for one in sets])) for what in ("recall", "F1")}
        for who in ("herdbook", "word list")
    }
    ratio("wordlist", "mean F1 over the sets", mean["herdbook"]["F1"] / mean["word list"]["F1"])
    equal = np.mean([one["herdbook"]["recall at the list's false positives"] for one in sets])
    ratio("wordlist", "recall at equal false positives", float(equal) / mean["word list"]["recall"])
    ratio("wordlist", "recall", mean["herdbook"]["recall"] / mean["word list"]["recall"])


if __name__ == "__main__":
    main()
