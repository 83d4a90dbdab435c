"""Web archives, whole and damaged. Needs the extra `web`; without it the tests skip, saying so."""

import gzip
import json
from collections import Counter

import pytest

pytest.importorskip("fastwarc", reason="the extra `web` is not installed: pip install 'herdbook[web]'")
pytest.importorskip("resiliparse", reason="the extra `web` is not installed: pip install 'herdbook[web]'")

from herdbook.curation.extract.archive import documents_of, records_of
from herdbook.errors import InputError

SENTENCE = "The river rises in the hills, runs past three old towns and reaches the sea after a hundred miles. "
HTML = f"<html><body><article><h1>River</h1><p>{SENTENCE * 5}</p></article></body></html>".encode()


def response(url, body, status="200 OK", media_type="text/html", headers=""):
    http = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\n{headers}\r\n".encode() + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-01-02T03:04:05Z\r\n"
        f"WARC-Record-ID: <urn:uuid:{abs(hash(url)):032x}>\r\nContent-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(http)}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


def conversion(url, text):
    body = text.encode()
    head = (
        f"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-01-02T03:04:05Z\r\n"
        f"WARC-Record-ID: <urn:uuid:{1:032x}>\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n\r\n"


def archive(path, *records):
    path.write_bytes(b"".join(gzip.compress(record) for record in records))
    return path


def test_pages_become_documents(tmp_path):
    path = archive(
        tmp_path / "a.warc.gz",
        response("http://a.example/1", HTML),
        response("http://a.example/2", gzip.compress(HTML), headers="Content-Encoding: gzip\r\n"),
        response("http://a.example/3", HTML, status="404 Not Found"),
        response("http://a.example/4", b"\x89PNG", media_type="image/png"),
        response("http://a.example/5", b""),
        conversion("http://a.example/6", "Plain text of a page.\n"),
    )
    problems = Counter()
    found = list(documents_of(path, problems))
    assert [d.url for d in found] == [f"http://a.example/{i}" for i in (1, 2, 6)]
    assert all(SENTENCE.strip() in d.text for d in found[:2])
    assert found[2].text == "Plain text of a page.\n"
    assert {d.date for d in found} == {"2024-01-02T03:04:05Z"}
    assert [json.loads(d.meta)["extractor"] for d in found] == ["blocks", "blocks", "plain"]
    assert len({d.id for d in found}) == 3
    assert [d.id for d in documents_of(path, Counter())] == [d.id for d in found]
    assert problems == {"status_404": 1, "other_media": 1, "empty": 1}


def test_a_page_that_unfolds_without_end_is_named(tmp_path):
    bomb = gzip.compress(b"<p>" + b" " * 30_000_000)
    assert len(bomb) < 40_000
    path = archive(
        tmp_path / "bomb.warc.gz",
        response("http://a.example/bomb", bomb, headers="Content-Encoding: gzip\r\n"),
        response("http://a.example/after", HTML),
    )
    problems = Counter()
    assert [r.url for r in records_of(path, problems, 1_000_000)] == ["http://a.example/after"]
    assert problems == {"too_large": 1}


@pytest.mark.parametrize("cut", [1, 20, 200, 500])
def test_a_truncated_file_gives_what_stands_before(tmp_path, cut):
    whole = archive(tmp_path / "a.warc.gz", response("http://a.example/1", HTML)).read_bytes()
    path = tmp_path / "cut.warc.gz"
    path.write_bytes(whole + whole[:-cut])
    problems = Counter()
    found = list(records_of(path, problems))
    assert [r.payload for r in found][:1] == [HTML]
    assert len(found) <= 2


@pytest.mark.parametrize("content", [b"", b"not an archive at all\n" * 50, b"\x1f\x8b\x08\x00garbage", b"WARC/1.0\r\n"])
def test_other_files_give_nothing(tmp_path, content):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(content)
    assert list(documents_of(path, Counter())) == []


def test_a_missing_file_is_the_users_mistake(tmp_path):
    with pytest.raises(InputError, match="no such archive"):
        list(records_of(tmp_path / "none.warc", Counter()))


def test_archives_of_others(test_data):
    folder = test_data / "html" / "warc-samples"
    problems = Counter()
    n = {p.name: len(list(documents_of(p, problems))) for p in sorted(folder.glob("*.warc*")) if "wat" not in p.name}
    assert n["commoncrawl__whirlwind-python__whirlwind.warc.gz"] == 1
    assert n["chatnoir-eu__chatnoir-resiliparse__clueweb-quirk.warc.gz"] > 20
    assert n["archivesunleashed__aut__example.warc.gz"] > 50
    cut = Counter()
    assert len(list(documents_of(folder / "webrecorder__warcio__example-trunc.warc", cut))) == 1
    assert cut == {"damaged_file": 1}
    assert sum(problems.values()) > 0
