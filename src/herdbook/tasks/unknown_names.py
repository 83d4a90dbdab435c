"""Names that do not exist, by three recipes: real parts recombined, one word edited, made up.

A model that knows what it does not know must answer "I don't know" to all of them. Training and test names come from
disjoint parts of the space (by hash of the name), so none that judges a model was trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

_TRIES = 2000
"""Candidates of a kind in a row that may be unfit before the next kind has its turn."""

KINDS = ("recombined", "edited", "made_up")
HARD_KINDS = ("recombined", "edited", "recombined", "edited", "recombined", "edited", "made_up")
"""For training: names that look real are the hard ones; made-up words give themselves away."""
_ONSETS = "b br c cl d dr f fl g gr h j k l m n p pl qu r s sc sh st t tr v w z".split()
_VOWELS = "a e i o u ai ea oo".split()
_CODAS = "b ck d ft g l lt m n nd p r rn s sk st t x".split()
_WORDS = (
    "get set open close read write parse load dump copy move merge split join find check make build run start stop "
    "wait send fetch encode decode format sort filter map count sum path file dir tree line text node item key value "
    "list table pool queue lock time date zone user group host port name type code frame stack cache index token"
).split()


def part(name: str) -> str:
    """Which part of the space a name belongs to: 'train', 'validation' or 'test'; stable everywhere."""
    byte = hashlib.sha256(name.encode()).digest()[0]
    return "test" if byte < 48 else "validation" if byte < 80 else "train"


def _made_up_word(rng: np.random.Generator) -> str:
    def pick(options: Sequence[str]) -> str:
        return options[int(rng.integers(len(options)))]

    return "".join(pick(_ONSETS) + pick(_VOWELS) + (pick(_CODAS) if rng.random() < 0.7 else "") for _ in range(2))


def _edit_word(short: str, rng: np.random.Generator) -> str:
    """One word of a name changed: added, dropped, replaced, or a letter turned."""
    parts = short.split("_")
    where = int(rng.integers(len(parts)))
    word = _WORDS[int(rng.integers(len(_WORDS)))]
    choice = rng.integers(5)
    if choice == 0:
        parts.insert(where, word)
    elif choice == 1 and len(parts) > 1:
        parts.pop(where)
    elif choice == 2 and len(parts) > 1:
        parts[where] = word
    elif choice == 3:
        parts[where] = parts[where] + ("s", "ed", "er", "ing", "2", "all")[int(rng.integers(6))]
    else:
        return short + "_" + word if rng.random() < 0.5 else word + "_" + short
    return "_".join(parts)


def generate(
    names: Sequence[str],
    real: frozenset[str],
    modules: Sequence[str],
    which_part: str,
    rng: np.random.Generator,
    kinds: Sequence[str] = KINDS,
) -> Iterator[tuple[str, str]]:
    """Endless (kind, dotted name) pairs that are not in `real` and lie in the asked part; the kinds take turns.

    names: dotted names whose parts are recombined and edited. real: every name that exists, dotted; the last parts too
    are looked up for the made-up ones.
    """
    shorts = {name.rsplit(".", 1)[-1] for name in real}
    turn = failures = 0
    while True:
        if failures == _TRIES:  # few names leave few recombinations, perhaps none in this part: on to the next kind
            turn, failures = turn + 1, 0
        kind = kinds[turn % len(kinds)]
        first, second = (names[int(rng.integers(len(names)))] for _ in range(2))
        if kind == "recombined":
            owner = first.rsplit(".", 1)[0] if "." in first else modules[int(rng.integers(len(modules)))]
            name = f"{owner}.{second.rsplit('.', 1)[-1]}"
        elif kind == "edited":
            owner, _, short = first.rpartition(".")
            name = f"{owner}.{_edit_word(short, rng)}" if owner else _edit_word(short, rng)
        else:
            short = _made_up_word(rng) if rng.random() < 0.6 else f"{_made_up_word(rng)}_{_made_up_word(rng)}"
            owner = modules[int(rng.integers(len(modules)))] if rng.random() < 0.7 else _made_up_word(rng)
            name = f"{owner}.{short}"
        last = name.rsplit(".", 1)[-1]
        if name in real or part(name) != which_part or not last or (kind != "recombined" and last in shorts):
            failures += 1
            continue
        turn, failures = turn + 1, 0
        yield kind, name
