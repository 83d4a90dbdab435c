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


def main() -> None:
    options = start(__doc__ or "")
    import numpy as np
    import pyarrow as pa
    from nsfw_sets import SETS, articles, news, rows, share, word_lists

    from herdbook.curation import nsfw

    config = nsfw.Config()
    lists = word_lists(options.data)

    def measured(texts: list[str], language: str) -> Any:
        columns = {
            "text": pa.array(texts, pa.large_string()),
            "language": pa.array([language] * len(texts), pa.string()),
        }
        return nsfw.measure(pa.table(columns), config)

    def dropped(measures: Any) -> dict[str, float]:
        reasons = nsfw.rules({name: measures[name].to_numpy() for name in measures.column_names}, config)
        return {reason: float(mask.mean()) for reason, mask in reasons}

    # Labelled sets, test parts.
    results: dict[str, Any] = {"labelled": {}, "clean": {}}
    printed = []
    for one in SETS:
        judged = [(text, label) for text, label, part in rows(options.data, one.name) if part == "test"]
        judged = judged[:: max(1, len(judged) // 1500)] if options.quick else judged
        texts, label = [text for text, _ in judged], np.array([label for _, label in judged])
        scores = measured(texts, one.language)["nsfw_toxic_score"].to_numpy()
        listed = says_listed(lists[one.language], texts, one.language)
        ours, words = figures(scores > config.max_toxic_score, label), figures(listed, label)
        more = {
            "AUC": auc(scores, label),
            "recall at the list's false positives": recall_at(scores, label, words["false positives"]),
            "recall at 0.19 false positives": recall_at(scores, label, 0.19),
        }
        results["labelled"][one.name] = {
            "rows": len(label),
            "toxic": int(label.sum()),
            "herdbook": ours | more,
            "word list": words,
        }
        printed.append([one.name, one.language, len(label), int(label.sum()), *ours.values(), *more.values()])
        printed.append(["  word list", "", "", "", *words.values(), "", "", ""])
    head = ["set", "", "rows", "toxic", "precision", "recall", "false +", "F1", "AUC", "R at list's F+", "R at .19 F+"]
    print(table(head, printed), end="\n\n")

    # Clean text: nothing of it should go.
    def wikipedia(name: str) -> list[tuple[str, str]]:
        kept = [(title, text) for key, title, text in articles(options.data / "text" / name) if share(key) >= 60]
        return kept[:: max(1, len(kept) // 300)] if options.quick else kept

    english, korean = wikipedia("enwiki-2015/enwiki-2015.jsonl.gz"), wikipedia("kowiki/kowiki-2023.jsonl.gz")
    medical = [text for _, text in english if len(MEDICAL.findall(text)) >= 3]
    prompts = list(
        csv.DictReader(
            StringIO((options.data / "evaluation/paul-rottger+exaggerated-safety/xstest_prompts.csv").read_text())
        )
    )
    techdocs = [text for _, _, text in articles(options.data / "text/korean-techdocs/docs.jsonl.gz")]
    clean = {
        "English Wikipedia": ("en", [text for _, text in english]),
        "its articles on medicine and sexuality": ("en", medical),
        "English news (NTREX-128), by sentence": ("en", news(options.data, "eng")),
        "harmless questions that sound harmful (XSTest)": (
            "en",
            [p["prompt"] for p in prompts if not p["type"].startswith("contrast")],
        ),
        "Korean Wikipedia": ("ko", [text for _, text in korean]),
        "Korean news (NTREX-128), by sentence": ("ko", news(options.data, "kor")),
        "Korean technical documents": ("ko", techdocs),
    }
    printed = []
    for name, (language, texts) in clean.items():
        goes = dropped(measured(texts, language))
        listed_share = float(says_listed(lists[language], texts, language).mean())
        results["clean"][name] = {"texts": len(texts), **goes, "word list": listed_share}
        printed.append([name, len(texts), goes["nsfw_text"], goes["toxic_text"], listed_share])
    print(table(["share dropped of clean text", "texts", "nsfw_text", "toxic_text", "word list"], printed), end="\n\n")

    # Hosts by their names.
    with tarfile.open(options.data / "toxicity/ut1-url-blacklists/lists.tar.xz") as tar:

        def hosts(name: str) -> list[str]:
            lines = tar.extractfile(f"blacklists/{name}").read().decode("utf-8", "replace").splitlines()  # type: ignore
            return sorted({line.split("/")[0] for line in lines if line})

        kinds = {
            name: hosts(name)
            for name in (
                "adult/urls",
                "dating/domains",
                "gambling/domains",
                "press/domains",
                "liste_bu/domains",
                "sexual_education/domains",
            )
        }
    from herdbook.curation.nsfw.domains import is_adult_name

    results["hosts"] = {
        name: {"hosts": len(found), "adult by name": sum(map(is_adult_name, found))} for name, found in kinds.items()
    }
    print(
        table(
            ["hosts of UT1", "hosts", "adult by name"],
            [[name, *one.values()] for name, one in results["hosts"].items()],
        ),
        end="\n\n",
    )

    # Speed.
    for language, texts in (("en", [text for _, text in english]), ("ko", [text for _, text in korean])):
        column = pa.table({"text": pa.array(texts[:2000], pa.large_string())})
        n_bytes = sum(len(text.encode()) for text in texts[:2000])
        rates = []
        for _ in range(3):
            began = time.process_time()
            nsfw.measure(column, config)
            rates.append(n_bytes / 1e6 / (time.process_time() - began))
        results[f"MB/s {language}"] = sorted(rates)[1]
        print(f"{language}: {sorted(rates)[1]:.1f} MB/s of one core ({n_bytes / 1e6:.1f} MB)")
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
