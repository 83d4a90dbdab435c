"""Configurations from plain values: types, texts from the command line, messages, help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herdbook import config
from herdbook.config import Text
from herdbook.errors import ConfigError, InputError, RecipeError


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = 2
    """How deep."""


@dataclass(frozen=True, kw_only=True)
class Example:
    lr: float = 1e-3
    """Highest learning rate,
    after the warm-up."""
    steps: int
    name: str = "x"
    """A name."""
    paths: tuple[str, ...] = ()
    betas: tuple[float, float] = (0.9, 0.95)
    limit: float | None = None
    limit_name: str | None = None
    mode: Literal["a", "b"] = "a"
    flag: bool = False
    weights: dict[str, float] = field(default_factory=dict)
    folder: Path = Path()
    inner: Inner = Inner()
    workers: int = field(default=1, metadata={"identity": False})


def make(**values: Any) -> Example:
    return config.from_mapping(Example, {"steps": 1, **values}, "stages.sft")


def test_values_get_the_types_of_the_fields() -> None:
    made = make(lr=1, paths=["a"], betas=[0, 1], weights={"x": 1}, folder="/tmp", inner={"depth": 3}, limit=None)
    assert made == Example(
        lr=1.0, steps=1, paths=("a",), betas=(0.0, 1.0), weights={"x": 1.0}, folder=Path("/tmp"), inner=Inner(depth=3)
    )
    assert isinstance(made.lr, float)
    assert config.from_mapping(Example, config.to_mapping(made)) == made


@pytest.mark.parametrize(
    "key, text, value",
    [
        ("lr", "2e-3", 0.002), ("lr", "3", 3.0), ("steps", "1_000", 1000), ("name", "12", "12"),
        ("name", "true", "true"),
        ("paths", "a,b", ("a", "b")), ("paths", '["a, b"]', ("a, b",)), ("paths", "/x y", ("/x y",)), ("paths", "", ()),
        ("betas", "0.5,0.6", (0.5, 0.6)), ("betas", "[1, 2]", (1.0, 2.0)), ("limit", "3", 3.0), ("limit", "none", None),
        ("limit_name", "None", None), ("limit_name", "3", "3"), ("mode", "b", "b"), ("flag", "true", True),
        ("weights", "{ a = 1 }", {"a": 1.0}), ("folder", "x", Path("x")), ("inner", "{depth=4}", Inner(depth=4)),
    ],
)  # fmt: skip
def test_text_from_the_command_line_is_read_as_the_field_wants_it(key: str, text: str, value: object) -> None:
    assert getattr(make(**{key: Text(text)}), key) == value


@pytest.mark.parametrize(
    "values, message",
    [
        ({"lrate": 1}, "stages.sft has no setting `lrate`. Did you mean `lr`?"),
        ({"qqqqqq": 1}, "stages.sft has no setting `qqqqqq`. Known: `betas`, "),
        ({"lr": "1e-3"}, "stages.sft.lr = '1e-3' is not a valid value: expected number."),
        ({"lr": True}, "stages.sft.lr = True is not a valid value: expected number."),
        ({"steps": 1.0}, "stages.sft.steps = 1.0 is not a valid value: expected whole number."),
        ({"steps": False}, "expected whole number"),
        ({"name": 3}, "stages.sft.name = 3 is not a valid value: expected text."),
        ({"paths": "a"}, "stages.sft.paths = 'a' is not a valid value: expected list of text."),
        ({"paths": [1]}, "stages.sft.paths[0] = 1 is not a valid value: expected text."),
        ({"betas": [1]}, "stages.sft.betas = [1] is not a valid value: expected list of number."),
        ({"limit": "x"}, "stages.sft.limit = 'x' is not a valid value: expected number."),
        ({"mode": "c"}, "stages.sft.mode = 'c' is not a valid value: expected one of 'a', 'b'."),
        ({"flag": 1}, "expected true or false"),
        ({"flag": Text("yes")}, "stages.sft.flag = 'yes' is not a valid value: expected true or false."),
        ({"weights": {"x": "y"}}, "stages.sft.weights.x = 'y' is not a valid value: expected number."),
        ({"weights": []}, "expected table"),
        ({"inner": {"deph": 1}}, "stages.sft.inner has no setting `deph`. Did you mean `depth`?"),
        ({"inner": 3}, "expected table"),
        ({"steps": Text("1e")}, "stages.sft.steps = '1e' is not a valid value: expected whole number."),
    ],
)
def test_messages(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**values)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_value_that_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"stages\.sft needs a value for `steps`"):
        config.from_mapping(Example, {}, "stages.sft")


def test_help_and_identity_come_from_the_class() -> None:
    texts = config.field_help(Example)
    assert texts == {"lr": "Highest learning rate, after the warm-up.", "name": "A name."}
    assert "workers" not in config.identity_mapping(make())
    assert set(config.to_mapping(make())) - set(config.identity_mapping(make())) == {"workers"}
    assert config.to_mapping(make(inner={"depth": 5}))["inner"] == {"depth": 5}


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.text(), st.lists(st.text()))
def test_what_is_written_is_read_back(lr: float, steps: int, name: str, paths: list[str]) -> None:
    made = Example(lr=lr, steps=steps, name=name, paths=tuple(paths))
    assert config.from_mapping(Example, config.to_mapping(made)) == made
    typed = config.from_mapping(Example, {"lr": Text(repr(lr)), "steps": Text(str(steps)), "name": Text(name)})
    assert (typed.lr, typed.steps, typed.name) == (lr, steps, name)


def test_toml_errors_name_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text("[run]\nthreads = = 1\n")
    with pytest.raises(RecipeError, match=r"r.toml is not valid TOML: .*line 2"):
        config.read_toml(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="Cannot read"):
        config.read_toml(file)
    with pytest.raises(InputError, match="There is no file"):
        config.read_toml(tmp_path / "none.toml")


def test_line_of_finds_tables_and_keys() -> None:
    text = '# head\n[a]\nx = 1  # y = 2\n\n[stages."b"]\n  lr = 2\ninner.depth = 3\n'
    assert config.line_of(text, "a") == 2
    assert config.line_of(text, "a", "x") == 3
    assert config.line_of(text, "a", "y") is None
    assert config.line_of(text, "stages.b", "lr") == 6
    assert config.line_of(text, "stages.b.inner", "depth") == 7


@pytest.mark.parametrize("word, hint", [("trian", "train"), ("TRAIN", "train"), ("zzz", None)])
def test_nearest(word: str, hint: str | None) -> None:
    assert config.nearest(word, ["train", "test"]) == hint
