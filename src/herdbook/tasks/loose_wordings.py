"""Wordings that no list of templates foresees: words lost, replaced and added at random, names without back-ticks.

A model tuned on a few dozen templates learns the templates: asked in words that it was not tuned on, it answers another
type of question, or that it does not know. Words drawn from real prose teach it which words of a question matter and
that the others do not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

_SLOT = re.compile(r"\{(name|short|summary|task)\}")
_PLAIN = re.compile(r"[A-Za-z']+[.,:;?!]?")
_KEYWORDS = frozenset("signature arguments argument parameters pass call called docstring module import".split())
"""Words that decide the type of a question: they stay."""

REPLACED_WHOLLY = 0.3
"""Share of loose wordings of which only the slots stay."""
TOUCHED = 0.35
"""Chance that a word of the others is lost, replaced or gets a neighbour."""
BARE_NAMES = 0.2
"""Share of loose wordings in which names lose their back-ticks, as people type them."""


def common_words(texts: Iterable[str], n: int = 4000) -> list[str]:
    """The n lower-case words of 2 to 10 letters that occur in most texts, most common first, ties by alphabet."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(re.findall(r"\b[a-z]{2,10}\b", text)))
    return sorted(counts, key=lambda word: (-counts[word], word))[:n]


def loosen(template: str, words: Sequence[str], rng: np.random.Generator) -> str:
    """A template with other words around the same slots; {noun} may go, the slots of the fact stay.

    words: where new words are drawn from, common ones more often than rare ones.
    """

    def draw() -> str:
        return words[int(len(words) * rng.random() ** 2)]

    if rng.random() < REPLACED_WHOLLY:
        slot = next(part for part in template.split() if _SLOT.search(part))
        slot = slot.strip(".,:;?!") if slot.startswith("`") else slot.strip(",:;")
        kept = [word.strip(".,:;?!") for word in template.split() if word.strip(".,:;?!") in _KEYWORDS]
        around = [*kept, *(draw() for _ in range(int(rng.integers(2, 9))))]
        around = [around[i] for i in rng.permutation(len(around))]
        where = int(rng.integers(len(around) + 1))
        text = " ".join([*around[:where], slot, *around[where:]])
        text += "?.!?"[int(rng.integers(4))]
    else:
        out: list[str] = []
        for part in template.split(" "):
            plain = _PLAIN.fullmatch(part) is not None and part.strip(".,:;?!") not in _KEYWORDS
            if plain and rng.random() < TOUCHED:
                ending = part[len(part.rstrip(".,:;?!")) :]
                choice = rng.random()
                if choice < 0.3:
                    continue
                part = draw() + ending if choice < 0.8 else f"{draw()} {part}"
            out.append(part)
        text = " ".join(out)
    if rng.random() < BARE_NAMES:
        text = text.replace("`", "")
    if rng.random() < 0.15:
        text = text.rstrip("?.!")
    return text if text.startswith(("`", "{")) or rng.random() < 0.15 else text[:1].upper() + text[1:]
