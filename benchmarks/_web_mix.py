"""English text as a crawl has it, and clean text to measure on: what `curation_ablation` trains and measures with.

Pages are whole: `resiliparse`'s plain text of everything that is visible, menus, notices and lists of links included.
Pages, messages and articles that the language identifier does not take for English are left out of the mix, so that the
language filter, which would win easily, decides nothing here.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_CHARACTERS = 60_000
"""Longer documents are cut here, so that no single one rules the mix."""
COPIED_SHARE, COPIES = 0.08, 4
"""Share of web pages that are captured again, and how often: the only copies that are made here."""


@dataclass(frozen=True)
class Text:
    """A document of the mix or of the held-out text."""

    id: str
    source: str
    text: str
    url: str | None = None
    kind: str = "prose"
    artificial: bool = False
    """Whether it is a copy that was made here."""


def draw(texts: Iterable[Text], megabytes: float) -> list[Text]:
    """Documents in the order of the hashes of their ids, until `megabytes` (million bytes of UTF-8) are reached."""
    chosen, size = [], 0
    for text in sorted(texts, key=lambda t: hashlib.sha256(t.id.encode()).digest()):
        if size >= megabytes * 1e6:
            break
        chosen.append(text)
        size += len(text.text.encode("utf-8", "replace"))
    return chosen


def captured_again(texts: list[Text]) -> list[Text]:
    """Further captures of some pages: the same text under a new address, one line of a mirror's above it."""
    copies = []
    for text in texts:
        digest = hashlib.sha256(f"again/{text.id}".encode()).digest()
        if int.from_bytes(digest[:8], "big") < COPIED_SHARE * 2**64:
            for n in range(1, COPIES + 1):
                line = f"Mirror {n}, capture {digest[n]:03d} of {text.id.rsplit('/', 1)[-1]}\n\n"
                copies.append(Text(f"{text.id}~{n}", text.source, line + text.text, artificial=True))
    return copies


def is_english(text: str) -> bool:
    """Whether the language identifier takes it for English."""
    from herdbook.curation.steps.language import identify

    return identify(text)[0] == "en"


def _visible(html: bytes) -> str:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    return str(extract_plain_text(bytes_to_str(html, detect_encoding(html)))).strip()


def _pages(file: Path, name: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    with tarfile.open(file) as tar:
        for member in tar:
            found = name.search(member.name)
            if found and (opened := tar.extractfile(member)):
                yield found.group(1), _visible(opened.read())


def _fixtures(data: Path, few: bool) -> Iterator[Text]:
    for folder, name in (
        ("postlight-fixtures", re.compile(r"fixtures/(.+)\.html$")),
        ("trafilatura-eval", re.compile(r"tests/(?:cache|eval)/(.+)\.html$")),
    )[: 1 if few else 2]:
        for key, text in _pages(data / "html" / folder / "pages.tar.xz", name):
            yield Text(f"{folder}/{key}", "web pages", text)


def _archives(data: Path) -> Iterator[Text]:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    for file in sorted((data / "html/warc-samples").glob("*.warc.gz")):
        with open(file, "rb") as stream:
            for number, record in enumerate(ArchiveIterator(stream, record_types=WarcRecordType.response)):
                headers = record.http_headers
                if headers is None or headers.status_code != 200 or "html" not in (record.http_content_type or ""):
                    continue
                url = record.headers.get("WARC-Target-URI")
                body = record.reader.read()
                yield Text(f"warc/{file.name}/{number}", "web archives", _visible(body), url)


def _lines(name: str, source: str, lines: Iterable[str]) -> Iterator[Text]:
    for number, line in enumerate(lines):
        if line.strip():
            yield Text(f"{name}/{number}", source, line.strip())


def _unzipped(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode("utf-8", "replace")


def _messages(data: Path) -> Iterator[Text]:
    sms = (line.partition("\t")[2] for line in _unzipped(data / "quality/sms-spam/sms.tsv.gz").splitlines())
    yield from _lines("sms", "text messages", sms)
    tweets = csv.DictReader(io.StringIO(_unzipped(data / "toxicity/davidson-hate-offensive/labeled_data.csv.gz")))
    yield from _lines("tweets", "tweets", (row["tweet"] for row in tweets))
    comments = csv.DictReader(io.StringIO(_unzipped(data / "toxicity/unhealthy-conversations/val.csv.gz")))
    yield from _lines("comments", "reader comments", (row["comment"] for row in comments))
    for name in ("clickbait_data", "non_clickbait_data"):
        yield from _lines(name, "headlines", _unzipped(data / f"quality/clickbait/{name}.gz").splitlines())


def articles(data: Path, first: bool) -> Iterator[Text]:
    """English Wikipedia: one half of its articles is in the mix, the other serves as positives."""
    with gzip.open(data / "text/enwiki-2015/enwiki-2015.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if (hashlib.sha256(row["id"].encode()).digest()[0] < 128) is first:
                yield Text(f"enwiki/{row['id']}", "Wikipedia", row["text"], row["url"])


def _speeches(data: Path) -> Iterator[Text]:
    for name in ("state_union", "inaugural"):
        with zipfile.ZipFile(data / f"text/nltk-corpora/{name}.zip") as files:
            for file in files.namelist():
                if file.endswith(".txt"):
                    yield Text(f"nltk/{file}", "speeches", files.read(file).decode("utf-8", "replace"))


def _code(data: Path) -> Iterator[Text]:
    """Source files as pages that show them: a crawl does not say what is code, so they are judged as prose."""
    with gzip.open(data / "code/permissive-mix/code.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield Text(f"code/{row['id']}", "code", row["text"])


def mix(data: Path, scale: float = 1.0) -> list[Text]:
    """The raw text, by source and hash; `scale` multiplies the sizes (million bytes) below."""
    parts: list[tuple[Callable[[Path], Iterator[Text]], set[str], float]] = [
        (lambda folder: _fixtures(folder, few=scale < 0.5), {"web pages"}, 6.0),
        (_archives, {"web archives"}, 2.0),
        (_messages, {"text messages"}, 0.3),
        (_messages, {"tweets"}, 0.5),
        (_messages, {"reader comments"}, 0.4),
        (_messages, {"headlines"}, 0.4),
        (lambda folder: articles(folder, first=True), {"Wikipedia"}, 0.8),
        (_speeches, {"speeches"}, 0.5),
        (_code, {"code"}, 0.4),
    ]
    found: list[Text] = []
    for read, sources, megabytes in parts:
        candidates = draw((t for t in read(data) if t.source in sources and t.text), megabytes * scale * 3)
        cut = [Text(t.id, t.source, t.text[:MAX_CHARACTERS], t.url, t.kind) for t in candidates]
        some = draw((t for t in cut if t.source == "code" or is_english(t.text)), megabytes * scale)
        if not some:
            print(f"herdbook: no text of {', '.join(sources)} below {data}: set --data", file=sys.stderr)
            sys.exit(2)
        found += some
        if sources == {"web pages"}:
            found += captured_again(some)
    return found


def _gold_pages(data: Path) -> Iterator[Text]:
    file = data / "html/readability-test-pages/pages.tar.xz"
    for key, text in _pages(file, re.compile(r"test/test-pages/(.+)/expected\.html$")):
        if len(text) >= 1000 and is_english(text):
            yield Text(f"gold/{key}", "web articles", text)


def _news(data: Path) -> Iterator[Text]:
    with tarfile.open(data / "text/ntrex-128.tar.xz") as tar:

        def read(name: str) -> bytes:
            opened = tar.extractfile(f"ntrex-128/{name}")
            assert opened is not None
            return opened.read()

        ids = read("DOCUMENT_IDS.tsv").decode().split()
        lines = gzip.decompress(read("newstest2019-src.eng.txt.gz")).decode().splitlines()
    documents: dict[str, list[str]] = {}
    for key, line in zip(ids, lines, strict=True):
        documents.setdefault(key, []).append(line)
    for key, some in documents.items():
        yield Text(f"ntrex/{key}", "news", "\n".join(some))


def _learners_news(data: Path) -> Iterator[Text]:
    with tarfile.open(data / "quality/onestop-english/texts.tar.xz") as tar:
        for member in tar:
            if "/Adv-Txt/" in member.name and member.name.endswith(".txt") and (opened := tar.extractfile(member)):
                text = opened.read().decode("utf-8-sig", "replace").strip()
                yield Text(f"onestop/{Path(member.name).stem}", "news for learners", text)


def _help(data: Path) -> Iterator[Text]:
    with gzip.open(data / "text/libreoffice-help-7.4/en-us.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield Text(f"help/{row['id']}", "software help", row["text"])


def _novels(data: Path) -> Iterator[Text]:
    with gzip.open(data / "dedup/english-novels-editions/eltec_overlap.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            middle = len(row["eltec_text"]) // 2
            yield Text(f"eltec/{row['eltec_id']}", "novels", row["eltec_text"][middle : middle + 10_000])


HELD_OUT = {
    "web articles": _gold_pages,
    "news": _news,
    "news for learners": _learners_news,
    "software help": _help,
    "novels": _novels,
}
"""Clean text of domains that no classifier has as positives. Of news for learners the hardest of three versions, of
each of eleven novels 10,000 characters from its middle."""


def held_out(data: Path, megabytes: float = 0.1) -> dict[str, list[Text]]:
    """Clean documents by domain, `megabytes` (million bytes) of each; of long ones the beginning."""
    return {name: draw((_beginning(t) for t in read(data) if t.text), megabytes) for name, read in HELD_OUT.items()}


def _beginning(text: Text) -> Text:
    return Text(text.id, text.source, text.text[:10_000], text.url)


def without_overlap(
    clean: dict[str, list[Text]], texts: list[str], limit: float = 0.2
) -> tuple[dict[str, list[Text]], dict[str, int]]:
    """Held-out documents of whose words at most `limit` lie in rows of eight that the mix has too; and how many went.

    By the measure of Llama 3's contamination analysis, over the whole raw mix, before any step.
    """
    from herdbook.curation.decontaminate import Config, Decontaminator

    finder = Decontaminator({name: [t.text for t in some] for name, some in clean.items()}, Config(threshold=limit))
    for start in range(0, len(texts), 2000):
        finder.add(texts[start : start + 2000])
    stays: dict[str, list[Text]] = {name: [] for name in clean}
    gone = dict.fromkeys(clean, 0)
    for item in finder.items():
        if item.ratio > limit:
            gone[item.benchmark] += 1
        else:
            stays[item.benchmark].append(clean[item.benchmark][item.number])
    return stays, gone
