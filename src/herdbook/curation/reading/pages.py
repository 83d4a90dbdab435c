"""The pages of web archives as documents: responses with HTML are extracted, plain text and conversions (WET) are taken
as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from herdbook.curation.documents import Document
from herdbook.curation.readable import Unreadable, decode
from herdbook.curation.reading.config import Config
from herdbook.curation.reading.frames import Frame, Frames
from herdbook.curation.reading.http import Response, parse_response, unpacked
from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.record import clean, kind_of, path_text, place_id
from herdbook.curation.reading.source import Source
from herdbook.curation.reading.text import page_document

if TYPE_CHECKING:
    from herdbook.curation.extract.second_opinion import SecondOpinion

HTML_TYPES = ("text/html", "application/xhtml+xml")
_HTML = re.compile(rb"<!doctype html|<html|<head|<body", re.IGNORECASE)
_KINDS = ("response", "resource", "conversion")


def longest_record(config: Config) -> int:
    """How much of a record is kept in memory: a document with its HTTP headers."""
    return max(config.max_document_bytes, config.extract.max_page_bytes) + 1_000_000


def read_archive(
    frames: Frames, stop: int | None, source: Source, name: str, config: Config, problems: Problems,
    second: SecondOpinion | None = None,
) -> Iterator[Document]:  # fmt: skip
    """The documents of the records that begin before `stop`. Counts status_404 and its like, other_media, too_large,
    damaged_record, and why a page has no text."""
    noted = 0
    for frame in frames.read(stop):
        noted = _note(frames, noted, name, problems)
        document = _document(frame, source, name, config, problems, second)
        if document is not None:
            yield document
    _note(frames, noted, name, problems)


def _note(frames: Frames, noted: int, name: str, problems: Problems) -> int:
    for position, detail in frames.damage[noted:]:
        problems.add("damaged_record", name, position, detail)
    return len(frames.damage)


def _id(frame: Frame, source: Source, name: str) -> str:
    declared = frame.headers.get("warc-record-id", "").strip("<> ").removeprefix("urn:uuid:")
    return declared if 0 < len(declared) <= 200 else place_id(source, name, frame.position)


def _document(
    frame: Frame, source: Source, name: str, config: Config, problems: Problems, second: SecondOpinion | None
) -> Document | None:
    headers = frame.headers
    if headers.get("warc-type", "").lower() not in _KINDS:
        return None
    url, position = headers.get("warc-target-uri", "").strip("<>"), frame.position

    def no(reason: str, detail: str = "", excerpt: bytes = b"") -> Document | None:
        problems.add(reason, name, position, f"{url} {detail}".strip(), excerpt)
        return None

    if not frame.whole:
        return no("damaged_record", "the record ends early", frame.content)
    if frame.length > len(frame.content):
        return no("too_large", f"{frame.length} bytes")
    response = parse_response(frame.content) if headers["warc-type"].lower() == "response" else None
    if response is None:
        said = headers.get("arc-content-type") or headers.get("content-type", "")
        response = Response(200, {"content-type": said}, frame.content)
    elif response.status != 200:
        return no(f"status_{response.status}")
    media_type = response.media_type
    if media_type not in (*HTML_TYPES, "text/plain", ""):
        return no("other_media", media_type)
    html = media_type != "text/plain"
    most = min(config.extract.max_page_bytes, config.max_document_bytes) if html else config.max_document_bytes
    try:
        payload = unpacked(response, most)
    except ValueError as error:
        return no("damaged_record", str(error))
    if len(payload) > most:
        return no("too_large", f"over {most} bytes")
    if not media_type and not _HTML.search(payload, 0, 2048):
        return no("other_media", "no media type")
    id, date = _id(frame, source, name), headers.get("warc-date") or None
    if html:
        page = _decoded(payload, response.charset)
        return page_document(page, id, source, name, position, config, problems, second, url or None, date)
    text = decode(payload)
    if isinstance(text, Unreadable) and text.reason == "not_utf8":
        text = _as_declared(payload, response.charset) or text
    if isinstance(text, Unreadable):
        return no(text.reason, text.detail, payload)
    return Document(
        id=id, text=clean(text), source=source.title, path=path_text(name), license=source.license,
        kind=kind_of(source, name, "warc"), url=url or None, date=date, language=_language(headers),
        meta=json.dumps({"extractor": "plain"}),
    )  # fmt: skip


def _language(headers: dict[str, str]) -> str | None:
    """What Common Crawl's WET files say of a text's language, its first code."""
    return headers.get("warc-identified-content-language", "").partition(",")[0].strip() or None


def _as_declared(payload: bytes, charset: str | None) -> str | None:
    try:
        return payload.decode(charset) if charset else None
    except (UnicodeError, LookupError):
        return None


def _decoded(payload: bytes, charset: str | None) -> bytes | str:
    """A page as the server said it is encoded, where it is not UTF-8 and says nothing itself."""
    if charset is None or charset.lower() in ("utf-8", "utf8") or b"charset" in payload[:8192].lower():
        return payload
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return _as_declared(payload, charset) or payload
    return payload
