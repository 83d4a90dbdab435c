"""Thresholds by language: good text stays, the same letters shuffled go, neighbours in other languages matter not."""

import gzip
import json
import random
import tomllib
from pathlib import Path

import pytest

from herdbook.config import from_mapping, to_mapping
from herdbook.curation.documents import Document, to_table
from herdbook.curation.engine.judge import arrays_of
from herdbook.curation.heuristics.fit_language import as_toml, fit_language, rounded
from herdbook.curation.heuristics.judgement import first_reason
from herdbook.curation.heuristics.languages import Thresholds, members, shipped
from herdbook.curation.steps import heuristics
from herdbook.errors import InputError


def reasons(rows: list[tuple[str, str]], config: heuristics.Config | None = None) -> list[str | None]:
    """Reason of each (language, text)."""
    config = config or heuristics.Config()
    docs = [Document(f"{i}", text, "s", "", "unknown", "prose", language=code) for i, (code, text) in enumerate(rows)]
    table = to_table(docs)
    measured = heuristics.measure(table, config)
    for name in measured.column_names:
        table = table.append_column(name, measured[name])
    return first_reason(heuristics.rules(arrays_of(table), config), table.num_rows).tolist()


def wiki(test_data: Path, name: str, n: int) -> list[str]:
    with gzip.open(test_data / "text" / name, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for _, line in zip(range(4 * n), lines)]
    return [text for text in texts[1::2] if len(text) > 500][:n]  # the thresholds were fitted on the even ones


@pytest.mark.parametrize(
    "code, name",
    [
        ("ko", "kowiki/kowiki-2023.jsonl.gz"),
        ("zh", "zhwiki-2024/zhwiki.jsonl.gz"),
        ("vi", "viwiki-2022/viwiki.jsonl.gz"),
    ],
)
def test_good_text_stays_and_shuffled_letters_go(code: str, name: str, test_data: Path) -> None:
    texts = wiki(test_data, name, 100)
    rng = random.Random(0)
    # where every letter is a word, shuffled letters are words in another order: no rule of this kind sees that
    shuffled = [] if code == "zh" else ["".join(rng.sample(text, len(text))) for text in texts]
    kept = [reason is None for reason in reasons([(code, text) for text in texts])]
    assert sum(kept) > 0.9 * len(texts)
    assert sum(reason is None for reason in reasons([(code, text) for text in shuffled])) <= 0.05 * len(shuffled)
    english = reasons([(code, text) for text in texts], heuristics.Config(shipped_languages=False))
    assert sum(reason is None for reason in english) < 0.2 * len(texts)


def test_neighbours_in_other_languages_change_nothing(test_data: Path) -> None:
    korean = [("ko", text) for text in wiki(test_data, "kowiki/kowiki-2023.jsonl.gz", 20)]
    english = [
        ("en", f"The shepherd and the {word} of the village walk to the river with a dog. " * 20) for word in "abcdef"
    ]
    unknown = [("xx", text) for _, text in korean[:5]]
    rows = [*korean, *english, *unknown]
    order = list(range(len(rows)))
    random.Random(1).shuffle(order)
    mixed = reasons([rows[i] for i in order])
    assert [mixed[order.index(i)] for i in range(len(rows))] == reasons(korean) + reasons(english) + reasons(unknown)


def test_what_comes_with_the_package() -> None:
    known = shipped()
    assert len(known) >= 55
    assert "en" not in known  # English keeps the published values
    assert known["de"].stop_words[:3] == ("der", "die", "und")
    assert known["ko"].gopher_quality.min_words == 50
    assert {code: mine.tolist() for code, mine in members(["de", None, "en", "de"], known).items()} == {
        "": [False, True, True, False], "de": [True, False, False, True],
    }  # fmt: skip


def test_thresholds_of_ones_own() -> None:
    texts = [f"ma ta {'ka ' * (i % 7)} sa la na ra da {i} ga pa.\n" * 12 for i in range(120)]
    fitted = fit_language(texts, "xx")
    table = rounded(to_mapping(fitted))
    read = tomllib.loads(as_toml("xx", table))["stages"]["curate"]["heuristics"]["languages"]["xx"]
    assert from_mapping(Thresholds, read) == from_mapping(Thresholds, table)
    assert set(fitted.stop_words) <= set("ma ta ka sa la na ra da ga pa".split())
    assert fitted.gopher_quality.min_mean_word_length < 2
    with pytest.raises(InputError, match="10 documents"):
        fit_language(texts[:10], "xx")
    own = heuristics.Config(languages={"xx": from_mapping(Thresholds, table)}, sets=("gopher_quality",))
    assert reasons([("xx", texts[0])], own) == [None]
    assert reasons([("yy", texts[0])], own) == ["gopher_short_words"]
