"""From sources to units: which files there are, which reader each needs, and where large ones are cut."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from herdbook.curation.reading.files import find, local_path, open_file
from herdbook.curation.reading.formats import PAGES, TABLES, format_of, is_jsonl, packing
from herdbook.curation.reading.frames import Frames
from herdbook.curation.reading.parquet import open_parquet
from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.source import Source
from herdbook.curation.reading.unfold import DamagedError
from herdbook.curation.reading.unit import File, Unit, unit_of
from herdbook.errors import ConfigError, InputError

_HEAD = 65536
PARTS = 8
"""Units of a file at least, and twice as many of a folder of small files, so that no worker waits long for the last."""
LEAST_BYTES = 4_000_000
"""But none smaller than this."""


@dataclass(frozen=True)
class Plan:
    """The units of all sources, in the order of sources, names and places, and what is not read."""

    units: list[Unit]
    skipped: Problems

    @property
    def size_bytes(self) -> int:
        """Bytes of all units, as they are stored."""
        return sum(unit.size_bytes for unit in self.units)


def plan(sources: Sequence[Source], unit_megabytes: float = 32.0) -> Plan:
    """The units of the sources: a large file is cut where that is possible (JSONL and archives that are not compressed,
    row groups of Parquet), small neighbours of one format are read together. `unit_megabytes` is the size of large
    units; a file of less than eight of them has smaller ones. How a file is cut depends on that file alone.

    Documents, their ids and their order do not depend on `unit_megabytes`. InputError for a path that does not exist or
    holds no file, ConfigError for two sources of one name.
    """
    if unit_megabytes <= 0:
        raise ConfigError("a unit is larger than 0.", key="unit_megabytes", value=unit_megabytes)
    names = [source.title for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two sources are called {name!r}.", key="name", value=name,
                remedy="Give each a name of its own: documents are told apart by it.",
            )  # fmt: skip
    problems = Problems()
    units: list[Unit] = []
    for source in sources:
        chosen = _with_formats(source, find(source, problems), problems)
        if any(format in PAGES for _, format in chosen):
            _needs_extractor(source)
        units.extend(_units(source, chosen, max(1, int(unit_megabytes * 1e6)), problems))
    return Plan(units, problems)


def _with_formats(source: Source, files: list[File], problems: Problems) -> list[tuple[File, str]]:
    """Each file with its format; files that no reader is for, or that stand beside a data set, are counted."""
    found: list[tuple[File, str]] = []
    guessed = [(file, format_of(file.name)) for file in files]
    card = source.path.startswith("hf://") or any(file.name == "README.md" and _is_card(file) for file in files)
    if source.format != "auto":
        fits = {
            source.format,
            "parquet" if source.format == "documents" else "",
            "json" if source.format == "jsonl" else "",
        }
        only = len(files) > 1 and any(format in fits for _, format in guessed)
        for file, format in guessed:
            if file.size == 0:
                problems.add("empty", file.name)
            elif only and format not in fits:
                problems.add("other_format", file.name, detail=f"is no {source.format}")
            else:
                found.append((file, source.format))
        return found
    only_tables = card and any(format in TABLES for _, format in guessed)
    for file, format in guessed:
        if format is None:
            problems.add("other_format", file.name, detail="no reader is for it")
        elif file.size == 0:
            problems.add("empty", file.name)
        elif only_tables and format not in TABLES and format != "json":
            problems.add("other_format", file.name, detail="stands beside the tables of a data set")
        else:
            if format == "json":
                format = "jsonl" if is_jsonl(_head(file), source.text_field) else "text"
                if format == "text" and only_tables:
                    problems.add("other_format", file.name, detail="stands beside the tables of a data set")
                    continue
            found.append((file, format))
    return found


def _needs_extractor(source: Source) -> None:
    if importlib.util.find_spec("resiliparse") is None:
        raise InputError(
            f"source {source.title!r} has web pages, and the packages that read HTML are not installed.",
            key="path", value=source.path, remedy="pip install 'herdbook[web]'",
        )  # fmt: skip


def _head(file: File) -> bytes:
    try:
        with open_file(file) as opened:
            return opened.read(_HEAD)
    except Exception:  # a store's own errors; reading the unit will meet and count it
        return b""


def _is_card(file: File) -> bool:
    """Whether a README is the card of a data set: it begins with fields between two lines of dashes."""
    return _head(file)[:4] in (b"---\n", b"---\r")


def _units(source: Source, files: list[tuple[File, str]], unit_bytes: int, problems: Problems) -> Iterator[Unit]:
    together: list[File] = []
    size, format_together = 0, ""
    most = _part(sum(file.size for file, _ in files), unit_bytes, 2 * PARTS)
    for file, format in files:
        part = _part(file.size, unit_bytes, PARTS)
        if together and (format != format_together or size + file.size > most):
            yield unit_of(source, format_together, together)
            together, size = [], 0
        if file.size > part and format in TABLES:
            yield from _cut(source, file, format, part, problems)
        else:
            together.append(file)
            size, format_together = size + file.size, format
    if together:
        yield unit_of(source, format_together, together)


def _part(size: int, unit_bytes: int, parts: int) -> int:
    """Bytes of a unit where so many of them shall be cut into parts."""
    return min(unit_bytes, max(LEAST_BYTES, size // parts))


def _cut(source: Source, file: File, format: str, unit_bytes: int, problems: Problems) -> Iterator[Unit]:
    if format in ("parquet", "documents"):
        cuts, sizes = _row_groups(file, unit_bytes)
    elif packing(_head(file)):
        cuts, sizes = [0], [file.size]
    elif format == "jsonl":
        cuts = _ranges(file.size, unit_bytes)
        sizes = [stop - start for start, stop in zip(cuts, [*cuts[1:], file.size])]
    else:
        cuts = _records(file, unit_bytes)
        sizes = [stop - start for start, stop in zip(cuts, [*cuts[1:], file.size])]
    for i, (start, size) in enumerate(zip(cuts, sizes)):
        yield unit_of(source, format, [file], start, cuts[i + 1] if i + 1 < len(cuts) else None, size)


def _ranges(size: int, unit_bytes: int) -> list[int]:
    """Where units of a file begin. Its end is cut finer: small units are worked on last, and workers end together."""
    cuts = list(range(0, size, unit_bytes))
    finer = max(1, unit_bytes // 4)
    return cuts[:-1] + list(range(cuts[-1], size, finer))


def _row_groups(file: File, unit_bytes: int) -> tuple[list[int], list[int]]:
    """First row groups of units, and the units' bytes as they are stored."""
    try:
        with open_file(file) as opened:
            meta = open_parquet(opened).metadata
            stored = [
                sum(max(0, meta.row_group(i).column(c).total_compressed_size) for c in range(meta.num_columns))
                for i in range(meta.num_row_groups)
            ]
    except (DamagedError, OSError):
        return [0], [file.size]  # reading it will count what is wrong
    cuts, sizes = [0], [0]
    for group, size in enumerate(stored):
        if sizes[-1] and sizes[-1] + size > unit_bytes:
            cuts.append(group)
            sizes.append(0)
        sizes[-1] += size
    return cuts, sizes


def _records(file: File, unit_bytes: int) -> list[int]:
    """Where units of an archive begin: records about `unit_bytes` apart. In a store it is one unit, for finding its
    records would read it whole."""
    if local_path(file.path) is None:
        return [0]
    cuts = [0]
    with open(local_path(file.path) or "", "rb", buffering=1 << 13) as opened:
        for frame in Frames(opened, 0, 0, seek=True).read():
            if frame.position - cuts[-1] >= unit_bytes:
                cuts.append(frame.position)
    return cuts
