"""Prose and programs made up by lot: well formed, all different, known in advance."""

import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:  # for slow_shingles.py, the slow twin of several tests
    sys.path.insert(0, HERE)

NOUNS = (
    "shepherd farmer guide traveller keeper brother village child gate letter bridge map song valley river mountain "
    "horse garden window table lamp market harbour forest winter summer evening morning teacher doctor sailor captain "
    "basket ladder wagon kitchen orchard meadow castle tower church mill baker potter weaver dog lamb goat eagle raven"
).split()
VERBS = (
    "opens counts remembers carries describes follows repairs paints visits leaves builds breaks finds loses watches "
    "teaches praises measures gathers hides lifts cleans sells buys mends burns draws reads writes hears sees moves"
).split()
ADJECTIVES = (
    "old quiet green small heavy bright narrow wooden golden distant friendly careful empty broken early late warm "
    "cold simple famous hidden open steep gentle proud silent dusty round"
).split()


def prose(rng: random.Random, n: int = 14) -> str:
    def some() -> str:
        return f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}"

    return "".join(
        f"The {some()} {rng.choice(VERBS)} a {some()} of {rng.choice(NOUNS)} and {rng.choice(VERBS)} {some()} "
        f"near {some()} to {rng.choice(VERBS)} {some()}.\n"
        for _ in range(n)
    )


def program(rng: random.Random) -> str:
    names = [f"{rng.choice(VERBS)}_{rng.randrange(999)}" for _ in range(8)]
    return "".join(
        f"def {name}(a, b={i}):\n    return a + b * {rng.randrange(99)}\n\n\n" for i, name in enumerate(names)
    )


@pytest.fixture(scope="session")
def made_up() -> SimpleNamespace:
    """`prose(rng, n)` and `program(rng)`."""
    return SimpleNamespace(prose=prose, program=program)
