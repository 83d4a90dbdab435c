"""Shares, repetition and order of the corpus; what is held out."""

from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest

from herdbook.curation import heldout, mixture
from herdbook.curation.documents import Document, to_table
from herdbook.curation.engine.ledger import Ledger
from herdbook.curation.mixture import Group
from herdbook.errors import ConfigError


def documents(source: str, n: int, size: int = 1000, kind: str = "prose", language: str = "en") -> list[Document]:
    return [
        Document(f"{source}/{i}", f"{source}{i} ".ljust(size, "x"), source, f"{i}", "unknown", kind, language=language)
        for i in range(n)
    ]


def ledger_of(docs: list[Document]) -> Ledger:
    book = Ledger(None, 1 << 28, 1)
    table = to_table(docs)
    keys = [blake2b(d.text.encode(), digest_size=16).digest() for d in docs]
    more = {"place": range(len(docs)), "n_bytes": [len(d.text.encode()) for d in docs], "exact_key": keys}
    for name, values in more.items():
        table = table.append_column(name, pa.array(list(values)))
    book.add(table.drop_columns(["text", "meta"]))
    book.unique_ids()
    return book


def drawn(
    docs: list[Document], config: mixture.Config, megabytes: float, seed: int
) -> tuple[list[Document], list[dict]]:
    with ledger_of(docs) as book:
        found = mixture.mix(book, config, megabytes, seed)
    return [docs[place] for place in found.places_E], found.rows


def test_fill_without_caps_follows_the_weights() -> None:
    taken = mixture.fill({"a": 3.0, "b": 1.0}, {"a": 8_000_000, "b": 8_000_000}, 4e6, 2.0)
    assert taken == pytest.approx({"a": 3e6, "b": 1e6})


def test_what_a_capped_group_leaves_goes_to_the_others() -> None:
    weights = {"a": 1.0, "b": 1.0, "c": 2.0}
    taken = mixture.fill(weights, {"a": 100_000, "b": 10_000_000, "c": 10_000_000}, 4e6, 2.0)
    assert taken == pytest.approx({"a": 2e5, "b": 3.8e6 / 3, "c": 3.8e6 * 2 / 3})
    assert mixture.fill(weights, {"a": 100, "b": 100}, 4e6, 2.0) == {"a": 200, "b": 200}


def test_mix() -> None:
    docs = documents("a", 40) + documents("b", 400) + documents("f", 7, 50, "statement")
    config = mixture.Config(weights={"a": 0.5, "b": 0.5}, max_epochs=2.0)
    train, rows = drawn(docs, config, 0.2, seed=1)
    assert Counter(d.source for d in train) == {"a": 80, "b": 120, "f": 7}
    assert set(Counter(d.id for d in train if d.source == "a").values()) == {2}
    assert set(Counter(d.id for d in train if d.source == "b").values()) == {1}
    assert {row["source"]: row["epochs"] for row in rows} == {"a (en)": 2.0, "b (en)": 0.3, "facts": 1.0}
    assert sum(row["share"] for row in rows) == pytest.approx(1.0, abs=1e-5)
    again, _ = drawn(docs[::-1], config, 0.2, seed=1)
    assert [d.id for d in again] == [d.id for d in train]
    other, _ = drawn(docs, config, 0.2, seed=2)
    assert [d.id for d in other] != [d.id for d in train]
    firsts = Counter(d.source for d in train[: len(train) // 2])
    assert 25 <= firsts["a"] <= 55  # mixed, not one source after the other


def test_everything_once_by_default() -> None:
    docs = documents("a", 5) + documents("b", 50, language="ko")
    train, _ = drawn(docs, mixture.Config(), 0, seed=3)
    assert sorted(d.id for d in train) == sorted(d.id for d in docs)


def test_weights_may_name_a_kind() -> None:
    docs = documents("packages", 20) + [
        Document(f"c/{i}", "x" * 1000, "packages", "", "unknown", "code") for i in range(20)
    ]
    train, rows = drawn(docs, mixture.Config(weights={"packages/code": 3.0, "packages": 1.0}, max_epochs=1), 0.02, 0)
    assert Counter(d.kind for d in train) == {"code": 15, "prose": 5}
    assert {row["source"] for row in rows} == {"packages/code", "packages (en)"}


def test_languages_share_by_temperature_and_by_quota() -> None:
    available = {Group("web", "en"): 9_000_000, Group("web", "ko"): 1_000_000, Group("code", ""): 10_000_000}
    as_they_are = mixture.weights_of(available, mixture.Config())
    assert as_they_are == pytest.approx({Group("web", "en"): 0.45, Group("web", "ko"): 0.05, Group("code", ""): 0.5})
    lifted = mixture.weights_of(available, mixture.Config(temperature=0.5))
    assert lifted[Group("web", "ko")] == pytest.approx(0.5 * 1 / 4)
    quota = mixture.weights_of(available, mixture.Config(languages={"ko": 0.3}))
    assert quota[Group("web", "ko")] == pytest.approx(0.3)
    assert sum(quota.values()) == pytest.approx(1.0)
    assert quota[Group("web", "en")] / quota[Group("code", "")] == pytest.approx(0.45 / 0.5)
    with pytest.raises(ConfigError, match="more than 1"):
        mixture.Config(languages={"ko": 0.7, "de": 0.5})


def test_the_annealing_corpus_has_the_probed_source_at_its_share() -> None:
    docs = documents("web", 300) + documents("new", 100)
    config = mixture.Config(anneal_source="new", anneal_megabytes=0.1)
    with ledger_of(docs) as book:
        found = mixture.anneal(book, config, 0)
        assert found is not None
        counts = Counter(docs[place].source for place in found.places_E)
        assert mixture.anneal(book, mixture.Config(), 0) is None
        with pytest.raises(ConfigError, match="no source 'nwe'"):
            mixture.anneal(book, mixture.Config(anneal_source="nwe", anneal_megabytes=1), 0)
    assert counts == {"new": 30, "web": 70}


def texts_of(docs: list[Document]) -> Callable[[np.ndarray], Iterator[tuple[np.ndarray, pa.Array]]]:
    def texts(keep: np.ndarray) -> Iterator[tuple[np.ndarray, pa.Array]]:
        places = np.flatnonzero(keep)
        for start in range(0, len(places), 17):
            part = places[start : start + 17]
            yield part, pa.array([docs[i].text for i in part], type=pa.large_string())

    return texts


def test_held_out_is_nowhere_else() -> None:
    unique = [
        Document(f"u/{i}", " ".join(f"w{i}x{j}" for j in range(60)), "user", "", "unknown", "prose") for i in range(60)
    ]
    copies = [
        Document(f"c/{i}", unique[i].text + " and one more word at the end", "user", "", "unknown", "prose")
        for i in range(30)
    ]
    facts = [Document("f/0", unique[59].text, "facts", "", "unknown", "statement")]
    docs = unique + copies + facts

    def choose(memory: int | None = None, **settings: float) -> tuple[list[str], dict[str, int]]:
        with ledger_of(docs) as book:
            config = heldout.Config(**settings)
            held, counts = heldout.choose(book, texts_of(docs), len(docs), config, memory_limit_bytes=memory)
        return [docs[i].id for i in held], counts

    held, counts = choose(share=1.0, max_megabytes=10)
    assert held == [f"u/{i}" for i in range(30, 59)]
    assert counts == {"candidates": 90, "overlapping": 61, "over_limit": 0, "held_out": 29}
    for memory in (1, 30_000):  # a candidate at a time, some at a time
        assert choose(memory, share=1.0, max_megabytes=10) == (held, counts)
    some, _ = choose(share=0.3, max_megabytes=10)
    assert 0 < len(some) < 29
    few, counts = choose(share=1.0, max_megabytes=2.5 * len(unique[40].text) / 1e6)
    assert len(few) == 2
    assert counts["held_out"] == 2 and sum(counts.values()) == 2 * counts["candidates"] == 180
    for memory in (1, 30_000):
        assert choose(memory, share=1.0, max_megabytes=2.5 * len(unique[40].text) / 1e6) == (few, counts)


def test_when_enough_is_held_out_the_rest_is_not_looked_for() -> None:
    sizes = [60, 5, 90, 40, 70, 8, 50, 45, 6, 30] * 8
    docs = [
        Document(f"u/{i}", " ".join(f"w{i}x{j}" for j in range(n)), "user", "", "unknown", "prose")
        for i, n in enumerate(sizes)
    ]
    passes = [0]

    def texts(keep: np.ndarray) -> Iterator[tuple[np.ndarray, pa.Array]]:
        passes[0] += bool(keep.all())
        yield from texts_of(docs)(keep)

    with ledger_of(docs) as book:
        order, n_bytes = heldout.candidates(book, heldout.Config(share=1.0))
        assert n_bytes.tolist() == [len(docs[place].text) for place in order]
        config = heldout.Config(share=1.0, max_megabytes=0.0012)
        held, counts = heldout.choose(book, texts, len(docs), config, memory_limit_bytes=1)
    greedy, room = [], 1200
    for place, size in zip(order.tolist(), n_bytes.tolist()):
        if size <= room:
            greedy.append(place)
            room -= size
    assert held.tolist() == sorted(greedy)
    last = max(order.tolist().index(place) for place in greedy)
    assert last + 1 <= passes[0] < len(docs)  # a pass for each candidate until no later one fits
    assert counts == {
        "candidates": len(docs), "overlapping": 0, "over_limit": len(docs) - len(greedy), "held_out": len(greedy)
    }  # fmt: skip


def test_where_all_of_it_occurs_elsewhere_no_more_than_some_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [" ".join(f"w{i}x{j}" for j in range(60)) for i in range(40)]
    docs = [
        Document(f"{k}/{i}", text + k, "user", "", "unknown", "prose") for i, text in enumerate(texts) for k in "ab"
    ]
    config = heldout.Config(share=1.0, max_megabytes=3.5 * len(docs[20].text) / 1e6)
    with ledger_of(docs) as book:
        held, counts = heldout.choose(book, texts_of(docs), len(docs), config)
        assert not len(held)
        assert 65 <= counts["overlapping"] <= 75 and counts["over_limit"] == 80 - counts["overlapping"]
        for memory in (1, 30_000):
            again = heldout.choose(book, texts_of(docs), len(docs), config, memory_limit_bytes=memory)
            assert again[1] == counts and not len(again[0])
        monkeypatch.setattr(heldout, "LOOKED_FOR", 100)
        assert heldout.choose(book, texts_of(docs), len(docs), config)[1]["overlapping"] == 80
