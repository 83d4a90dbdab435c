"""Facts as sentences, several wordings each: the part of the pretraining text that the questions are about."""

from __future__ import annotations

import numpy as np

from herdbook.tasks.phrasings import as_task

DESCRIPTION_WORDINGS = (
    "`{name}`: {summary}",
    "The {noun} `{name}` is documented as follows. {summary}",
    "`{name}` is there to {task}.",
    "{summary} That is `{name}`.",
    "What `{name}` does: {summary}",
    "About `{name}`. {summary}",
)
NAME_WORDINGS = (
    "To {task}, use `{name}`.",
    "If you want to {task}, the {noun} is `{name}`.",
    "{summary} The {noun} for this is `{name}`.",
    'The description "{summary}" belongs to `{name}`.',
    "The {noun} that can {task} is called `{name}`.",
)
MODULE_WORDINGS = (
    "`{short}` is in the module `{module}`.",
    "The module `{module}` has the {noun} `{short}`.",
    "from {module} import {short}",
    "Import `{short}` from `{module}`.",
    "The {noun} `{short}` belongs to `{module}`.",
)
SIGNATURE_WORDINGS = (
    "The call is `{name}{signature}`.",
    "Its signature: `{name}{signature}`.",
    "def {short}{signature}",
)


def slots(fact: dict) -> dict[str, str]:
    """What the wordings and the question templates may name."""
    return {
        "name": fact["name"],
        "short": fact["short"],
        "module": fact["module"],
        "noun": fact["object"],
        "summary": fact["summary"],
        "task": as_task(fact["summary"]),
        "signature": fact["signature"] or "",
    }


def statement(fact: dict, types: list[str], rng: np.random.Generator) -> str:
    """One short document on one fact: a sentence for each type of question that it can answer, in random order."""
    wordings = {
        "describe": DESCRIPTION_WORDINGS,
        "name": NAME_WORDINGS,
        "module": MODULE_WORDINGS,
        "signature": SIGNATURE_WORDINGS,
    }
    chosen = [wordings[kind][rng.integers(len(wordings[kind]))] for kind in types]
    order = rng.permutation(len(chosen))
    return "\n".join(chosen[i].format(**slots(fact)) for i in order)
