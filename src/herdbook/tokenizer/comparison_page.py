"""A comparison of tokenizers as one HTML page: charts and the tables behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from herdbook import figures

Row = Mapping[str, Any]

_COLUMNS = {
    "tokens": "tokens",
    "characters_per_token": "characters / token",
    "bytes_per_token": "bytes / token",
    "tokens_per_word": "tokens / word",
    "relative": "tokens, first = 1",
    "premium": "tokens, English = 1",
}
_CSS = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem;color:var(--fig-ink);"
    "background:var(--fig-paper)}table{border-collapse:collapse;font-size:14px;margin:1rem 0}"
    "th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid var(--fig-line)}"
    "th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}.wide{overflow-x:auto}"
)


def comparison_page(rows: Sequence[Row], parallel: Sequence[Row] = ()) -> str:
    """HTML. rows: of `comparison.compare`, by kind of text; parallel: of `parallel_text.premiums`, by language."""
    names = list(dict.fromkeys(str(row["tokenizer"]) for row in [*rows, *parallel]))
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        f"<title>Tokenizers compared</title><style>{figures.STYLE}{_CSS}</style>",
        f"<h1>Tokenizers compared</h1><p>{escape(', '.join(_described([*rows, *parallel], names)))}.</p>",
        "<p>A vocabulary four times as large does not make text four times shorter: each doubling only adds rarer "
        "words. What it saves stands in the column <em>tokens, first = 1</em>.</p>",
    ]
    if rows:
        chart = _chart(rows, names, "characters_per_token", "kinds", "Characters per token, by kind of text", None)
        parts += ["<h2>By kind of text</h2>", chart, _table(rows)]
    if parallel:
        chart = _chart(parallel, names, "premium", "premium", "Tokens for the same text, English = 1", 1.0)
        parts += [
            "<h2>The same text in many languages</h2><p>What a language costs beside English: tokens for translations "
            "of the same sentences.</p>",
            chart,
            _table(parallel),
        ]
    return "\n".join(parts) + "\n"


def _described(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    sizes = {str(row["tokenizer"]): row["vocab_size"] for row in rows}
    return [f"{name}: {sizes[name]:,} rows" for name in names]


def _chart(
    rows: Sequence[Row], names: Sequence[str], figure: str, name: str, description: str, reference: float | None
) -> str:
    texts = list(dict.fromkeys(str(row["text"]) for row in rows))
    value = {(row["text"], row["tokenizer"]): row[figure] for row in rows}

    def whisker(text: str, tokenizer: str) -> figures.Whisker | None:
        number = value.get((text, tokenizer))
        return None if number is None else figures.Whisker(number, number, number)

    panels = [
        figures.IntervalPanel(tokenizer, [whisker(text, tokenizer) for text in texts], False, reference)
        for tokenizer in names
    ]
    return figures.interval_chart(texts, panels, name=name, description=f"{description}. Table below.")


def _table(rows: Sequence[Row]) -> str:
    shown = [column for column in _COLUMNS if column in rows[0]]
    head = "".join(f"<th>{escape(text)}</th>" for text in ("text", "tokenizer", *(_COLUMNS[c] for c in shown)))
    lines = []
    for row in rows:
        cells = [escape(str(row["text"])), escape(str(row["tokenizer"])), *(_figure(row[column]) for column in shown)]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<div class='wide'><table><tr>{head}</tr>{''.join(lines)}</table></div>"


def _figure(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
