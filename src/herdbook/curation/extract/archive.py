"""Web archives (WARC, WET) as documents: responses with HTML are extracted, conversions with plain text taken as they
are. What cannot be read is counted with its reason and stops nothing: a damaged file gives what stands before the
damage.

Records are read one at a time and never beyond `max_page_bytes`, so compressed pages that unfold without end cost no
more than that.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herdbook.curation.documents import Document
from herdbook.curation.extract.page import Config, MissingExtractorError, extract
from herdbook.curation.normalise import normalise_text
from herdbook.errors import InputError

if TYPE_CHECKING:
    from herdbook.curation.extract.second_opinion import SecondOpinion

_HTML = re.compile(rb"<!doctype html|<html|<head|<body", re.IGNORECASE)
HTML_TYPES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True, slots=True)
class Record:
    """One page of an archive: its bytes, where and when it was fetched, and its media type."""

    payload: bytes
    url: str
    date: str | None
    media_type: str


def records_of(path: Path, problems: Counter[str], max_page_bytes: int = Config().max_page_bytes) -> Iterator[Record]:
    """The pages of an archive; `problems` counts by reason what gave none: `other_media`, `status_404`, `too_large`,
    `damaged_record`, `damaged_file` (the rest of the file is lost).

    Raises MissingExtractorError without FastWARC, InputError where there is no such file.
    """
    try:
        from fastwarc.warc import ArchiveIterator, WarcRecordType
    except ImportError as error:
        raise MissingExtractorError(
            "reading WARC needs packages that are not installed.", key="fastwarc", remedy="pip install 'herdbook[web]'"
        ) from error
    if not path.is_file():
        raise InputError("there is no such archive.", key="path", value=str(path), remedy="Give a WARC or WET file.")
    wanted = WarcRecordType.response | WarcRecordType.conversion | WarcRecordType.resource

    def opened(lenient: bool) -> Any:
        return iter(
            ArchiveIterator(
                str(path), record_types=wanted, parse_http=True, auto_decode="transfer", quirks_mode=lenient,
                fsspec_args=False,
            )
        )  # fmt: skip

    archive = opened(_has_mixed_line_ends(opened(False)))
    while True:
        try:
            record = next(archive)
        except StopIteration:
            return
        except (OSError, ValueError, RuntimeError):
            problems["damaged_file"] += 1
            return
        found = _record(record, problems, max_page_bytes)
        if found is not None:
            yield found


def _has_mixed_line_ends(archive: Any) -> bool:
    """Whether the HTTP headers of the first records run on into their pages, as in ClueWeb09: such archives are read
    leniently. Others are not, for lenient reading passes over damage without a word."""
    try:
        for _, record in zip(range(3), archive):
            headers = record.http_headers
            if headers is not None and any("<" in name for name, _ in headers.items()):
                return True
    except (OSError, ValueError, RuntimeError):
        pass
    return False


def _unfolded(payload: bytes, most: int) -> bytes:
    """The payload, unpacked where it is gzip (many archives say so of payloads that they have unpacked), to `most`
    bytes. ValueError where it is damaged."""
    if not payload.startswith(b"\x1f\x8b"):
        return payload
    try:
        return zlib.decompressobj(31).decompress(payload, most)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _record(record: Any, problems: Counter[str], max_page_bytes: int) -> Record | None:
    try:
        plain = record.http_headers is None
        media_type = (record.http_content_type if not plain else record.headers.get("Content-Type")) or ""
        media_type = media_type.partition(";")[0].strip().lower()
        status = None if plain else record.http_headers.status_code
        if status not in (None, 200):
            problems[f"status_{status}"] += 1
            return None
        if media_type not in (*HTML_TYPES, "text/plain", ""):
            problems["other_media"] += 1
            return None
        payload = _unfolded(record.reader.read(max_page_bytes + 1), max_page_bytes + 1)
        if len(payload) > max_page_bytes:
            problems["too_large"] += 1
            return None
        if not media_type:
            if not _HTML.search(payload, 0, 2048):
                problems["other_media"] += 1
                return None
            media_type = "text/html"
        url = record.headers.get("WARC-Target-URI") or ""
        return Record(payload, url, record.headers.get("WARC-Date"), media_type)
    except (OSError, ValueError, RuntimeError, UnicodeError):
        problems["damaged_record"] += 1
        return None


def documents_of(
    path: Path,
    problems: Counter[str],
    config: Config | None = None,
    second: SecondOpinion | None = None,
    source: str = "web",
) -> Iterator[Document]:
    """The texts of an archive's pages as documents of unknown licence, with URL and date; `meta` says who extracted
    them. Their ids depend on URL and date alone. Pages without text are counted in `problems`."""
    config = config or Config()
    for record in records_of(path, problems, config.max_page_bytes):
        if record.media_type in HTML_TYPES:
            page = extract(record.payload, config, second)
            text, extractor, problem = page.text, page.extractor, page.problem
        else:
            text = normalise_text(record.payload.decode("utf-8", "replace"))
            extractor, problem = "plain", "" if text else "empty"
        if not text:
            problems[problem.partition(":")[0] or "no_text"] += 1
            continue
        name = blake2b(f"{record.url}\n{record.date}".encode(), digest_size=12).hexdigest()
        yield Document(
            id=f"{source}-{name}", text=text, source=source, path=path.name, license="unknown", kind="prose",
            url=record.url or None, date=record.date, meta=json.dumps({"extractor": extractor}),
        )  # fmt: skip
