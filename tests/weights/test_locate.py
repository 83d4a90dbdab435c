"""What a user names, and what is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from herdbook.cli.main import main
from herdbook.errors import InputError
from herdbook.weights import locate


def test_smollm2_that_is_not_installed_says_how_to_get_it(monkeypatch, capsys) -> None:
    monkeypatch.setattr(locate.importlib.util, "find_spec", lambda name: None)
    for command in (["chat", "smollm2"], ["verify", "smollm2"], ["convert", "smollm2", "out", "--to", "hf"]):
        assert main(command) == 2
        assert "make smollm2" in capsys.readouterr().err


def test_a_folder_of_that_name_comes_first(make, tmp_path, monkeypatch) -> None:
    make(name="smollm2")
    monkeypatch.chdir(tmp_path)
    assert locate.find_weights("smollm2") == Path("smollm2")


def test_nothing_there(tmp_path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        locate.find_weights(tmp_path / "none")
