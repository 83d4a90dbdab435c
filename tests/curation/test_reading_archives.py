"""Web archives, whole and damaged. Needs the extra `web`; without it the tests skip, saying so."""

import gzip
import io
import json

import pytest

pytest.importorskip("fastwarc", reason="the extra `web` is not installed: pip install 'herdbook[web]'")
pytest.importorskip("resiliparse", reason="the extra `web` is not installed: pip install 'herdbook[web]'")

from herdbook.curation.extract import Config as ExtractConfig
from herdbook.curation.reading import Config, Problems, Source, plan, read
from herdbook.curation.reading.frames import Frames
from herdbook.curation.reading.http import parse_response, unchunked

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


ONE_READING = Config(extract=ExtractConfig(min_gain=1))


def rows_of(path, unit_megabytes=32.0, config=ONE_READING):
    """(rows, counts) of an archive."""
    problems = Problems()
    units = plan([Source(path=str(path), name="web")], unit_megabytes).units
    rows = [row for unit in units for table in read(unit, config, problems) for row in table.to_pylist()]
    return rows, problems.counts


def arc(url, block, media_type="text/html", version=1):
    middle = b"" if version == 1 else b"200 - - 0 name.arc "
    line = b"%s 1.2.3.4 20140216050221 %s %s%d\n" % (url.encode(), media_type.encode(), middle, len(block))
    return line + block + b"\n"


def http(body, headers=""):
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{headers}\r\n".encode() + body


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
    found, counts = rows_of(path)
    assert [row["url"] for row in found] == [f"http://a.example/{i}" for i in (1, 2, 6)]
    assert all(SENTENCE.strip() in row["text"] for row in found[:2])
    assert found[2]["text"] == "Plain text of a page.\n"
    assert {row["date"] for row in found} == {"2024-01-02T03:04:05Z"}
    assert [json.loads(row["meta"])["extractor"] for row in found] == ["blocks", "blocks", "plain"]
    assert 0 <= json.loads(found[0]["meta"])["uncertainty"] <= 1
    assert found[2]["id"] == f"{1:032x}", "the id that the record declares"
    assert len({row["id"] for row in found}) == 3
    assert counts == {"status_404": 1, "other_media": 1, "empty": 1}


def test_a_page_that_unfolds_without_end_is_named(tmp_path):
    bomb = gzip.compress(b"<p>" + b" " * 30_000_000)
    assert len(bomb) < 40_000
    path = archive(
        tmp_path / "bomb.warc.gz",
        response("http://a.example/bomb", bomb, headers="Content-Encoding: gzip\r\n"),
        response("http://a.example/after", HTML),
    )
    rows, counts = rows_of(path)
    assert [row["url"] for row in rows] == ["http://a.example/after"]
    assert counts == {"too_large": 1}


@pytest.mark.parametrize("cut", [1, 20, 200])
@pytest.mark.parametrize("packed", [True, False])
def test_a_truncated_file_gives_what_stands_before(tmp_path, cut, packed):
    record = response("http://a.example/1", HTML)
    whole = gzip.compress(record) if packed else record
    path = tmp_path / ("cut.warc.gz" if packed else "cut.warc")
    path.write_bytes(whole + whole[:-cut])
    rows, counts = rows_of(path)
    assert SENTENCE.strip() in rows[0]["text"]
    # Of a record without its last checksum or line end nothing is missing.
    assert len(rows) == (2 if cut < (9 if packed else 5) else 1)
    assert counts["damaged_file"] == int(packed)
    assert packed or counts["damaged_record"] == (len(rows) == 1)


@pytest.mark.parametrize("content", [b"not an archive at all\n" * 50, b"\x1f\x8b\x08\x00garbage", b"WARC/1.0\r\n"])
def test_other_files_give_nothing_but_a_count(tmp_path, content):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(content)
    rows, counts = rows_of(path)
    assert (rows, counts.total()) == ([], 1)


def test_a_bad_record_costs_itself_only(tmp_path):
    bad_length = response("http://a.example/2", HTML).replace(b"Content-Length: ", b"Content-Length: -")
    no_headers = b"WARC/1.0\r\nWARC-Type: response\r\n"
    path = tmp_path / "a.warc"
    good = [response(f"http://a.example/{i}", HTML) for i in (1, 3, 5, 7)]
    path.write_bytes(good[0] + bad_length + good[1] + no_headers + good[2] + b"\0junk\xff\n" * 9 + good[3])
    rows, counts = rows_of(path)
    assert [row["url"][-1] for row in rows] == list("1357")
    assert counts == {"damaged_record": 3}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("packed", [True, False])
def test_arc(tmp_path, version, packed):
    head = arc(
        "filedesc://x.arc",
        b"1 0 Nobody\nURL IP-address Archive-date Content-type Archive-length\n\n",
        "text/plain",
        version,
    )
    records = [
        head,
        arc("dns:a.example", b"20140216050221\n", "text/dns", version),
        arc("http://a.example/1 2", http(HTML), version=version),
        arc("http://a.example/3", HTML, version=version),
        b"lost bytes\n",
        arc(
            "http://a.example/4",
            http(b"6\r\n<html>\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(HTML), HTML), "Transfer-Encoding: chunked\r\n"),
        ),
    ]
    path = tmp_path / ("a.arc.gz" if packed else "a.arc")
    path.write_bytes(b"".join(gzip.compress(record) if packed else record for record in records))
    rows, counts = rows_of(path)
    assert [(row["url"], row["date"]) for row in rows] == [
        (f"http://a.example/{end}", "2014-02-16T05:02:21Z") for end in ("1 2", "3", "4")
    ]
    assert all(SENTENCE.strip() in row["text"] for row in rows)
    assert counts == {"damaged_record": 1}
    assert rows_of(path, unit_megabytes=1e-4)[0] == rows


@pytest.mark.parametrize("unit_bytes", [300, 2000])
def test_a_plain_archive_is_cut_between_records(tmp_path, unit_bytes):
    path = tmp_path / "a.warc"
    records = [response(f"http://a.example/{i}", HTML * (1 + i % 3)) for i in range(12)]
    records.insert(5, b"damage\n" * 100)
    path.write_bytes(b"".join(records))
    source = Source(path=str(path), name="web")
    assert len(plan([source], unit_bytes / 1e6).units) > 3
    assert rows_of(path, unit_bytes / 1e6) == rows_of(path)
    assert len(rows_of(path)[0]) == 12


def test_encodings_that_only_the_server_knows(tmp_path):
    page = (
        "<html><body><article><p>"
        + "강은 산에서 시작하여 오래된 세 마을을 지나 바다에 이른다. " * 5
        + "</p></article></body></html>"
    )
    path = archive(
        tmp_path / "a.warc.gz",
        response("http://a.example/1", page.encode("euc-kr"), media_type="text/html; charset=EUC-KR"),
        response("http://a.example/2", "글자".encode("euc-kr"), media_type="text/plain; charset=euc-kr"),
        response("http://a.example/3", "글자".encode("euc-kr"), media_type="text/plain"),
        response("http://a.example/4", b"x", media_type="text/plain; charset=hex"),
    )
    rows, counts = rows_of(path)
    assert "오래된 세 마을" in rows[0]["text"]
    assert [row["text"] for row in rows[1:]] == ["글자", "x"]
    assert counts == {"not_utf8": 1}


@pytest.mark.parametrize(
    "body, expected",
    [(b"5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n", b"helloabc"), (b"<html>", b"<html>"), (b"", b""),
     (b"10\r\nhello", b"hello"), (b"5\nhello\nzz\n", b"hello"), (b"ffffffff\r\nab", b"ab")],
)  # fmt: skip
def test_unchunked(body, expected):
    assert unchunked(body) == expected


def test_lz4_and_brotli(tmp_path):
    from fastwarc.stream_io import BrotliWriter, Lz4Writer

    def packed(writer, data):
        path = tmp_path / "packed"
        with writer(str(path)) as stream:
            stream.write(data)
        return path.read_bytes()

    records = response("http://a.example/1", HTML) + response(
        "http://a.example/2", packed(BrotliWriter, HTML), headers="Content-Encoding: br\r\n"
    ) + response("http://a.example/3", HTML, headers="Content-Encoding: br\r\n")  # fmt: skip
    path = tmp_path / "a.warc.lz4"
    path.write_bytes(packed(Lz4Writer, records))
    rows, counts = rows_of(path)
    assert [row["url"][-1] for row in rows] == list("123")
    assert not counts
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    rows, counts = rows_of(path)
    assert counts.total() >= 1


def test_payloads_are_those_of_fastwarc(test_data):
    """Our frames and HTTP beside FastWARC's, on archives that it reads to their end."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    wanted = WarcRecordType.response | WarcRecordType.conversion | WarcRecordType.resource
    n = 0
    for path in sorted((test_data / "html" / "warc-samples").glob("*.warc*.gz")):
        if "clipped" in path.name:
            continue
        data = gzip.decompress(path.read_bytes())
        theirs = {}
        quirks = "quirk" in path.name
        for record in ArchiveIterator(
            str(path), record_types=wanted, auto_decode="transfer", quirks_mode=quirks, fsspec_args=False
        ):
            theirs[record.record_id] = record.reader.read()
        ours = {}
        for frame in Frames(io.BytesIO(data), 0, 1 << 30).read():
            if frame.headers.get("warc-type") in ("response", "conversion", "resource"):
                found = parse_response(frame.content)
                ours[frame.headers["warc-record-id"]] = found.body if found else frame.content
        assert list(ours) == list(theirs), path.name
        different = [key for key in ours if ours[key] != theirs[key]]
        assert not different, (path.name, len(different))
        n += len(ours)
    assert n > 400


def test_archives_of_others(test_data):
    folder = test_data / "html" / "warc-samples"
    found, counts = {}, {}
    for path in sorted(p for p in [*folder.glob("*arc*.gz"), *folder.glob("*.warc")] if p.stat().st_size < 300_000):
        rows, counts[path.name] = rows_of(path)
        found[path.name] = len(rows)
    assert found["commoncrawl__whirlwind-python__whirlwind.warc.gz"] == 1
    assert found["commoncrawl__whirlwind-python__whirlwind.warc.wet.gz"] == 1
    assert found["chatnoir-eu__chatnoir-resiliparse__clueweb-quirk.warc.gz"] > 20
    assert found["webrecorder__warcio__example.arc.gz"] == 1
    assert found["webrecorder__warcio__example-trunc.warc"] == 1
    assert counts["webrecorder__warcio__example-trunc.warc"]["damaged_record"] == 1
    assert counts["chatnoir-eu__chatnoir-resiliparse__clipped.warc.gz"]["damaged_file"] == 1
    assert not any("reader_failed" in c for c in counts.values())


def test_an_archive_in_both_formats_has_the_same_pages(test_data):
    """The same crawl as ARC and as WARC: addresses and bodies of its responses are equal."""
    pages = {}
    for kind in ("arc", "warc"):
        path = test_data / "html" / "warc-samples" / f"archivesunleashed__aut__example.{kind}.gz"
        frames = Frames(io.BytesIO(gzip.decompress(path.read_bytes())), 0, 1 << 30)
        found = [frame for frame in frames.read() if frame.headers.get("warc-type") == "response"]
        answers = [(frame.headers["warc-target-uri"], parse_response(frame.content)) for frame in found]
        pages[kind] = [(url, answer.body) for url, answer in answers if answer is not None]
        assert not frames.damage
    assert pages["arc"] == pages["warc"]
    assert len(pages["arc"]) > 200
