"""Heuristic filters: texts are cut into words and hashed once, raw signals come out, thresholds are applied afterwards.

`judge(texts)` does both; `signals` and `verdicts` are its halves.
"""

from herdbook.curation.heuristics.distribution import WordDistribution, word_distribution
from herdbook.curation.heuristics.rules import Config, judge, verdicts
from herdbook.curation.heuristics.signal_table import signals

__all__ = ["judge", "signals", "verdicts", "Config", "WordDistribution", "word_distribution"]
