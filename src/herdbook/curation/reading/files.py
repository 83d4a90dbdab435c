"""The files of a source, on this machine or in an object store (fsspec), and how they are opened.

Order is that of their names, so equal files give equal plans. Hidden files and folders are passed over in silence.
Links that lead out of the folder are counted and not followed (those of Hugging Face's cache, from `snapshots` into
`blobs`, are).
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.source import Source
from herdbook.curation.reading.unit import File
from herdbook.errors import InputError

_STAMPS = (
    "ETag",
    "etag",
    "blob_id",
    "oid",
    "md5Hash",
    "content_md5",
    "last_modified",
    "LastModified",
    "mtime",
    "created",
)


def _missing(source: Source, why: str = "there is nothing at this path") -> InputError:
    return InputError(
        f"source {source.title!r}: {why}: {source.path}.", key="path", value=source.path,
        remedy="Give a file, a folder, a pattern or a URL that exists.",
    )  # fmt: skip


def local_path(path: str) -> str | None:
    """The path on this machine, None for a URL of another store."""
    if path.startswith("file://"):
        return path[len("file://") :]
    return None if "://" in path else os.path.expanduser(path)


def filesystem(path: str) -> tuple[Any, str]:
    """The file system (fsspec) of a URL and the path in it. InputError where there is none of that name, or a package
    is missing for it."""
    import fsspec

    try:
        system, inner = fsspec.core.url_to_fs(path)
    except ImportError as error:
        package = re.search(r"[Ii]nstall (?:the )?[\"'`]?([\w-]+)", str(error))
        remedy = f"pip install {package.group(1)}" if package else str(error)
        raise InputError(
            f"reading {path} needs a package that is not installed.", key="path", value=path, remedy=remedy
        ) from error
    except (ValueError, OSError) as error:
        raise InputError(f"cannot open {path}: {error}.", key="path", value=path) from error
    return system, inner


def find(source: Source, problems: Problems) -> list[File]:
    """The regular files of a source in order of their names. InputError where there is nothing at its path."""
    path = local_path(source.path)
    found = _find_remote(source, problems) if path is None else _find_local(path, source, problems)
    if not found:
        raise _missing(source, "no file is found" if source.is_glob else "there is no file in it")
    return sorted(found, key=lambda file: os.fsencode(file.name))


def _find_local(path: str, source: Source, problems: Problems) -> list[File]:
    if os.path.isdir(path):
        return list(_walk(Path(path), problems))
    if os.path.lexists(path):
        file = _file(os.path.basename(path), path, problems)
        if file is None:
            raise _missing(source, "this is no file that can be read")
        return [file]
    if not source.is_glob:
        raise _missing(source)
    fixed = _fixed_part(path)
    found = []
    for name in glob.glob(path, recursive=True):
        if os.path.isdir(name):
            continue
        file = _file(os.path.relpath(name, fixed or ".").replace(os.sep, "/"), name, problems)
        if file is not None:
            found.append(file)
    return found


def _fixed_part(pattern: str) -> str:
    """The folder before the first part of a pattern that is not fixed."""
    return pattern[: re.search(r"[*?[]", pattern).start()].rpartition("/")[0]  # type: ignore[union-attr]


def _walk(folder: Path, problems: Problems) -> Iterator[File]:
    allowed = [folder.resolve()]
    for parent in (allowed[0], *allowed[0].parents):
        if parent.name == "snapshots":
            allowed.append(parent.parent / "blobs")

    def unreadable(error: OSError) -> None:
        problems.add("unreadable", str(error.filename), detail=error.strerror or "")

    for root, folders, names in os.walk(folder, onerror=unreadable):
        linked = [name for name in folders if os.path.islink(os.path.join(root, name))]
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in linked)
        for name in [*linked, *names]:
            if name.startswith("."):
                continue
            path = os.path.join(root, name)
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            if os.path.islink(path):
                target = Path(os.path.realpath(path))
                if name in linked or not any(target.is_relative_to(place) for place in allowed):
                    problems.add("link", relative, detail="not followed")
                    continue
            file = _file(relative, path, problems)
            if file is not None:
                yield file


def _file(name: str, path: str, problems: Problems) -> File | None:
    try:
        found = os.stat(path)
    except OSError as error:
        problems.add("unreadable", name, detail=error.strerror or type(error).__name__)
        return None
    if not stat.S_ISREG(found.st_mode):
        problems.add("unreadable", name, detail="not a regular file")
        return None
    return File(name, path, found.st_size, str(found.st_mtime_ns))


def _find_remote(source: Source, problems: Problems) -> list[File]:
    if "::" in source.path:
        raise InputError("chained URLs are not read.", key="path", value=source.path)
    system, inner = filesystem(source.path)
    try:
        if system.isfile(inner):
            return [_remote_file(system, inner.rpartition("/")[2], system.info(inner))]
        if source.is_glob:
            root = _fixed_part(inner)
            entries = system.glob(inner, detail=True)
        else:
            root = inner.rstrip("/")
            entries = system.find(inner, detail=True)
    except FileNotFoundError:
        raise _missing(source) from None
    except Exception as error:  # every store has errors of its own: no rights, no such bucket, no answer
        raise InputError(f"cannot list {source.path}: {error}.", key="path", value=source.path) from error
    found = []
    for path, info in sorted(entries.items()):
        name = path[len(root) :].lstrip("/") if path.startswith(root) else path
        hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
        if info.get("type", "file") == "file" and not hidden:
            found.append(_remote_file(system, name, info))
    return found


def _stamp(info: dict[str, Any], only: str = "") -> str:
    """What tells one version of a file from another, as "name=value"; with `only`, by the field of that name."""
    for key in [only] if only else _STAMPS:
        value = info.get(key)
        if value:
            value = value.timestamp() if hasattr(value, "timestamp") else value
            return f"{key}={value:.3f}" if isinstance(value, float) else f"{key}={value}"
    return ""


def _remote_file(system: Any, name: str, info: dict[str, Any]) -> File:
    return File(name, str(system.unstrip_protocol(info["name"])), int(info.get("size") or 0), _stamp(info))


def is_unchanged(file: File) -> bool:
    """Whether a file is as it was when the units were planned. OSError where it is gone."""
    path = local_path(file.path)
    if path is not None:
        found = os.stat(path)
        return (found.st_size, str(found.st_mtime_ns)) == (file.size, file.stamp) and stat.S_ISREG(found.st_mode)
    system, inner = filesystem(file.path)
    info = system.info(inner)
    stamp = _stamp(info, only=file.stamp.partition("=")[0])
    return int(info.get("size") or 0) == file.size and stamp in (file.stamp, "")


def open_file(file: File) -> BinaryIO:
    """The file, seekable; of a store only the ranges are fetched that are read."""
    path = local_path(file.path)
    if path is not None:
        return open(path, "rb")
    system, inner = filesystem(file.path)
    opened: BinaryIO = system.open(inner, "rb")
    return opened
