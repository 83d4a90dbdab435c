"""The settings of the NSFW step."""

from __future__ import annotations

from dataclasses import dataclass

from herdbook.errors import ConfigError

LABELLED = ("en", "ko")
"""Languages whose labelled sets the toxicity classifier has learnt from."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Thresholds and the user's own lists. Scores are probabilities; a document goes when it is above a maximum."""

    max_score: float = 0.85
    """Largest NSFW (adult text) score of a document that stays."""
    max_toxic_score: float = 0.65
    """Largest toxicity score of a document that stays."""
    languages: tuple[str, ...] = LABELLED
    """Languages whose toxicity is judged; the classifier has learnt from labelled text in English and Korean only. A
    document without a language is judged too."""
    word_lists: tuple[str, ...] = ()
    """Files of words and phrases, one a line; the package ships none."""
    min_words: int = 3
    """Listed words that a document must have before their share counts."""
    max_word_share: float = 0.02
    """Largest share of listed words among the words of a document that stays."""
    domains: tuple[str, ...] = ()
    """Files of adult domains, one a line, or hosts files; the package ships none."""
    host_rules: bool = True
    """Judge a host by its own name too: adult top-level domains, and words that hardly ever stand in other names."""

    def __post_init__(self) -> None:
        for key in ("max_score", "max_toxic_score", "max_word_share"):
            value = getattr(self, key)
            if not 0 <= value <= 1:
                raise ConfigError(
                    f"nsfw.{key}={value} is no share", key=f"nsfw.{key}", value=value, remedy="Give 0 to 1."
                )
        if self.min_words < 1:
            raise ConfigError(
                f"nsfw.min_words={self.min_words} is less than 1",
                key="nsfw.min_words", value=self.min_words, remedy="Give 1 or more.",
            )  # fmt: skip
