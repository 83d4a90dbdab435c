"""Thresholds of the heuristic rules for reference documentation, which is shorter than web pages, full of names and
describes like things in like words: the published values drop what Python says of `int`, `logging` and `dataclasses`.
"""

from __future__ import annotations

from herdbook.curation.heuristics import c4, gopher_quality, gopher_repetition
from herdbook.curation.steps.heuristics import Config


def reference_documentation() -> Config:
    """Gopher's and C4's rules with the widened thresholds; FineWeb's rules, made for web pages, are left out.

    Published values: 50 words, mean length 10, alphabetic words 0.8, 2 stop words; repetition 0.3, 0.2, 0.3, 0.2,
    0.20 to 0.16 and 0.15 to 0.10; 5 sentences and no curly bracket. Words are cut from their punctuation here and
    marks are words, so there are more of them than between white space, fewer have a letter, and lines of signs are
    n-grams; C4 counts sentences only in lines that end like one, which headings and signatures do not.
    """
    return Config(
        sets=("gopher_repetition", "gopher_quality", "c4"),
        gopher_quality=gopher_quality.Config(
            min_words=12, max_mean_word_length=12.0, min_alphabetic_words=0.38, min_stop_words=1
        ),
        gopher_repetition=gopher_repetition.Config(
            max_duplicate_paragraphs=0.5,
            max_duplicate_paragraph_characters=0.3,
            max_duplicate_lines=0.5,
            max_duplicate_line_characters=0.3,
            max_top_ngrams=(0.24, 0.26, 0.30),
            min_words_for_ngrams=80,
            max_duplicate_ngrams=(0.31, 0.29, 0.27, 0.25, 0.24, 0.23),
        ),
        c4=c4.Config(min_sentences=0, curly_brackets=False),
    )
