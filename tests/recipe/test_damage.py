"""Damaged artifacts are noticed before anything is built on them, and named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_stages.runs import run, write_recipe

from herdbook import errors, lineage


def flip_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def flip_a_byte_and_hide_the_time(file: Path) -> None:
    stat = file.stat()
    flip_a_byte(file)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def change_the_seed(file: Path) -> None:
    card = json.loads(file.read_text())
    card["seed"] = 99
    file.write_text(json.dumps(card))


def seal_another_identity(file: Path) -> None:
    card = lineage.load_card(file)
    card.seed = 99
    card.seal = card.compute_seal()
    file.write_text(json.dumps(card.to_json()))


@pytest.mark.parametrize(
    "name, damage, expected",
    [
        ("numbers.json", flip_a_byte, "its bytes were changed"),
        ("numbers.json", cut, "bytes instead of"),
        ("numbers.json", Path.unlink, "is missing"),
        ("card.json", change_the_seed, "the card was changed after it was sealed"),
        ("card.json", seal_another_identity, "the identity does not follow from"),
        ("card.json", cut, "its bytes were changed"),
        ("card.json", lambda file: file.write_bytes(file.read_bytes()[:-9]), "damaged"),
        ("card.json", Path.unlink, "damaged"),
    ],
)
def test_a_damaged_artifact_stops_the_run_and_force_mends_it(
    tmp_path: Path, name: str, damage: Callable[[Path], None], expected: str
) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    first = run(recipe, out)
    file = first.artifacts["source"].path / name
    damage(file)
    for selection in ({}, {"only": ["base"]}, {"only": ["base"], "force": True}):
        with pytest.raises(errors.ArtifactError) as caught:
            run(recipe, out, **selection)
        message = str(caught.value)
        assert expected in message
        assert "artifact of stage `source` is damaged" in message
        assert f"Make it again: herd run {recipe} --only source --force." in message
    assert first.artifacts["base"].path.exists()
    assert run(recipe, out, only=["source"], force=True).ran == ("source",)
    assert run(recipe, out).ran == ()


def test_verify_reads_every_byte_even_where_time_and_size_tell_nothing(tmp_path: Path) -> None:
    result = run(write_recipe(tmp_path), tmp_path / "out")
    artifact = result.artifacts["base"]
    flip_a_byte_and_hide_the_time(artifact.file("params.json"))
    assert lineage.quick_check(artifact) == []
    (problem,) = lineage.verify(artifact)
    assert problem.path == artifact.path / "params.json"
    (artifact.path / "stray.txt").write_text("x")
    assert {p.path.name for p in lineage.verify(artifact)} == {"params.json", "stray.txt"}


def test_a_copied_run_folder_is_as_good_as_the_first(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    run(recipe, tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "copy", copy_function=shutil.copyfile)
    assert run(recipe, tmp_path / "copy").ran == ()
    assert all(not lineage.verify(n.artifact) for n in lineage.pedigree(tmp_path / "copy").walk() if n.artifact)
