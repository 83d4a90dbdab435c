"""Files that are one document: text, code, HTML pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from herdbook.curation.documents import Document
from herdbook.curation.extract.page import extract
from herdbook.curation.readable import Unreadable, decode
from herdbook.curation.reading.config import Config
from herdbook.curation.reading.formats import bare
from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.record import clean, kind_of, path_text, place_id
from herdbook.curation.reading.source import Source

if TYPE_CHECKING:
    from herdbook.curation.extract.second_opinion import SecondOpinion

_HEAD = 65536


def whole(read: Callable[[int], bytes], most: int, binary: Callable[[bytes], bool]) -> bytes | Unreadable:
    """All bytes of a stream, or why not: over `most`, or its beginning is `binary`."""
    pieces: list[bytes] = []
    size = 0
    while data := read(1 << 20):
        if size < _HEAD and binary((b"".join(pieces) + data)[:_HEAD]):
            return Unreadable("binary", "NUL bytes or control characters")
        pieces.append(data)
        size += len(data)
        if size > most:
            return Unreadable("too_large", f"over {most} bytes")
    return b"".join(pieces)


def _binary(head: bytes) -> bool:
    found = decode(head)
    return isinstance(found, Unreadable) and found.reason == "binary"


def read_text(
    read: Callable[[int], bytes], source: Source, name: str, config: Config, problems: Problems
) -> Document | None:
    """A file of text. Counts too_large, binary, empty, not_utf8."""
    data = whole(read, config.max_document_bytes, _binary)
    found = data if isinstance(data, Unreadable) else decode(data, python=bare(name).suffix in (".py", ".pyi"))
    if isinstance(found, Unreadable):
        problems.add(found.reason, name, None, found.detail, b"" if isinstance(data, Unreadable) else data)
        return None
    return Document(
        id=place_id(source, name, 0), text=clean(found), source=source.title, path=path_text(name),
        license=source.license, kind=kind_of(source, name),
    )  # fmt: skip


def read_html(
    read: Callable[[int], bytes], source: Source, name: str, config: Config, problems: Problems,
    second: SecondOpinion | None,
) -> Document | None:  # fmt: skip
    """A page. Counts too_large, and why a page has no text: empty, too_deep, not_parsed, no_text."""
    most = min(config.max_document_bytes, config.extract.max_page_bytes)
    data = whole(read, most, lambda head: False)
    if isinstance(data, Unreadable):
        problems.add(data.reason, name, None, data.detail)
        return None
    return page_document(data, place_id(source, name, 0), source, name, 0, config, problems, second)


def page_document(
    page: bytes | str, id: str, source: Source, name: str, position: int, config: Config, problems: Problems,
    second: SecondOpinion | None, url: str | None = None, date: str | None = None,
) -> Document | None:  # fmt: skip
    """The document of a page's bytes; `meta` says who extracted it and how unsure the first reading was."""
    found = extract(page, config.extract, second)
    if not found.text:
        reason, _, detail = found.problem.partition(": ")
        problems.add(reason or "no_text", name, position, " ".join(filter(None, (url, detail))), page)
        return None
    meta = json.dumps({"extractor": found.extractor, "uncertainty": round(float(found.uncertainty), 4)})
    return Document(
        id=id, text=clean(found.text), source=source.title, path=path_text(name), license=source.license,
        kind=kind_of(source, name, "html"), url=url, date=date, meta=meta,
    )  # fmt: skip
