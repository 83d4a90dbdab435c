"""What a recipe will do: configurations and inputs checked, identities computed, what is there already found."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from herdbook import config, lineage, storage
from herdbook.errors import ArtifactError, ConfigError, InputError, RecipeError, UserError
from herdbook.lineage import Artifact
from herdbook.recipe.parse import Recipe, StageEntry, placed, read_recipe
from herdbook.recipe.registry import STAGES, load_stage
from herdbook.workspace import InputSpec

COMPLETE, MISSING, INTERRUPTED, STALE = "complete", "to run", "to resume", "to run again"


@dataclass(frozen=True)
class PlannedStage:
    """A stage with everything that its identity depends on."""

    name: str
    kind: str
    module: str
    kind_out: str
    version: int
    config: Any
    """Instance of the stage's `Config`."""
    seed: int
    fingerprint: str | None
    inputs: dict[str, list[str | Artifact]]
    """Input name -> the stages (by name) and artifacts from elsewhere that it is fed with."""
    many: frozenset[str]
    """Inputs that take a list."""
    parents: dict[str, str | list[str]]
    identity: str
    estimate_seconds: float | None

    @property
    def folder_name(self) -> str:
        return f"{self.name}-{self.identity[:12]}"

    def parent_stages(self) -> list[str]:
        """Names of the stages of the same recipe that this one reads, each once."""
        return list(dict.fromkeys(p for group in self.inputs.values() for p in group if isinstance(p, str)))


@dataclass(frozen=True)
class Plan:
    """A checked recipe, its run folder and its stages in an order in which they can run."""

    recipe: Recipe
    folder: Path
    stages: dict[str, PlannedStage]
    final: str | None
    selected: tuple[str, ...]
    """Stages that may run: all, or those that --only / --from name."""
    forced: bool

    def artifact_folder(self, name: str) -> Path:
        return self.folder / "stages" / self.stages[name].folder_name

    def work_folder(self, name: str) -> Path:
        return self.folder / "work" / name

    def artifact(self, name: str) -> Artifact | None:
        """The stage's artifact when it is there, by its card alone; ArtifactError when the card is gone or unreadable.

        A stage that is to be made again by force has none, whatever lies there.
        """
        folder = self.artifact_folder(name)
        if not folder.exists():
            return None
        try:
            artifact = lineage.load_artifact(folder)
            if artifact.identity != self.stages[name].identity:
                raise ArtifactError(f"{folder / lineage.CARD}: the identity was changed.", key=str(folder))
        except UserError as error:
            if self.forced and name in self.selected:
                return None
            raise self._damaged(name, error.message.rstrip("."), error.key) from None
        return artifact

    def parents_of(self, name: str) -> dict[str, list[Artifact | None]]:
        """Input name -> artifacts of a stage (None for those not there yet)."""
        return {
            key: [self.artifact(p) if isinstance(p, str) else p for p in group]
            for key, group in self.stages[name].inputs.items()
        }

    def work_key(self, name: str) -> dict[str, Any]:
        """What a half-done stage must agree with to be taken up again."""
        contents = [a.card.content_hash if a else None for g in self.parents_of(name).values() for a in g]
        return {"identity": self.stages[name].identity, "parent_contents": contents}

    def status(self, name: str) -> str:
        """COMPLETE, INTERRUPTED, STALE (a parent was made again with other content) or MISSING. Reads no payload."""
        artifact = self.artifact(name)
        if artifact is not None:
            now = {a.identity: a.card.content_hash for g in self.parents_of(name).values() for a in g if a}
            then = artifact.card.parent_contents
            if all(then.get(identity, content) == content for identity, content in now.items()):
                return COMPLETE
        if self._can_resume(name):
            return INTERRUPTED
        return MISSING if artifact is None else STALE

    def _can_resume(self, name: str) -> bool:
        work = self.work_folder(name)
        if not (work / "work.json").is_file() or not any((work / "checkpoints").glob("*")):
            return False
        try:
            record = storage.read_json(work / "work.json")
        except UserError:
            return False
        return isinstance(record, dict) and record.get("key") == self.work_key(name)

    def check_artifact(self, name: str) -> None:
        """Raises ArtifactError when the artifact of a stage is damaged (see `lineage.quick_check`)."""
        artifact = self.artifact(name)
        if artifact is None:
            return
        problems = lineage.quick_check(artifact)
        if problems:
            raise self._damaged(name, str(problems[0]), str(problems[0].path))

    def _damaged(self, name: str, what: str, key: str | None) -> ArtifactError:
        return ArtifactError(
            f"The artifact of stage `{name}` is damaged: {what}.",
            remedy=f"Make it again: herd run {self.recipe.source or self.recipe.name} --only {name} --force.",
            key=key,
        )


def plan(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    *,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    only: Sequence[str] = (),
    from_stage: str | None = None,
    force: bool = False,
    seed: int | None = None,
    stages: Mapping[str, str] = STAGES,
) -> Plan:
    """Checks a recipe completely and computes what would run; nothing is written.

    Raises UserError for everything that is wrong with it: keys, types, inputs of the wrong kind, damaged artifacts.
    """
    parsed = read_recipe(recipe, overrides)
    if seed is not None:
        parsed = dataclasses.replace(parsed, head=dataclasses.replace(parsed.head, seed=seed))
    folder = Path(out) if out is not None else Path("runs") / parsed.name
    planned: dict[str, PlannedStage] = {}
    kinds = {name: _kind_out(parsed, entry, stages) for name, entry in parsed.stages.items()}
    for name in _order(parsed):
        planned[name] = _plan_stage(parsed, parsed.stages[name], planned, kinds, stages, overrides or {})
    models = [name for name in parsed.stages if kinds[name] == "model"]
    final = parsed.head.final or (models[-1] if models else None)
    selected = _select(parsed, planned, only, from_stage)
    result = Plan(parsed, folder, planned, final, selected, force)
    _check_there(result)
    return result


def threads_of(recipe: Recipe) -> int:
    """Threads of each stage: as the recipe says, else the cores that this process may use."""
    if recipe.run.threads is not None:
        return recipe.run.threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _kind_out(recipe: Recipe, entry: StageEntry, stages: Mapping[str, str]) -> str:
    where = f"stages.{entry.name}"
    try:
        return load_stage(entry.kind, stages, where).KIND_OUT
    except RecipeError as error:
        error.message = recipe.place(where, "kind" if entry.kind != entry.name else None) + error.message
        raise


def _is_path(reference: str) -> bool:
    return "/" in reference or reference.startswith((".", "~"))


def _order(recipe: Recipe) -> list[str]:
    """Stage names so that each comes after its inputs; otherwise as written."""
    done: list[str] = []
    open_: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in open_:
            circle = " -> ".join([*open_[open_.index(name) :], name])
            raise RecipeError(f"{recipe.place(f'stages.{name}', 'inputs')}The inputs form a circle: {circle}.")
        open_.append(name)
        for references in recipe.stages[name].inputs.values():
            for reference in [references] if isinstance(references, str) else references:
                if reference in recipe.stages:
                    visit(reference)
        open_.pop()
        done.append(name)

    for name in recipe.stages:
        visit(name)
    return done


def _plan_stage(
    recipe: Recipe,
    entry: StageEntry,
    planned: Mapping[str, PlannedStage],
    kinds: Mapping[str, str],
    stages: Mapping[str, str],
    overrides: Mapping[str, Any],
) -> PlannedStage:
    where = f"stages.{entry.name}"
    stage = load_stage(entry.kind, stages, where)
    try:
        settings = config.from_mapping(stage.Config, entry.settings, where)
    except ConfigError as error:
        raise placed(recipe, error, overrides) from None
    inputs = {key: _sources(recipe, entry, key, value, kinds, stage.INPUTS) for key, value in entry.inputs.items()}
    for key, spec in stage.INPUTS.items():
        if not inputs.get(key) and not spec.optional:
            raise RecipeError(
                f"{recipe.place(where)}{where} needs an input `{key}` ({' or '.join(spec.kinds)}).",
                remedy=f'For example: inputs = {{ {key} = "{_suggest(spec, kinds) or "STAGE"}" }}.',
                key=f"{where}.inputs.{key}",
            )
    many = frozenset(key for key, spec in stage.INPUTS.items() if spec.many)
    parents: dict[str, str | list[str]] = {}
    for key, group in inputs.items():
        identities = [planned[p].identity if isinstance(p, str) else p.identity for p in group]
        parents[key] = identities if key in many else identities[0]
    seed = recipe.head.seed if entry.seed is None else entry.seed
    fingerprint_of = getattr(stage, "fingerprint", None)
    fingerprint = fingerprint_of(settings) if fingerprint_of else None
    estimate_of = getattr(stage, "estimate", None)
    identity = lineage.compute_identity(
        entry.kind, config.identity_mapping(settings), seed, parents, stage.VERSION, fingerprint
    )
    return PlannedStage(
        name=entry.name,
        kind=entry.kind,
        module=stages[entry.kind],
        kind_out=stage.KIND_OUT,
        version=stage.VERSION,
        config=settings,
        seed=seed,
        fingerprint=fingerprint,
        inputs=inputs,
        many=many,
        parents=parents,
        identity=identity,
        estimate_seconds=float(estimate_of(settings)) if estimate_of else None,
    )


def _suggest(spec: InputSpec, kinds: Mapping[str, str]) -> str | None:
    return next((name for name, kind in kinds.items() if kind in spec.kinds), None)


def _sources(
    recipe: Recipe,
    entry: StageEntry,
    key: str,
    value: str | list[str],
    kinds: Mapping[str, str],
    specs: Mapping[str, InputSpec],
) -> list[str | Artifact]:
    where = f"stages.{entry.name}"
    place = recipe.place(where, "inputs")
    if key not in specs:
        error = config.unknown_key(key, specs, where, "input")
        raise RecipeError(place + error.message, remedy=error.remedy, key=f"{where}.inputs.{key}")
    spec = specs[key]
    references = [value] if isinstance(value, str) else value
    if not spec.many and len(references) != 1:
        raise RecipeError(f"{place}{where}: input `{key}` takes one artifact, not {len(references)}.", key=where)
    found: list[str | Artifact] = []
    for reference in references:
        if reference in kinds:
            source: str | Artifact = reference
            kind = kinds[reference]
        elif _is_path(reference):
            try:
                source = lineage.load_artifact(lineage.resolve_artifact(Path(reference).expanduser()))
            except InputError as problem:
                problem.message = f"{place}{where}: input `{key}`: {problem.message}"
                raise
            problems = lineage.quick_check(source)
            if problems:
                raise ArtifactError(f"Input `{key}` of {where} is damaged: {problems[0]}.", key=str(problems[0].path))
            kind = source.kind
        else:
            hint = config.nearest(reference, kinds)
            raise RecipeError(
                f"{place}{where}: input `{key}` names the stage `{reference}`, which the recipe does not have.",
                remedy=f"Did you mean `{hint}`?" if hint else f"Stages: {', '.join(kinds)}. A path must hold a slash.",
                key=f"{where}.inputs.{key}",
                value=reference,
            )
        if kind not in spec.kinds:
            raise RecipeError(
                f"{place}{where}: input `{key}` takes an artifact of kind {' or '.join(f'`{k}`' for k in spec.kinds)}, "
                f"but `{reference}` is of kind `{kind}`.",
                key=f"{where}.inputs.{key}",
                value=reference,
            )
        found.append(source)
    return found


def _select(
    recipe: Recipe, planned: Mapping[str, PlannedStage], only: Sequence[str], from_stage: str | None
) -> tuple[str, ...]:
    for name in [*only, *([from_stage] if from_stage else [])]:
        if name not in planned:
            hint = config.nearest(name, planned)
            raise RecipeError(
                f"The recipe has no stage `{name}`.",
                remedy=f"Did you mean `{hint}`?" if hint else f"Stages: {', '.join(planned)}.",
                key=name,
            )
    chosen = set(planned)
    if from_stage:
        chosen = {from_stage}
        for name, stage in planned.items():  # in order: parents come first
            if chosen & set(stage.parent_stages()):
                chosen.add(name)
    if only:
        chosen &= set(only)
    return tuple(name for name in planned if name in chosen)


def _check_there(result: Plan) -> None:
    """Inputs that will not be made must be there, and what is there must be whole."""
    for name in result.selected:
        if not result.forced:
            result.check_artifact(name)
        for parent in result.stages[name].parent_stages():
            if parent in result.selected:
                continue
            result.check_artifact(parent)
            if result.artifact(parent) is None:
                raise InputError(
                    f"Stage `{name}` needs the artifact of `{parent}`, which is not there or was made otherwise.",
                    remedy=f"Run `{parent}` first, or leave out --only and --from.",
                    key=parent,
                )
