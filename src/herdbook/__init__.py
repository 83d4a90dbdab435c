"""herdbook raises Llama 3 models: the whole published recipe, from raw text to a chat model.

>>> import herdbook
>>> result = herdbook.run("recipes/quickstart.toml")        # doctest: +SKIP
>>> herdbook.load(result.final.path).chat("What does shutil.copytree do?")  # doctest: +SKIP

Importing the package loads nothing heavy: rooms are imported when they are first named.
"""

import importlib

__version__ = "0.1.0"

_PLACES = {
    "run": ("herdbook.recipe", "run"),
    "plan": ("herdbook.recipe", "plan"),
    "RunResult": ("herdbook.recipe", "RunResult"),
    "load": ("herdbook.inference.chat_model", "load"),
    "load_artifact": ("herdbook.lineage", "load_artifact"),
    "Artifact": ("herdbook.lineage", "Artifact"),
    "Workspace": ("herdbook.workspace", "Workspace"),
    "Tokenizer": ("herdbook.tokenizer", "Tokenizer"),
}
_ROOMS = (
    "config", "curation", "data", "errors", "evaluate", "figures", "inference", "lineage", "model", "posttrain",
    "progress", "recipe", "serve", "storage", "tasks", "tokenizer", "train", "weights", "workspace",
)  # fmt: skip

__all__ = ["__version__", *sorted(_PLACES), *_ROOMS]


def __getattr__(name):  # type: ignore[no-untyped-def]
    if name in _PLACES:
        module, attribute = _PLACES[name]
        return getattr(importlib.import_module(module), attribute)
    if name in _ROOMS:
        return importlib.import_module("herdbook." + name)
    raise AttributeError(f"module 'herdbook' has no attribute {name!r}")


def __dir__():  # type: ignore[no-untyped-def]
    return sorted(__all__)
