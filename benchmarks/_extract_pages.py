"""Pages whose right text is known, in folds by site, and how good a text is: shared by `extract.py` and
`tools/train_extraction.py`.

- gold: Mozilla's readability test pages, each with its whole text;
- segments: trafilatura's own evaluation pages, with segments that must and must not be in the text;
- fixtures: postlight's test pages, of which nothing is known (the tool has trafilatura read them).
Two pages are of one site if the names of their sets, or the addresses that they give for themselves, say so. All pages
of a site lie in one fold.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

FOLDS = 4
_WORD = re.compile(r"\w+")
_TAG = re.compile(r"<[^>]*>")
_ADDRESS = re.compile(
    rb"""<(?:link|meta)\b[^>]*(?:rel|property)=["']?(?:canonical|og:url)["']?[^>]*(?:href|content)=["']?"""
    rb"""(https?://[^"'\s>]+)""",
    re.IGNORECASE,
)
_ENDINGS = ("www", "com", "co", "org", "net", "info", "gov", "edu", "ac")
_HOSTERS = ("wordpress", "blogspot", "blogger", "tumblr", "github", "medium", "substack")


@dataclass
class Known:
    """A page: its set, name, bytes, site and fold, and what is known of its text: segments or all of it."""

    kind: str
    name: str
    source: bytes
    must: list[str] = field(default_factory=list)
    must_not: list[str] = field(default_factory=list)
    gold: str | None = None
    gold_html: str = ""
    site: str = ""
    fold: int = 0


def site_of_host(host: str) -> str:
    """`www.bbc.co.uk` is of site `bbc`; a blog among many is its own."""
    labels = [label for label in host.lower().split(":")[0].split(".") if label not in _ENDINGS]
    if len(labels) > 1 and len(labels[-1]) <= 3:
        labels.pop()
    if len(labels) > 1 and labels[-1] in _HOSTERS:
        labels.pop()
    return labels[-1] if labels else ""


def _files(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}  # type: ignore[union-attr]


def _sites(page: Known) -> set[str]:
    """What the page's set and the page itself call its site."""
    given = {site_of_host(urlsplit(url.decode("ascii", "replace")).netloc) for url in _ADDRESS.findall(page.source)}
    if page.kind == "gold":
        given.add(re.sub(r"(-\d+)?$", "", page.name))
    elif page.kind == "segments":
        host = page.name.partition("::")[2].removesuffix(".html").partition("-")[0]  # where a file's name stands for it
        given.add(site_of_host(host or urlsplit(page.name).netloc))
    else:
        given.add(site_of_host(page.name.partition("--")[0]))
    return given - {"", "fakehost"} or {page.name}


def _into_folds(pages: list[Known]) -> None:
    """Gives every page its fold: pages that share a site, however far apart, share theirs."""
    leaders: dict[str, str] = {}

    def leader(site: str) -> str:
        while leaders.setdefault(site, site) != site:
            site = leaders[site]
        return site

    sites = [sorted(_sites(page)) for page in pages]
    for of_page in sites:
        for site in of_page[1:]:
            leaders[leader(site)] = leader(of_page[0])
    for page, of_page in zip(pages, sites):
        page.site = leader(of_page[0])
        page.fold = hashlib.sha256(page.site.encode()).digest()[0] % FOLDS


def known_pages(data: Path) -> list[Known]:
    """All pages of the three sets under the folder of real data."""
    folder = data / "html"
    pages = []
    of_gold = _files(folder / "readability-test-pages" / "pages.tar.xz")
    for path in sorted(path for path in of_gold if path.endswith("/source.html")):
        expected = of_gold[path.replace("source.html", "expected.html")].decode("utf-8", "replace")
        gold = html.unescape(_TAG.sub(" ", expected))
        pages.append(Known("gold", path.split("/")[-2], of_gold[path], gold=gold, gold_html=expected))
    evaluation = json.loads(gzip.decompress((folder / "trafilatura-eval" / "evaldata.json.gz").read_bytes()))
    sources = {Path(p).name: page for p, page in _files(folder / "trafilatura-eval" / "pages.tar.xz").items()}
    for url, item in sorted(evaluation.items()):
        if item["file"] in sources:
            must, must_not = ([s for s in item[key] if s] for key in ("with", "without"))
            pages.append(Known("segments", url, sources[item["file"]], must, must_not))
    for path, page in sorted(_files(folder / "postlight-fixtures" / "pages.tar.xz").items()):
        if path.endswith(".html"):
            pages.append(Known("fixtures", Path(path).name.removesuffix(".html"), page))
    _into_folds(pages)
    return pages


def runs(text: str, n: int) -> set[tuple[str, ...]]:
    """The distinct runs of n words, lower case."""
    words = _WORD.findall(text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def f1(right: float, given: float, wanted: float) -> float:
    """The F1 of what is given, of which so much is right."""
    return 2 * right / (given + wanted) if given + wanted else 1.0


def word_f1(text: str, gold: str) -> float:
    """The F1 of the distinct words of a text."""
    ours, theirs = runs(text, 1), runs(gold, 1)
    return f1(len(ours & theirs), len(ours), len(theirs))


def judge(pages: Iterable[Known], texts: Iterable[str]) -> dict[str, float]:
    """The figures of texts read from pages with gold texts or segments."""
    found = wanted = wrong = 0
    of_words, shared, given, gold = [], 0, 0, 0
    for page, text in zip(pages, texts):
        if page.gold is None:
            found += sum(segment in text for segment in page.must)
            wanted += len(page.must)
            wrong += sum(segment in text for segment in page.must_not)
            continue
        of_words.append(word_f1(text, page.gold))
        ours, theirs = runs(text, 5), runs(page.gold, 5)
        shared, given, gold = shared + len(ours & theirs), given + len(ours), gold + len(theirs)
    return {
        "precision": found / max(found + wrong, 1),
        "recall": found / max(wanted, 1),
        "F1 segments": f1(found, found + wrong, wanted),
        "F1 gold words": sum(of_words) / max(len(of_words), 1),
        "F1 gold runs": f1(shared, given, gold),
    }
