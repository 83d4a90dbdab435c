"""Public names that are imported on first use."""

import subprocess
import sys

import pytest

import herdbook.data
import herdbook.inference
import herdbook.tokenizer


@pytest.mark.parametrize("room", [herdbook.data, herdbook.inference, herdbook.tokenizer])
def test_every_public_name_is_there_and_no_other(room):
    for name in room.__all__:
        assert getattr(room, name).__name__ == name
    with pytest.raises(AttributeError, match=f"module '{room.__name__}' has no attribute 'nobody'"):
        getattr(room, "nobody")  # noqa: B009


def test_a_room_is_light():
    rooms = "herdbook.data, herdbook.inference, herdbook.tokenizer"
    code = f"import sys, {rooms}; print({{'torch', 'numpy'}} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"
