"""Which stages there are: kind -> module. A new algorithm is one new file and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from herdbook.config import nearest
from herdbook.errors import HerdbookError, RecipeError
from herdbook.workspace import Stage

STAGES: dict[str, str] = {
    "collect": "herdbook.curation.collect",
    "questions": "herdbook.tasks.questions",
    "label": "herdbook.curation.quality.label_stage",
    "quality": "herdbook.curation.quality.train_stage",
    "curate": "herdbook.curation.curate_stage",
    "curation_report": "herdbook.curation.report.stage",
    "tokenizer": "herdbook.tokenizer.train_stage",
    "tokenize": "herdbook.data.tokenize_stage",
    "pretrain": "herdbook.train.pretrain",
    "sft": "herdbook.posttrain.sft",
    "reward": "herdbook.posttrain.reward",
    "reject": "herdbook.posttrain.rejection",
    "ppo": "herdbook.posttrain.ppo",
    "dpo": "herdbook.posttrain.dpo",
    "control": "herdbook.posttrain.control",
    "evaluate": "herdbook.evaluate.stage",
    "report": "herdbook.evaluate.report",
}


def load_stage(kind: str, stages: Mapping[str, str] = STAGES, where: str = "") -> Stage:
    """Imports the module of a kind of stage. `where` names the table of the recipe in messages."""
    if kind not in stages:
        hint = nearest(kind, stages)
        remedy = f"Did you mean `{hint}`?" if hint else f"Kinds: {', '.join(sorted(stages))}."
        raise RecipeError(
            f"{where + ': t' if where else 'T'}here is no kind of stage `{kind}`.", remedy=remedy, key=where, value=kind
        )
    try:
        module = importlib.import_module(stages[kind])
    except ModuleNotFoundError as error:
        raise HerdbookError(
            f"Stage `{kind}` cannot be loaded: there is no module {error.name}.",
            remedy="Install what is missing: pip install herdbook.",
        ) from error
    if not isinstance(module, Stage):
        lacking = [n for n in ("KIND_OUT", "VERSION", "INPUTS", "Config", "run") if not hasattr(module, n)]
        raise HerdbookError(f"Module {stages[kind]} is no stage: it lacks {', '.join(lacking)}.")
    return module
