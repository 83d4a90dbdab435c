"""All sets together: which documents stay, and the first rule that each other one breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics import c4, fineweb, gopher_quality, gopher_repetition, llama3
from herdbook.curation.heuristics.distribution import WordDistribution
from herdbook.curation.heuristics.judgement import Rule, first_reason
from herdbook.curation.heuristics.signal_table import Config as SignalsConfig
from herdbook.curation.heuristics.signal_table import as_arrays, signals
from herdbook.curation.heuristics.word_list import word_list
from herdbook.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

SETS = ("gopher_repetition", "gopher_quality", "c4", "fineweb", "llama3")
"""In the order in which they are judged (that of the FineWeb pipeline)."""
PUBLISHED = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
"""Those whose thresholds are published."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which sets judge, and their thresholds."""

    sets: tuple[str, ...] = PUBLISHED
    """Sets of rules that judge: gopher_repetition, gopher_quality, c4, fineweb, llama3."""
    signals: SignalsConfig = field(default_factory=SignalsConfig)
    """What has to be known before the reading."""
    gopher_repetition: gopher_repetition.Config = field(default_factory=gopher_repetition.Config)
    """Gopher's repetition rules."""
    gopher_quality: gopher_quality.Config = field(default_factory=gopher_quality.Config)
    """Gopher's quality rules."""
    c4: c4.Config = field(default_factory=c4.Config)
    """C4's rules for documents."""
    fineweb: fineweb.Config = field(default_factory=fineweb.Config)
    """FineWeb's own rules."""
    llama3: llama3.Config = field(default_factory=llama3.Config)
    """The further heuristics of the Llama 3 paper."""
    dirty_words: tuple[str, ...] = ()
    """Words and phrases of a list that is counted (no list comes with the package)."""

    def __post_init__(self) -> None:
        for name in self.sets:
            if name not in SETS:
                raise ConfigError(f"there is no set of rules {name!r}.", key="sets", remedy=f"Sets: {', '.join(SETS)}.")


def rules_of(table: pa.Table, config: Config) -> list[Rule]:
    """All rules on a table of signals, in order. Needs no text."""
    arrays = as_arrays(table)
    if "llama3" in config.sets:
        arrays["n_covered_lines"] = llama3.count_covered_lines(table, config.llama3)
    return rules_of_arrays(arrays, config)


def rules_of_arrays(arrays: Mapping[str, Any], config: Config) -> list[Rule]:
    """All rules on plain signals by name, in order."""
    found: list[Rule] = [("too_large", arrays["too_large"])]
    modules: dict[str, Any] = {
        "gopher_repetition": (gopher_repetition, config.gopher_repetition),
        "gopher_quality": (gopher_quality, config.gopher_quality),
        "c4": (c4, config.c4),
        "fineweb": (fineweb, config.fineweb),
        "llama3": (llama3, config.llama3),
    }
    for name in SETS:
        if name in config.sets:
            module, settings = modules[name]
            found += module.rules(arrays, settings)
    return found


def verdicts(table: pa.Table, config: Config | None = None) -> npt.NDArray[np.object_]:
    """For each row of signals the reason why the document goes, or None, object [N]."""
    return first_reason(rules_of(table, config or Config()), table.num_rows)


def judge(
    texts: Any,
    languages: Sequence[str | None] | str | None = "en",
    config: Config | None = None,
    *,
    corpus: WordDistribution | None = None,
) -> pa.Table:
    """Signals of `texts` (an Arrow array of strings or a sequence) and, in the column `reason`, why each goes (null: it
    stays).

    Example: `judge(["some text"], "en")["reason"].to_pylist()`.
    """
    import pyarrow as pa

    config = config or Config()
    dirty = word_list(config.dirty_words) if config.dirty_words else None
    table = signals(texts, languages, config.signals, corpus=corpus, dirty=dirty)
    return table.append_column("reason", pa.array(verdicts(table, config), type=pa.string()))
