"""JSON lines: a record a line. A kernel takes apart what it knows (`json_kernel.py`), a line that it does not is given
to Python's own `json`; a bad line costs that line alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from herdbook.curation.documents import Document
from herdbook.curation.reading.lines import EXCERPT, blocks
from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.record import Records
from herdbook.curation.reading.rows import Block, Rows, Scanner

_BOM = b"\xef\xbb\xbf"


def read_jsonl(
    read: Callable[[int], bytes], start: int, stop: int | None, longest: int, records: Records, name: str,
    problems: Problems,
) -> Iterator[Document | Rows]:  # fmt: skip
    """The documents of the lines that begin in [start, stop). Counts too_large, not_utf8, not_json, no_text, empty."""
    scanner = Scanner(records, longest)
    for position, found, whole in blocks(read, start, stop, longest):
        if not whole:
            problems.add("too_large", name, position, f"a line of over {longest} bytes", found)
            continue
        block, at = Block(found, position), 0
        fast = scanner.useful and block.is_sound
        while at < len(found):
            if fast and not (position == at == 0 and found.startswith(_BOM)):
                rows, at = scanner.scan(block, at)
                if rows is not None:
                    yield rows
                    continue  # where it ended is perhaps not yet a line for Python
            end = found.find(b"\n", at)
            line = found[at:] if end < 0 else found[at:end]
            document = _document(line, position + at, longest, records, name, problems)
            at += len(line) + 1
            if document is not None:
                yield document


def _document(
    line: bytes, position: int, longest: int, records: Records, name: str, problems: Problems
) -> Document | None:
    """The document of a line, if it has one."""
    if len(line) > longest:
        problems.add("too_large", name, position, f"a line of over {longest} bytes", line[:EXCERPT])
        return None
    if position == 0 and line.startswith(_BOM):
        line = line[3:]
    if not line or line.isspace():
        return None
    try:
        record = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        problems.add("not_utf8", name, position, str(error), line)
    except (ValueError, RecursionError) as error:
        problems.add("not_json", name, position, str(error), line)
    else:
        return records.document(record, position)
    return None
