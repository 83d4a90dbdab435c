"""From the columns nsfw_* to reasons, and from a reason to the characters that gave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.nsfw.config import Config

Mask = npt.NDArray[np.bool_]


def _above(values: Any, limit: float) -> Mask:
    """Whether each value is above the limit; what was not measured (null, NaN) is not."""
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.asarray(np.nan_to_num(numbers, nan=-1.0) > limit, dtype=np.bool_)


def rules_of(signals: Mapping[str, Any], config: Config) -> list[tuple[str, Mask]]:
    """The four rules of the step, in the order of `REASONS`."""
    by_domain = np.asarray(signals["nsfw_adult_domain"], dtype=np.bool_)
    if config.host_rules:
        by_domain = by_domain | np.asarray(signals["nsfw_adult_host"], dtype=np.bool_)
    many_words = np.asarray(signals["nsfw_n_words"]) >= config.min_words
    return [
        ("nsfw_domain", by_domain),
        ("nsfw_words", many_words & _above(signals["nsfw_word_share"], config.max_word_share)),
        ("nsfw_text", _above(signals["nsfw_score"], config.max_score)),
        ("toxic_text", _above(signals["nsfw_toxic_score"], config.max_toxic_score)),
    ]


def span_of(text: str, reason: str, config: Config) -> tuple[int, int] | None:
    """First and last + 1 character of the worst passage, or of the first listed word; None where there is none."""
    from herdbook.curation.heuristics.words import texts_of

    texts = texts_of([text])
    if reason == "nsfw_words":
        return _first_listed(text, config)
    if reason not in ("nsfw_text", "toxic_text"):
        return None
    from herdbook.curation.nsfw import classifier

    found = classifier.score(texts, classifier.weights())
    if not len(found.start_P):
        return None
    worst = int(np.argmax(found.probability_P2[:, 0 if reason == "nsfw_text" else 1]))
    ends = np.append(found.start_P[1:], texts.offsets_N1[-1])
    data = texts.data.tobytes()

    def character(at: int) -> int:
        return len(data[:at].decode("utf-8", "ignore"))

    return character(int(found.start_P[worst])), character(int(ends[worst]))


def _first_listed(text: str, config: Config) -> tuple[int, int] | None:
    import re

    from herdbook.curation.nsfw import lists

    entries = {e.lower() for path in config.word_lists for e in lists.entries(path, "nsfw.word_lists")}
    if not entries:
        return None
    longest_first = "|".join(re.escape(entry) for entry in sorted(entries, key=lambda e: (-len(e), e)))
    found = re.search(rf"(?<!\w)(?:{longest_first})(?!\w)", text, re.IGNORECASE) or re.search(
        longest_first, text, re.IGNORECASE
    )
    return found.span() if found else None
