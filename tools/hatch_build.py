"""Puts recipes/ into a wheel as herdbook/recipes; an editable install reads them where they are, at the root."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RecipesIntoWheel(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"]["recipes"] = "herdbook/recipes"
