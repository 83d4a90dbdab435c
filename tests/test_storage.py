"""Files that are whole or not there, publication in one step, hashes."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from herdbook import errors, storage


def test_atomic_write_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.json"
    storage.atomic_write_json(file, {"x": "ü"})
    assert storage.read_json(file) == {"x": "ü"}
    with pytest.raises(RuntimeError), storage.atomic_open(file) as out:  # noqa: PT012 (what fails is the block)
        out.write(b"half")
        raise RuntimeError
    assert storage.read_json(file) == {"x": "ü"}
    assert [p.name for p in file.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_has_its_own_error(tmp_path: Path, number: int) -> None:
    with pytest.raises(errors.DiskFullError, match="The disk is full"), storage.atomic_open(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    assert not list(tmp_path.iterdir())


def test_other_errors_of_the_system_stay_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), storage.disk_errors():
        raise PermissionError(errno.EACCES, "no")


def test_jsonl(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [{"text": "line\nbreak \u2028 and \x85"}, 2, None]
    assert storage.write_jsonl(file, rows) == 3
    assert list(storage.read_jsonl(file)) == rows
    file.write_text('{"a": 1}\n\n{"a":')
    with pytest.raises(errors.ArtifactError, match="line 3 is not valid JSON"):
        list(storage.read_jsonl(file))
    with pytest.raises(errors.InputError, match="There is no file"):
        list(storage.read_jsonl(tmp_path / "none"))


def test_hashes_and_manifest(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"x" * (3 << 20))
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "card.json").write_bytes(b"{}")
    entries = storage.manifest(tmp_path, leave_out=["card.json"])
    assert list(entries) == ["a", "sub/b"]
    assert entries["sub/b"] == {"sha256": hashlib.sha256(b"x" * (3 << 20)).hexdigest(), "size": 3 << 20}
    before = storage.content_hash(entries)
    os.rename(tmp_path / "a", tmp_path / "c")
    assert storage.content_hash(storage.manifest(tmp_path, leave_out=["card.json"])) != before
    (tmp_path / "link").symlink_to(tmp_path / "c")
    with pytest.raises(errors.ArtifactError, match="is a link"):
        storage.manifest(tmp_path)


def test_publish_replaces_in_one_step(tmp_path: Path) -> None:
    for text in ("old", "new"):
        made = tmp_path / "tmp"
        made.mkdir()
        (made / "file").write_text(text)
        assert (storage.publish(made, tmp_path / "stages" / "x") / "file").read_text() == text
        assert not made.exists()
    assert [p.name for p in (tmp_path / "stages").iterdir()] == ["x"]


def test_canonical_json_is_one_string_for_one_value() -> None:
    assert storage.canonical_json({"b": 1, "a": [1.5, "é"]}) == '{"a":[1.5,"é"],"b":1}'.encode()


def test_free_bytes_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert storage.free_bytes(tmp_path / "a" / "b") > 0
