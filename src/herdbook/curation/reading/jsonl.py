"""JSON lines: a record a line. Python's own `json` parses them: over 200 MB/s, and a bad line costs that line alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from herdbook.curation.documents import Document
from herdbook.curation.reading.lines import lines
from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.record import Records

_BOM = b"\xef\xbb\xbf"


def read_jsonl(
    read: Callable[[int], bytes], start: int, stop: int | None, longest: int, records: Records, name: str,
    problems: Problems,
) -> Iterator[Document]:  # fmt: skip
    """The documents of the lines that begin in [start, stop). Counts too_large, not_utf8, not_json, no_text, empty."""
    for position, line, whole in lines(read, start, stop, longest):
        if not whole:
            problems.add("too_large", name, position, f"a line of over {longest} bytes", line)
            continue
        if position == 0 and line.startswith(_BOM):
            line = line[3:]
        if not line or line.isspace():
            continue
        try:
            record = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            problems.add("not_utf8", name, position, str(error), line)
            continue
        except (ValueError, RecursionError) as error:
            problems.add("not_json", name, position, str(error), line)
            continue
        document = records.document(record, position)
        if document is not None:
            yield document
