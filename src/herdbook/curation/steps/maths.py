"""Mathematics in LaTeX, MathML and signs: how much of a text it is, and which rules for prose do not judge such text.

Formulas have short words, words without letters, curly brackets and much repetition, and are no worse for it: where
they make up `min_share` of a text or more, the rules of `EXEMPT` are not asked. In their place such texts have a rule
of their own, for formulas that were cut to pieces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.curation.heuristics.judgement import Rule
from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.steps.maths_marks import marks
from herdbook.curation.steps.rows import texts_at

if TYPE_CHECKING:
    import pyarrow as pa

EXEMPT = (
    "gopher_short_words", "gopher_few_alphabetic_words", "gopher_few_stop_words", "gopher_ellipses", "c4_curly_bracket",
    "c4_few_sentences", "fineweb_few_terminal_lines", "fineweb_short_lines", "fineweb_lists",
    "repetition_top_2_gram", "repetition_top_3_gram", "repetition_top_4_gram", "llama3_repeated_lines",
    "llama3_kl_divergence",
)  # fmt: skip
"""Reasons that do not hold against texts with much mathematics."""
_FORMULA = re.compile(
    r"""\$\$[^$]{1,4000}\$\$
      | \\\( .{1,2000}? \\\)  |  \\\[ .{1,4000}? \\\]
      | \\begin\{(?P<name>equation|align|alignat|gather|multline|eqnarray|displaymath|math|split|cases
        |[bpv]?matrix)\*?\}
        .{1,8000}? \\end\{(?P=name)\*?\}
      | (?<![\\$\w]) \$ (?=[^\s$]) (?=[^$\n]{0,300}[\\^_={}<>+*/]|[A-Za-z]\$) [^$\n]{1,300} (?<=\S) \$ (?!\w)
      | <math\b .{1,8000}? </math>""",
    re.VERBOSE | re.DOTALL,
)
_BEGINNING = re.compile(r"\$|\\[(\[b]|<math")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_SIGN = re.compile("[\u2200-\u22ff\U0001d400-\U0001d7ff]")

MEASURED_BY = ()
"""Settings that `mend` and `measure` read; the others are thresholds."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """When a text counts as mathematical, and when its formulas are broken (this project's values)."""

    min_share: float = 0.05
    """Share of characters in formulas from which rules of prose are not asked."""
    max_unbalanced: float = 0.2
    """Largest share of environments and groups that are opened and not closed, or the other way round."""


def measure(table: pa.Table, config: Config | None = None) -> pa.Table:
    """Columns `maths_share` (characters in formulas, commands and signs by all, float64), `maths_formulas` and
    `maths_unbalanced` (marks without their partner by all, float64). Code has none.
    """
    import pyarrow as pa

    found = marks(texts_of(table["text"]))
    prose = np.asarray(table["kind"].to_numpy(), dtype=object) != "code"
    size, formulas = found.command_N + found.signs_N, np.zeros(table.num_rows, dtype=np.int64)
    rows = found.formula_N & prose
    for row, text in zip(np.flatnonzero(rows).tolist(), texts_at(table, rows)):
        outside, formulas[row] = without_formulas(text)
        inside = len(text) - len(outside)
        size[row] = inside + sum(map(len, _COMMAND.findall(outside))) + len(_SIGN.findall(outside))
    unbalanced = np.abs(found.opened_N - found.closed_N) / np.maximum(1, found.opened_N + found.closed_N)
    return pa.table(
        {
            "maths_share": np.where(prose, size / np.maximum(1, found.characters_N), 0.0),
            "maths_formulas": formulas,
            "maths_unbalanced": np.where(prose, unbalanced, 0.0),
        }
    )


def without_formulas(text: str) -> tuple[str, int]:
    """(the text without its formulas, how many there were). The expression is asked only where a formula can begin."""
    parts, last = list[str](), 0
    for begin in _BEGINNING.finditer(text):
        if begin.start() >= last and (found := _FORMULA.match(text, begin.start())):
            parts.append(text[last : found.start()])
            last = found.end()
    return "".join([*parts, text[last:]]), len(parts)


def exempt(signals: Mapping[str, Any], config: Config) -> Any:
    """The documents with much mathematics, bool [N]."""
    return np.asarray(signals["maths_share"]) >= config.min_share


def without_exempt(rules: Sequence[Rule], signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """The rules of prose, with those of `EXEMPT` not held against documents with much mathematics."""
    free = exempt(signals, config)
    return [(reason, mask & ~free if reason in EXEMPT else mask) for reason, mask in rules]


def rules(signals: Mapping[str, Any], config: Config) -> list[Rule]:
    """Mathematics that was cut to pieces ("broken_formulas")."""
    broken = np.asarray(signals["maths_unbalanced"]) > config.max_unbalanced
    return [("broken_formulas", exempt(signals, config) & broken)]


def span(text: str, reason: str, config: Config) -> tuple[int, int] | None:
    """The first formula or command."""
    found = _FORMULA.search(text) or _COMMAND.search(text)
    return found.span() if found else None
