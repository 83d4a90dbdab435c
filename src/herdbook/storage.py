"""Files that are never half-written: atomic writes, atomic publication of folders, hashing.

A full disk raises `errors.DiskFullError`, whichever call met it, and the unfinished temporary file is removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from herdbook.errors import ArtifactError, HerdbookError, InputError, translate

CHUNK = 1 << 20


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turns a full disk into `DiskFullError`; every other exception passes unchanged."""
    try:
        yield
    except HerdbookError:
        raise
    except OSError as error:
        known = translate(error)
        if known is None:
            raise
        raise known from error


@contextlib.contextmanager
def atomic_open(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` complete and synced, or not at all."""
    path = Path(path)
    with disk_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            fsync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def atomic_write_bytes(path: Path | str, data: bytes) -> None:
    """Writes `data` to `path` atomically and durably."""
    with atomic_open(path) as file:
        file.write(data)


def atomic_write_text(path: Path | str, text: str) -> None:
    """Writes UTF-8 text atomically and durably."""
    atomic_write_bytes(path, text.encode("utf-8"))


def json_bytes(value: Any, indent: int | None = 2) -> bytes:
    """A JSON value as it is written to files: UTF-8, a newline at the end."""
    return (json.dumps(value, indent=indent, ensure_ascii=False) + "\n").encode("utf-8")


def atomic_write_json(path: Path | str, value: Any, *, indent: int | None = 2) -> None:
    """Writes a JSON value atomically and durably."""
    atomic_write_bytes(path, json_bytes(value, indent))


def read_json(path: Path | str) -> Any:
    """The JSON value of a file. A missing file is an InputError, an unreadable one an ArtifactError."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.", key=str(path)) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is not valid JSON: {error}.", key=str(path)) from None


class JsonlWriter:
    """Writes one JSON value a line; see `open_jsonl_writer`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def write(self, row: Any) -> None:
        self._file.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
        self.count += 1


@contextlib.contextmanager
def open_jsonl_writer(path: Path | str) -> Iterator[JsonlWriter]:
    """`with open_jsonl_writer(path) as rows: rows.write({...})`; the file appears when the block ends without error."""
    with atomic_open(path) as file:
        yield JsonlWriter(file)


def write_jsonl(path: Path | str, rows: Iterable[Any]) -> int:
    """Writes rows as JSON lines, atomically. Returns their number."""
    with open_jsonl_writer(path) as writer:
        for row in rows:
            writer.write(row)
        return writer.count


def read_jsonl(path: Path | str) -> Iterator[Any]:
    """The values of a JSON-lines file, one by one. Empty lines are passed over; a broken line is an ArtifactError."""
    try:
        file = open(path, encoding="utf-8", newline="\n")  # noqa: SIM115 (closed below; only opening may fail here)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.", key=str(path)) from None
    with file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise ArtifactError(f"{path}, line {number} is not valid JSON: {error}.", key=str(path)) from None


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's content, read in chunks."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def canonical_json(value: Any) -> bytes:
    """One byte string for one JSON value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=True).encode("utf-8")


def manifest(folder: Path | str, leave_out: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """Relative path -> {sha256, size in bytes} of all files below a folder, sorted. A link is an ArtifactError."""
    folder = Path(folder)
    skipped = set(leave_out)
    entries: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ArtifactError(f"{path} is a link; artifacts hold plain files only.", key=str(path))
        if path.is_file() and name not in skipped:
            entries[name] = {"sha256": sha256_file(path), "size": path.stat().st_size}
    return entries


def content_hash(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """One hash for a manifest: relative paths and content hashes of all payload files."""
    return sha256_bytes(canonical_json({name: entry["sha256"] for name, entry in entries.items()}))


def fsync_folder(folder: Path | str) -> None:
    """Makes renames inside a folder durable (nothing on file systems that cannot)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path | str) -> None:
    """Writes every file and folder below `folder` through to the disk."""
    with disk_errors():
        for parent, _folders, files in os.walk(folder, topdown=False):
            for name in files:
                handle = os.open(os.path.join(parent, name), os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
            fsync_folder(parent)


def publish(tmp_dir: Path | str, final_dir: Path | str) -> Path:
    """Moves a finished folder to its final name in one rename, after syncing its content; an older one is replaced."""
    tmp_dir, final_dir = Path(tmp_dir), Path(final_dir)
    with disk_errors():
        sync_tree(tmp_dir)
        final_dir.parent.mkdir(parents=True, exist_ok=True)
        old = final_dir.with_name(f".{final_dir.name}.replaced")
        if old.exists():
            shutil.rmtree(old)
        if final_dir.exists():
            os.rename(final_dir, old)
        os.rename(tmp_dir, final_dir)
        fsync_folder(final_dir.parent)
        if old.exists():
            shutil.rmtree(old)
    return final_dir


def remove_tree(folder: Path | str) -> None:
    """Removes a folder and all below it; nothing when it is not there."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def free_bytes(path: Path | str) -> int:
    """Bytes free on the disk that holds `path` (or would hold it)."""
    path = Path(path).absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def tree_bytes(folder: Path | str) -> int:
    """Sum of the sizes of all files below a folder, in bytes."""
    return sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file() and not p.is_symlink())
