"""The repetition rules of Gopher (Rae et al. 2021, table A1) for prose: repeated lines, paragraphs and n-grams of
words.

Shares of characters are taken of the whole text. For 2- to 4-grams the most frequent one counts, for 5- to 10-grams
all characters within repeats of an n-gram (its first occurrence not counted), overlapping ones once.
`judge_text_slowly` is the same in plain loops, for the tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from herdbook.curation.documents import Document
from herdbook.curation.gopher_quality import WITHOUT_SPACES
from herdbook.curation.verdict import Drop, Verdicts, above

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Largest shares. The published ones were chosen for web pages; reference documentation describes like things in
    like words (they would drop what Python says of `int`, `logging` and `dataclasses`), so the defaults are wider.
    """

    max_duplicate_lines: float = 0.5
    """Lines that occurred before, as a share of lines (published: 0.3)."""
    max_duplicate_line_characters: float = 0.3
    """Characters in lines that occurred before (published: 0.2)."""
    max_duplicate_paragraphs: float = 0.5
    """Paragraphs that occurred before, as a share of paragraphs (published: 0.3)."""
    max_duplicate_paragraph_characters: float = 0.3
    """Characters in paragraphs that occurred before (published: 0.2)."""
    max_top_ngram: tuple[float, ...] = (0.20, 0.18, 0.16)
    """Characters in the most frequent 2-, 3- and 4-gram of words (as published)."""
    max_duplicate_ngrams: tuple[float, ...] = (0.30, 0.28, 0.26, 0.24, 0.22, 0.20)
    """Characters in repeated 5- to 10-grams of words (published: 0.15, 0.14, 0.13, 0.12, 0.11, 0.10)."""
    min_words: int = 50
    """Shorter documents are not asked for n-grams (published: such documents are dropped by another rule)."""


def gopher() -> Config:
    """The thresholds as published."""
    return Config(
        max_duplicate_lines=0.3, max_duplicate_line_characters=0.2, max_duplicate_paragraphs=0.3,
        max_duplicate_paragraph_characters=0.2, max_duplicate_ngrams=(0.15, 0.14, 0.13, 0.12, 0.11, 0.10), min_words=0,
    )  # fmt: skip


def _duplicates(parts: Sequence[str]) -> tuple[int, int, str]:
    """How many parts occurred before, their characters, and the most frequent one."""
    counts = Counter(parts)
    repeated = [(part, n - 1) for part, n in counts.items() if n > 1]
    worst = max(repeated, key=lambda item: item[1] * len(item[0]), default=("", 0))[0]
    return sum(n for _, n in repeated), sum(len(part) * n for part, n in repeated), worst


def _span(text: str, part: str) -> tuple[int, int] | None:
    at = text.find(part) if part else -1
    return (at, at + len(part)) if at >= 0 else None


def judge_text(text: str, config: Config, language: str | None = "en") -> Drop | None:
    """The first rule that the text breaks, or None."""
    size = max(1, len(text))
    lines = [stripped for line in text.split("\n") if (stripped := line.strip())]
    n, characters, worst = _duplicates(lines)
    drop = above(n / max(1, len(lines)), config.max_duplicate_lines, "duplicate_lines", _span(text, worst)) or above(
        characters / size, config.max_duplicate_line_characters, "duplicate_line_characters", _span(text, worst)
    )
    if drop:
        return drop
    paragraphs = [stripped for part in text.split("\n\n") if (stripped := part.strip())]
    n, characters, worst = _duplicates(paragraphs)
    drop = above(
        n / max(1, len(paragraphs)), config.max_duplicate_paragraphs, "duplicate_paragraphs", _span(text, worst)
    ) or above(
        characters / size,
        config.max_duplicate_paragraph_characters,
        "duplicate_paragraph_characters",
        _span(text, worst),
    )
    if drop or language in WITHOUT_SPACES:
        return drop
    return _judge_ngrams(text.split(), size, config)


def _judge_ngrams(words: list[str], size: int, config: Config) -> Drop | None:
    if len(words) < max(2, config.min_words):
        return None
    numbers: dict[str, int] = {}
    ids = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), dtype=np.uint64, count=len(words))
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    if len(numbers) == len(words):
        return None
    ends = np.concatenate([[0], np.cumsum(lengths)])
    hashes = ids
    last = 1 + len(config.max_top_ngram) + len(config.max_duplicate_ngrams)
    for n in range(2, last + 1):
        if len(words) < n:
            return None
        hashes = (hashes[:-1] ^ (hashes[:-1] >> np.uint64(29))) * _MULTIPLIER + ids[n - 1 :]
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        new = np.empty(len(ordered), dtype=bool)
        new[0] = True
        np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
        if new.all():
            return None  # no n-gram occurs twice, hence no longer one either
        if n <= 1 + len(config.max_top_ngram):
            starts = np.flatnonzero(new)
            counts = np.diff(starts, append=len(ordered))
            first = order[starts]
            covered = counts * (ends[first + n] - ends[first] + n - 1)
            covered[counts < 2] = 0
            top = int(np.argmax(covered))
            share = covered[top] / size
            limit = config.max_top_ngram[n - 2]
            if share > limit:
                gram = " ".join(words[first[top] : first[top] + n])
                return Drop(f"top_{n}_gram", f"{share:.3f} > {limit:g}: {gram[:80]!r}")
        else:
            repeats = order[~new]
            marks = np.zeros(len(words) + 1, dtype=np.int64)
            np.add.at(marks, repeats, 1)
            np.add.at(marks, repeats + n, -1)
            inside = np.cumsum(marks[:-1]) > 0
            share = lengths[inside].sum() / size
            limit = config.max_duplicate_ngrams[n - 2 - len(config.max_top_ngram)]
            if share > limit:
                at = int(repeats.min())
                gram = " ".join(words[at : at + n])
                return Drop(f"duplicate_{n}_grams", f"{share:.3f} > {limit:g}: {gram[:80]!r}")
    return None


def judge_text_slowly(text: str, config: Config) -> str | None:
    """The reason alone, by plain loops over words: the twin that the tests compare `judge_text` with."""
    size = max(1, len(text))
    for separator, share_limit, character_limit, name in (
        ("\n", config.max_duplicate_lines, config.max_duplicate_line_characters, "line"),
        ("\n\n", config.max_duplicate_paragraphs, config.max_duplicate_paragraph_characters, "paragraph"),
    ):
        seen: set[str] = set()
        parts = [part.strip() for part in text.split(separator) if part.strip()]
        repeats = []
        for part in parts:
            if part in seen:
                repeats.append(part)
            seen.add(part)
        if len(repeats) / max(1, len(parts)) > share_limit:
            return f"duplicate_{name}s"
        if sum(map(len, repeats)) / size > character_limit:
            return f"duplicate_{name}_characters"
    words = text.split()
    if len(words) < config.min_words:
        return None
    for n, limit in enumerate(config.max_top_ngram, 2):
        grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        most = max((count * len(" ".join(gram)) for gram, count in grams.items() if count > 1), default=0)
        if most / size > limit:
            return f"top_{n}_gram"
    for n, limit in enumerate(config.max_duplicate_ngrams, 2 + len(config.max_top_ngram)):
        before: set[tuple[str, ...]] = set()
        inside = [False] * len(words)
        for i in range(len(words) - n + 1):
            gram = tuple(words[i : i + n])
            if gram in before:
                inside[i : i + n] = [True] * n
            before.add(gram)
        if sum(len(word) for word, hit in zip(words, inside) if hit) / size > limit:
            return f"duplicate_{n}_grams"
    return None


def judge(documents: Sequence[Document], config: Config) -> Verdicts:
    """Verdicts on prose; code and statements are not judged."""
    return [judge_text(d.text, config, d.language) if d.kind == "prose" else None for d in documents]
