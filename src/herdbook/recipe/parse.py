"""A recipe as it is written: `[recipe]` (name, seed, final), `[run]` (how, never what), `[stages.NAME]`; overrides."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from herdbook import config
from herdbook.errors import ConfigError, InputError, RecipeError

RESERVED = ("kind", "inputs", "seed")


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Table `[run]`: how the stages run. Nothing here changes what they make."""

    device: str = "cpu"
    """"cpu", "cuda" or "cuda:N"."""
    threads: int | None = None
    """CPU threads of a stage; default: all cores that this process may use."""
    memory_limit_gib: float | None = None
    """A stage that takes more main memory is stopped; curation keeps to it. Default: no limit."""
    engine: Literal["native", "ray"] = "native"
    """Who schedules the units of curation: Daft's own engine on this machine, or Ray."""
    ray_address: str | None = None
    """Address of a Ray cluster ("auto", "ray://HOST:PORT"); default: Ray is started on this machine."""

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda") and not (self.device.startswith("cuda:") and self.device[5:].isdecimal()):
            raise ConfigError(f"run.device = {self.device!r}: expected cpu, cuda or cuda:N.", key="run.device")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"run.threads = {self.threads}: expected 1 or more.", key="run.threads")
        if self.memory_limit_gib is not None and self.memory_limit_gib <= 0:
            raise ConfigError(
                f"run.memory_limit_gib = {self.memory_limit_gib}: expected more than 0.", key="run.memory_limit_gib"
            )


@dataclass(frozen=True, kw_only=True)
class Head:
    """Table `[recipe]`."""

    name: str | None = None
    """Name of the recipe and of its run folder; default: the file's name."""
    final: str | None = None
    """The stage whose model is the recipe's result; default: the last stage that makes a model."""
    seed: int = 0
    """Seed of every stage that has none of its own."""
    description: str = ""
    """What the recipe is for, in a sentence."""


@dataclass(frozen=True)
class StageEntry:
    """One `[stages.NAME]` as written: settings are not yet checked against the stage's configuration."""

    name: str
    kind: str
    inputs: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A recipe after overrides."""

    name: str
    head: Head
    run: RunSettings
    stages: dict[str, StageEntry]
    source: Path | None = None
    text: str = ""

    def place(self, table: str, key: str | None = None) -> str:
        """Where a key stands, for messages: "recipes/quickstart.toml, line 12: " (empty where unknown)."""
        if self.source is None:
            return ""
        line = config.line_of(self.text, table, key)
        return f"{self.source}, line {line}: " if line else f"{self.source}: "


def shipped_folders() -> list[Path]:
    """Folders in which recipes are looked for by name: ./recipes, the installed package's, the repository's."""
    package = Path(__file__).resolve().parent.parent
    return [Path("recipes"), package / "recipes", package.parent.parent / "recipes"]


def find_recipe(name: str | Path) -> Path:
    """The file of a recipe given by path or by the name of a shipped one (`quickstart`)."""
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise InputError(f"There is no recipe file {path}.", key=str(path))
    known: dict[str, Path] = {}
    for folder in shipped_folders():
        for file in sorted(folder.glob("*.toml")):
            known.setdefault(file.stem, file)
    if str(name) in known:
        return known[str(name)]
    hint = config.nearest(str(name), known)
    remedy = f"Did you mean `{hint}`?" if hint else f"Recipes: {', '.join(sorted(known)) or 'none'}; or give a path."
    raise InputError(f"There is no recipe `{name}`.", remedy=remedy, key=str(name))


def read_recipe(recipe: str | Path | Mapping[str, Any] | Recipe, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Reads a recipe from a file, a shipped name or a mapping, and applies overrides such as {"sft.lr": 1e-3}."""
    if isinstance(recipe, Recipe):
        if overrides:
            raise TypeError("overrides are applied when a recipe is read, not to a Recipe")
        return recipe
    source: Path | None = None
    text = ""
    if isinstance(recipe, Mapping):
        tables = copy.deepcopy(dict(recipe))
    else:
        source = find_recipe(recipe)
        tables, text = config.read_toml(source)
    draft = Recipe("", Head(), RunSettings(), {}, source, text)
    _known_keys(draft, tables)
    for key, value in (overrides or {}).items():
        _override(tables, key, value)
    try:
        head = config.from_mapping(Head, _table(draft, tables, "recipe"), "recipe")
        run = config.from_mapping(RunSettings, _table(draft, tables, "run"), "run")
    except ConfigError as error:
        raise placed(draft, error, overrides) from None
    stages = {name: _entry(draft, name, table) for name, table in _table(draft, tables, "stages").items()}
    if not stages:
        raise RecipeError(f"{draft.place('stages')}The recipe has no stages.", key="stages")
    if head.final is not None and head.final not in stages:
        raise RecipeError(
            f"{draft.place('recipe', 'final')}final = {head.final!r} is not a stage.",
            remedy=_nearest(head.final, stages),
        )
    return Recipe(head.name or (source.stem if source else "recipe"), head, run, stages, source, text)


def _known_keys(draft: Recipe, tables: Mapping[str, Any]) -> None:
    for key in tables:
        if key not in ("recipe", "run", "stages"):
            error = config.unknown_key(key, ("recipe", "run", "stages"), "The recipe", "table")
            place = draft.place(key) if isinstance(tables[key], Mapping) else draft.place("", key)
            raise RecipeError(place + error.message, remedy=error.remedy, key=key)


def _table(draft: Recipe, tables: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = tables.get(key, {})
    if not isinstance(value, dict):
        raise RecipeError(f"{draft.place('', key)}`{key}` must be a table: [{key}].", key=key)
    return value


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    hint = config.nearest(word, known)
    return f"Did you mean `{hint}`?" if hint else f"Stages: {', '.join(known)}."


def _override(tables: dict[str, Any], key: str, value: Any) -> None:
    parts = key.split(".")
    if parts[0] == "stages":
        parts = parts[1:]
    if len(parts) < 2 or not all(parts):
        raise RecipeError(f"Override `{key}`: expected STAGE.KEY, run.KEY or recipe.KEY.", key=key)
    if parts[0] in ("run", "recipe"):
        target = tables.setdefault(parts[0], {})
    else:
        stages = tables.get("stages", {})
        if parts[0] not in stages:
            known = {**stages, "run": None, "recipe": None}
            raise RecipeError(
                f"Override `{key}`: there is no stage `{parts[0]}`.", remedy=_nearest(parts[0], known), key=key
            )
        target = stages[parts[0]]
    for part in parts[1:-1]:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise RecipeError(f"Override `{key}`: `{part}` is not a table.", key=key)
    target[parts[-1]] = value


def _entry(draft: Recipe, name: str, table: Any) -> StageEntry:
    where = f"stages.{name}"
    if not isinstance(table, dict):
        raise RecipeError(f"{draft.place('stages', name)}{where} must be a table: [{where}].", key=where)
    if not name.replace("_", "").replace("-", "").isalnum() or name in ("run", "recipe", "stages"):
        raise RecipeError(
            f"{draft.place(where)}`{name}` cannot be the name of a stage: letters, digits, `_` and `-` only, and not "
            "run, recipe or stages.",
            key=where,
        )
    settings = {key: value for key, value in table.items() if key not in RESERVED}

    def typed(key: str, kind: Any, default: Any) -> Any:
        try:
            return config.coerce(kind, table[key], f"{where}.{key}") if key in table else default
        except ConfigError as error:
            raise RecipeError(draft.place(where, key) + error.message, key=error.key, value=error.value) from None

    inputs = typed("inputs", dict[str, str | list[str]], {})
    return StageEntry(name, typed("kind", str, name), inputs, typed("seed", int | None, None), settings)


def placed(recipe: Recipe, error: ConfigError, overrides: Mapping[str, Any] | None) -> ConfigError:
    """The same error with file and line before it, or marked as an override when the value came by one."""
    key = error.key or ""
    if key.removeprefix("stages.") in {k.removeprefix("stages.") for k in overrides or {}}:
        return ConfigError(f"Override: {error.message}", remedy=error.remedy, key=key, value=error.value)
    table, _, last = key.rpartition(".")
    return ConfigError(recipe.place(table, last) + error.message, remedy=error.remedy, key=key, value=error.value)
