"""Frozen dataclasses from plain mappings (TOML tables, command-line overrides) and back.

Supported field types: int, float, bool, str, Path, Literal[...], Optional/Union, tuple[X, ...], tuple[X, Y], list[X],
dict[str, X], nested dataclasses, Any. A field that has no effect on the result is marked
`field(default=..., metadata={"identity": False})`. A string under a field is its help text::

    @dataclass(frozen=True, kw_only=True)
    class Config:
        lr: float = 1e-3
        \"\"\"Highest learning rate.\"\"\"
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import inspect
import itertools
import textwrap
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from herdbook.errors import ConfigError, InputError, RecipeError, UserError

T = TypeVar("T")


class Text(str):
    """A value as it was typed on the command line: its type is decided by the field that it is given to."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest to `word`, or None when nothing is near."""
    options = list(known)
    lower = {option.lower(): option for option in reversed(options)}
    found = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=0.5)
    return lower[found[0]] if found else None


def unknown_key(word: str, known: Iterable[str], where: str, what: str = "setting") -> ConfigError:
    """The error for a key that does not exist, naming the nearest one that does."""
    options = sorted(known)
    hint = nearest(word, options)
    if hint:
        remedy = f"Did you mean `{hint}`?"
    else:
        remedy = "Known: " + ", ".join(f"`{o}`" for o in options) + "." if options else "There are none here."
    return ConfigError(f"{where} has no {what} `{word}`.", remedy=remedy, key=f"{where}.{word}")


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: str = "config") -> T:
    """An instance of the dataclass `cls` from plain values, every value checked against the type of its field.

    `where` names the table in messages (`stages.sft`). Raises ConfigError for an unknown key (naming the nearest), a
    wrong type, a missing value, or a ValueError of the dataclass itself.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        if key not in fields:
            raise unknown_key(key, fields, where)
        values[key] = coerce(hints[key], value, f"{where}.{key}")
    for name, f in fields.items():
        if name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where} needs a value for `{name}`.", key=f"{where}.{name}")
    try:
        return cls(**values)
    except UserError as error:
        error.message = error.message if where in error.message else f"{where}: {error.message}"
        raise
    except ValueError as error:
        raise ConfigError(f"{where}: {error}", key=where) from error


def to_mapping(config: Any) -> dict[str, Any]:
    """All fields of a config dataclass as JSON-able values (tuples become lists, paths strings)."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def fields_without_effect(cls: type[Any]) -> list[str]:
    """Names of the fields that are marked as having no effect on the result."""
    return [f.name for f in dataclasses.fields(cls) if not f.metadata.get("identity", True)]


def identity_mapping(config: Any) -> dict[str, Any]:
    """Like `to_mapping`, without the fields that do not affect the result."""
    left_out = set(fields_without_effect(type(config)))
    return {key: value for key, value in to_mapping(config).items() if key not in left_out}


def field_help(cls: type[Any]) -> dict[str, str]:
    """The docstring under each field of a dataclass, base classes included: field name -> text on one line."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError, SyntaxError, IndexError):
            continue
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for statement, following in itertools.pairwise(statements):
            if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
                continue
            if not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)):
                continue
            if isinstance(following.value.value, str):
                texts[statement.target.id] = " ".join(following.value.value.split())
    known = {f.name for f in dataclasses.fields(cls)}
    return {name: text for name, text in texts.items() if name in known}


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """The tables of a TOML file and its text. Errors name file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.", key=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read {path}: {error}.", key=str(path)) from None
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}.", key=str(path)) from None


def line_of(text: str, table: str, key: str | None = None) -> int | None:
    """The line (from 1) on which `key` of `[table]` stands in a TOML text, or the table's header; None if not found."""
    current = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip()
        if line.startswith("[") and line.endswith("]") and "=" not in line:
            current = ".".join(part.strip().strip("\"'") for part in line.strip("[]").split("."))
            if key is None and current == table:
                return number
        elif "=" in line and key is not None:
            name = line.split("=", 1)[0].strip().replace('"', "").replace("'", "").replace(" ", "")
            full = f"{current}.{name}" if current else name
            if full == f"{table}.{key}" or full.startswith(f"{table}.{key}."):
                return number
    return None


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_mapping(value)
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return str(value) if isinstance(value, Path) else value


def describe(annotation: Any) -> str:
    """A type in words that a user understands: `tuple[str, ...]` -> "list of text"."""
    names = {int: "whole number", float: "number", bool: "true or false", str: "text", Path: "path", Any: "anything"}
    if annotation in names:
        return names[annotation]
    if annotation is type(None):
        return "nothing"
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(repr(a) for a in args)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(a) for a in args if a is not type(None))
    if origin in (tuple, list):
        return f"list of {describe(args[0])}" if args else "list"
    if origin is dict or dataclasses.is_dataclass(annotation):
        return "table"
    return getattr(annotation, "__name__", str(annotation))


def _wrong_type(annotation: Any, value: Any, where: str) -> ConfigError:
    shown = str(value) if isinstance(value, Text) else value
    message = f"{where} = {shown!r} is not a valid value: expected {describe(annotation)}."
    return ConfigError(message, key=where, value=value)


def coerce(annotation: Any, value: Any, where: str) -> Any:
    """`value` as an instance of the annotated type, or ConfigError. `where` names the setting in the message."""
    if isinstance(value, Text):
        return _coerce_text(annotation, value, where)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        for option in sorted((a for a in args if a is not type(None)), key=lambda a: a is float):
            try:
                return coerce(option, value, where)
            except ConfigError:
                continue
        raise _wrong_type(annotation, value, where)
    if origin is Literal:
        if any(type(a) is type(value) and a == value for a in args):
            return value
        raise _wrong_type(annotation, value, where)
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        if isinstance(value, annotation):
            return value
        if isinstance(value, Mapping):
            return from_mapping(annotation, value, where)
        raise _wrong_type(annotation, value, where)
    if origin in (tuple, list) or annotation in (tuple, list):
        if not isinstance(value, (list, tuple)):
            raise _wrong_type(annotation, value, where)
        kind = origin or annotation
        if kind is tuple and args and not (len(args) == 2 and args[1] is Ellipsis):
            if len(args) != len(value):
                raise _wrong_type(annotation, value, where)
            return tuple(coerce(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))
        inner = args[0] if args else Any
        return kind(coerce(inner, v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is dict or annotation is dict:
        if not isinstance(value, Mapping):
            raise _wrong_type(annotation, value, where)
        inner = args[1] if args else Any
        return {str(k): coerce(inner, v, f"{where}.{k}") for k, v in value.items()}
    if annotation is bool:
        if isinstance(value, bool):
            return value
    elif annotation is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif annotation is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif annotation is str:
        if isinstance(value, str):
            return str(value)
        if isinstance(value, Path):
            return str(value)
    elif annotation is Path:
        if isinstance(value, (str, Path)):
            return Path(value)
    elif annotation is type(None) and value is None:
        return None
    raise _wrong_type(annotation, value, where)


def _accepts_bare_text(annotation: Any) -> bool:
    args = typing.get_args(annotation)
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return any(_accepts_bare_text(a) for a in args) and not any(a in (int, float, bool) for a in args)
    return annotation in (str, Path)


def _coerce_text(annotation: Any, text: Text, where: str) -> Any:
    raw = str(text)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType) and type(None) in args and raw.lower() == "none":
        return None
    if _accepts_bare_text(annotation):
        options = [a for a in args if a in (str, Path)] if args else [annotation]
        return coerce(options[0], raw, where)
    candidates: list[Any] = []
    with contextlib.suppress(tomllib.TOMLDecodeError):
        candidates.append(tomllib.loads(f"v = {raw}")["v"])
    candidates.append(raw)
    if origin in (tuple, list):
        inner = args[0] if args else Any
        with contextlib.suppress(ConfigError):
            candidates.append([_coerce_text(inner, Text(part), where) for part in raw.split(",") if part])
    for candidate in candidates:
        try:
            return coerce(annotation, candidate, where)
        except ConfigError:
            continue
    raise _wrong_type(annotation, text, where)
