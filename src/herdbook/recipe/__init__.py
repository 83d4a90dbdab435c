"""Recipes: named stages with typed inputs; runs what is missing and resumes what was interrupted.

`STAGES` registers the stages, `read_recipe` reads TOML and overrides, `plan` computes identities and what is to be
done, `run` does it, one child process a stage.
"""

from herdbook.recipe.parse import Recipe, RunSettings, StageEntry, read_recipe
from herdbook.recipe.plan import Plan, PlannedStage, plan
from herdbook.recipe.registry import STAGES, load_stage
from herdbook.recipe.run import RunResult, run

__all__ = [
    "STAGES",
    "Plan",
    "PlannedStage",
    "Recipe",
    "RunResult",
    "RunSettings",
    "StageEntry",
    "load_stage",
    "plan",
    "read_recipe",
    "run",
]
