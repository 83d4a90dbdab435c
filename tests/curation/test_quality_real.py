"""Quality on real text: SmolLM2-135M as a judge, against labels that are known; Wikipedia as reference.

Prints the figures of docs/curation.md: `pytest -s -m slow tests/curation/test_quality_real.py` after `make smollm2`.
"""

import csv
import gzip
import hashlib
import itertools
import json
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from herdbook.curation import Document, label, train_quality
from herdbook.curation.documents import write_documents
from herdbook.errors import InputError
from herdbook.weights.locate import smollm2_file

pytestmark = pytest.mark.slow


def lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file]


def rows(path: Path, n: int) -> list[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in itertools.islice(file, n)]


def passages(data: Path, n: int) -> list[str]:
    """A paragraph from the middle of each article."""
    found = []
    for row in rows(data / "text/enwiki-2015/enwiki-2015.jsonl.gz", n):
        long = [p for p in row["text"].split("\n") if len(p.split()) > 40]
        found += long[len(long) // 2 :][:1]
    return found


def messages(data: Path) -> list[str]:
    return [line.split("\t", 1)[1] for line in lines(data / "quality/sms-spam/sms.tsv.gz") if len(line.split()) > 12]


def comments(data: Path) -> list[str]:
    with gzip.open(data / "toxicity/unhealthy-conversations/val.csv.gz", "rt", encoding="utf-8") as file:
        return [row["comment"] for row in csv.DictReader(file) if len(row["comment"].split()) > 12]


def headlines(data: Path, name: str) -> list[str]:
    return [line for line in lines(data / f"quality/clickbait/{name}.gz") if len(line.split()) > 4]


def number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def draw(texts: Iterable[str], n: int, part: int) -> list[str]:
    """n of the texts whose hash falls into a part: 0 for trying prompts, 1 for measuring."""
    return sorted((t for t in set(texts) if number(t) % 2 == part), key=number)[:n]


def cut(text: str, n_words: int) -> str:
    return " ".join(text.split()[:n_words])


def write_gold(path: Path, good: list[str], bad: list[str]) -> str:
    labelled = [(text, 1) for text in good] + [(text, 0) for text in bad]
    path.write_text("".join(json.dumps({"text": text, "label": value}) + "\n" for text, value in labelled))
    return str(path)


@pytest.fixture(scope="module")
def judge() -> str:
    try:
        smollm2_file()
    except InputError:
        pytest.skip("SmolLM2 is not installed: make smollm2")
    return "smollm2"


def test_a_small_model_tells_articles_from_chat(judge: str, test_data: Path, tmp_path: Path) -> None:
    chat = [cut(t, 60) for t in draw(messages(test_data), 60, 1) + draw(comments(test_data), 60, 1)]
    lengths = [len(text.split()) for text in chat]
    random.Random(1).shuffle(lengths)  # articles as long as messages: length must not tell
    articles = [cut(t, n) for t, n in zip(draw(passages(test_data, 3000), 120, 1), lengths)]
    gold = write_gold(tmp_path / "gold.jsonl", articles, chat)
    dice = random.Random(2)
    # The first 60 of each kind served to try prompts on.
    sample = [(cut(t, dice.randint(14, 60)), "wikipedia") for t in draw(passages(test_data, 3000), 200, 0)[60:]]
    sample += [(cut(t, 60), "sms") for t in draw(messages(test_data), 130, 0)[60:]]
    sample += [(cut(t, 60), "comment") for t in draw(comments(test_data), 130, 0)[60:]]
    pages = [
        row["text"].replace("\n", " ") for row in rows(test_data / "text/libreoffice-help-7.4/en-us.jsonl.gz", 10**6)
    ]
    pages = [text for text in pages if len(text.split()) > 30]
    sample += [(cut(t, dice.randint(14, 60)), "software help") for t in draw(pages, 40, 0)]
    documents = [Document(f"d{i}", t, s, "", "unknown", "prose", language="en") for i, (t, s) in enumerate(sample)]
    write_documents(tmp_path / "documents.parquet", documents)
    figures = label(tmp_path / "documents.parquet", tmp_path / "labels", model=judge, gold=[gold], n_documents=220)
    print("\narticles or chat:", json.dumps(figures))
    assert figures["agreement"]["kappa"] > 0.6


def test_the_same_model_is_refused_for_headlines(judge: str, test_data: Path, tmp_path: Path) -> None:
    news, clickbait = (draw(headlines(test_data, f"{n}_data"), 120, 1)[::2] for n in ("non_clickbait", "clickbait"))
    gold = write_gold(tmp_path / "gold.jsonl", news, clickbait)
    write_documents(tmp_path / "documents.parquet", [Document("d", "Some text.", "a", "", "unknown", "prose")])
    with pytest.raises(InputError, match="agree too little") as caught:
        label(tmp_path / "documents.parquet", tmp_path / "labels", model=judge, gold=[gold])
    print("\nnews or clickbait:", caught.value)


def test_wikipedia_as_reference(test_data: Path, tmp_path: Path) -> None:
    text = test_data / "text"
    articles = {"en": rows(text / "enwiki-2015/enwiki-2015.jsonl.gz", 1900)}
    articles["ko"] = rows(text / "kowiki/kowiki-2023.jsonl.gz", 2400)
    positives, documents = [], []

    def add(texts: Iterable[str], source: str, language: str) -> None:
        for t in texts:
            documents.append(Document(f"{len(documents)}", t[:4000], source, "", "", "prose", language=language))

    def pages(items: list[str], n: int) -> list[str]:
        return ["\n".join(items[i : i + n]) for i in range(0, min(len(items), 400 * n) - n, n)]

    for language, found in articles.items():
        positives.append(tmp_path / f"{language}.jsonl")
        positives[-1].write_text("".join(json.dumps({"text": r["text"][:4000]}) + "\n" for r in found[:-400]))
        add((r["text"] for r in found[-400:] if r["text"].strip()), "wikipedia", language)
        name = {"en": "en-us", "ko": "ko"}[language]
        add((r["text"] for r in rows(text / f"libreoffice-help-7.4/{name}.jsonl.gz", 400)), "software help", language)
    add(pages(messages(test_data), 6), "sms", "en")
    add(pages(comments(test_data), 4), "comments", "en")
    add(pages(headlines(test_data, "clickbait_data"), 10), "clickbait", "en")
    add(pages([line.split("\t")[-1] for line in lines(text / "nsmc-raw/reviews.tsv.gz")[1:]], 10), "film reviews", "ko")
    write_documents(tmp_path / "documents.parquet", documents)
    names = [str(p) for p in positives]
    found = train_quality(tmp_path / "documents.parquet", tmp_path / "model", method="reference", positives=names)
    print("\nreference:", json.dumps(found))
    assert found["auc"] > 0.9
    rates = {source: row["keep_rate"] for source, row in found["keep_rate_by_source"].items()}
    assert rates.pop("wikipedia") > 0.6
    assert max(rates.values()) < 0.1
