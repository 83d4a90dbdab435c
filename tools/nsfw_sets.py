"""The labelled sets that the NSFW and toxicity filter is trained and judged on, one reader for all of them.

A row is (text, label, part): label 1 is toxic, part is `train`, `dev` or `test`. Parts that a set comes with are kept;
elsewhere the hash of the text in lower case without blanks decides (70, 10, 20 %), so equal texts of two sets are on
one side. Used by tools/train_nsfw.py, benchmarks/nsfw.py and the tests.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import html
import json
import re
import tarfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

Row = tuple[str, int, str]

ARTEFACT = re.compile(r"https?://\S+|@\w+:?|\bRT\b")
"""What says that a text is a tweet and nothing else."""


class LabelledSet(NamedTuple):
    """A set in folder `toxicity/NAME`; `train` is False where its licence, or the lack of one, forbids it."""

    name: str
    language: str
    license: str
    train: bool


SETS = (
    LabelledSet("davidson-hate-offensive", "en", "MIT", True),
    LabelledSet("surge-toxicity", "en", "MIT", True),
    LabelledSet("vicomtech-stormfront", "en", "CC BY-SA 3.0", True),
    LabelledSet("unhealthy-conversations", "en", "CC BY-NC-SA 4.0", False),
    LabelledSet("kocohub-korean-hate-speech", "ko", "CC BY-SA 4.0", True),
    LabelledSet("curse-detection-ko", "ko", "MIT", True),
    LabelledSet("korean-malicious-comments", "ko", "MIT, a part from kocohub's CC BY-SA 4.0", True),
    LabelledSet("k-mhas", "ko", "none stated", False),
    LabelledSet("hatescore-ko", "ko", "for research and no profit", False),
)


def share(key: str) -> int:
    """0 to 99, from the hash of the key in lower case without blanks."""
    return int.from_bytes(hashlib.sha256("".join(key.lower().split()).encode()).digest()[:4], "big") % 100


def part_of(key: str) -> str:
    """`train`, `dev` or `test` by hash."""
    return "train" if share(key) < 70 else "dev" if share(key) < 80 else "test"


def clean(text: str) -> str:
    """Without HTML entities, addresses, names of accounts and the mark of a passed-on tweet."""
    return " ".join(ARTEFACT.sub(" ", html.unescape(text)).split())


def read(path: Path) -> str:
    """A text file, gzipped or not."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")


def table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(read(path), newline=""), delimiter=delimiter))


def tabbed(path: Path) -> Iterator[list[str]]:
    """Lines of a tab-separated file after its header, where quotes are part of the text."""
    for line in read(path).splitlines()[1:]:
        if "\t" in line:
            yield line.rsplit("\t", line.count("\t"))


def _davidson(folder: Path) -> Iterator[Row]:
    for row in table(folder / "labeled_data.csv.gz"):
        yield row["tweet"], int(row["class"] != "2"), part_of(clean(row["tweet"]))


def _surge(folder: Path) -> Iterator[Row]:
    for row in table(folder / "toxicity_en.csv"):
        yield row["text"], int(row["is_toxic"] == "Toxic"), part_of(clean(row["text"]))


def _stormfront(folder: Path) -> Iterator[Row]:
    """Sentences of one thread are in one part."""
    with tarfile.open(folder / "data.tar.xz") as tar:
        files = {m.name: tar.extractfile(m).read().decode() for m in tar.getmembers() if m.isfile()}  # type: ignore
    for row in csv.DictReader(StringIO(files["annotations_metadata.csv"])):
        if row["label"] in ("hate", "noHate"):
            text = files[f"all_files/{row['file_id']}.txt"]
            yield text, int(row["label"] == "hate"), part_of(row["file_id"].split("_")[0])


def _unhealthy(folder: Path) -> Iterator[Row]:
    """Hostile comments against healthy ones; what is neither is left out."""
    for name, part in (("val", "dev"), ("test", "test")):
        for row in table(folder / f"{name}.csv.gz"):
            if row["hostile"] == "1" or row["healthy"] == "1":
                yield row["comment"], int(row["hostile"] == "1"), part


def _kocohub(folder: Path) -> Iterator[Row]:
    """Its dev file is the test part here: the labels of its test file are not published."""
    for comment, *_, label in tabbed(folder / "train.tsv.gz"):
        yield comment, int(label != "none"), "dev" if part_of(comment) == "dev" else "train"
    for comment, *_, label in tabbed(folder / "dev.tsv"):
        yield comment, int(label != "none"), "test"


def _curse(folder: Path) -> Iterator[Row]:
    for line in read(folder / "dataset.txt.gz").splitlines():
        text, _, label = line.rpartition("|")
        if label.strip() in ("0", "1"):
            yield text, int(label), part_of(text)


def _malicious(folder: Path) -> Iterator[Row]:
    for text, label in (row for row in tabbed(folder / "Dataset.csv.gz") if len(row) == 2):
        if label.strip() in ("0", "1"):
            yield text, 1 - int(label), part_of(text)


def _kmhas(folder: Path) -> Iterator[Row]:
    for name, part in (("valid", "dev"), ("test", "test")):
        for text, *_, label in tabbed(folder / f"kmhas_{name}.txt.gz"):
            yield text.strip('"'), int(label.strip() != "8"), part


def _hatescore(folder: Path) -> Iterator[Row]:
    """Two thirds are neutral sentences about the groups that hate speaks of."""
    for row in table(folder / "HateScore.csv.gz"):
        yield row["comment"], int(row["macrolabel"] != "Clean"), "dev" if share(row["comment"]) < 30 else "test"


READERS = dict(
    zip(
        (one.name for one in SETS),
        (_davidson, _surge, _stormfront, _unhealthy, _kocohub, _curse, _malicious, _kmhas, _hatescore),
    )
)


def rows(data: Path, name: str) -> list[Row]:
    """All rows of a set, cleaned; those without text are left out. OSError where the set is not below `data`."""
    found = [(clean(text), label, part) for text, label, part in READERS[name](data / "toxicity" / name)]
    return [row for row in found if row[0]]


def word_lists(data: Path) -> dict[str, list[str]]:
    """The LDNOOBW word lists by language (CC BY 4.0)."""
    with tarfile.open(data / "toxicity" / "ldnoobw" / "lists.tar") as tar:
        files = {m.name: tar.extractfile(m).read().decode() for m in tar.getmembers() if m.isfile()}  # type: ignore
    return {
        name: [line.strip() for line in text.splitlines() if line.strip()]
        for name, text in files.items()
        if len(name) in (2, 3) and name != "tlh"
    }


def sexual_words(data: Path) -> list[str]:
    """English entries that two other lists (both MIT) call sexual."""
    entries = json.loads(read(data / "toxicity" / "dsojevic-profanity-list" / "en.json"))
    found = {m for e in entries if "sexual" in e.get("tags", []) for m in e["match"].replace("*", "").split("|")}
    for row in table(data / "toxicity" / "surge-profanity" / "profanity_en.csv"):
        if row["category_1"].startswith("sexual anatomy"):
            found.add(row["text"].lower())
    return sorted(word for word in found if word.strip())


def articles(path: Path) -> Iterator[tuple[str, str, str]]:
    """(id, title, text) of a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield str(row["id"]), row.get("title", ""), row["text"]


def news(data: Path, language: str) -> list[str]:
    """The sentences of NTREX-128 in a language (`eng`, `kor`)."""
    with tarfile.open(data / "text" / "ntrex-128.tar.xz") as tar:
        name = next(m.name for m in tar.getmembers() if f".{language}.txt" in m.name)
        return gzip.decompress(tar.extractfile(name).read()).decode().splitlines()  # type: ignore
