"""Shares, repetition and order of the corpus; what is held out."""

from collections import Counter

import pytest

from herdbook.curation import heldout, mixture
from herdbook.curation.documents import Document
from herdbook.curation.shingles import Shingler


def documents(source: str, n: int, size: int = 1000, kind: str = "prose") -> list[Document]:
    return [
        Document(f"{source}/{i}", f"{source}{i} ".ljust(size, "x"), source, f"{i}", "unknown", kind) for i in range(n)
    ]


def test_plan_without_caps_follows_the_weights() -> None:
    shares = mixture.plan({"a": 8_000_000, "b": 8_000_000}, mixture.Config(weights={"a": 3.0, "b": 1.0}), 4.0)
    assert shares["a"].epochs * 8 == pytest.approx(3.0)
    assert shares["b"].epochs * 8 == pytest.approx(1.0)


def test_what_a_capped_source_leaves_goes_to_the_others() -> None:
    config = mixture.Config(weights={"a": 1.0, "b": 1.0, "c": 2.0}, max_epochs=2.0)
    shares = mixture.plan({"a": 100_000, "b": 10_000_000, "c": 10_000_000}, config, 4.0)
    assert shares["a"].epochs == 2.0
    assert shares["b"].epochs * 10 == pytest.approx(3.8 / 3)
    assert shares["c"].epochs * 10 == pytest.approx(3.8 * 2 / 3)
    few = mixture.plan({"a": 100_000, "b": 100_000}, config, 4.0)
    assert {share.epochs for share in few.values()} == {2.0}
    assert mixture.plan({"a": 100_000, "z": 0}, config, 0.0)["a"].epochs == 1.0


def test_mix() -> None:
    docs = documents("a", 40) + documents("b", 400) + documents("f", 7, 50, "statement")
    config = mixture.Config(weights={"a": 0.5, "b": 0.5}, max_epochs=2.0)
    train, drawn, rows = mixture.mix(docs, config, 0.2, seed=1)
    by_source = Counter(d.source for d in train)
    assert by_source == {"a": 80, "b": 120, "f": 7}
    assert set(Counter(d.id for d in train if d.source == "a").values()) == {2}
    assert set(Counter(d.id for d in train if d.source == "b").values()) == {1}
    assert sum(drawn) == 40 + 120 + 7
    assert {row["source"]: row["epochs"] for row in rows} == {"a": 2.0, "b": 0.3, "facts": 1.0}
    assert sum(row["share"] for row in rows) == pytest.approx(1.0, abs=1e-5)
    again, _, _ = mixture.mix(docs[::-1], config, 0.2, seed=1)
    assert [d.id for d in again] == [d.id for d in train]
    other, _, _ = mixture.mix(docs, config, 0.2, seed=2)
    assert [d.id for d in other] != [d.id for d in train]
    firsts = Counter(d.source for d in train[: len(train) // 2])
    assert 25 <= firsts["a"] <= 55  # mixed, not one source after the other


def test_weights_may_name_a_kind() -> None:
    prose, code = documents("packages", 1)[0], documents("packages", 1, kind="code")[0]
    weights = {"packages/code": 1.0}
    assert mixture.group_of(code, weights) == "packages/code"
    assert mixture.group_of(prose, weights) == "packages"


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
    sets = Shingler(5).sets([d.text for d in docs])
    held, counts = heldout.choose(docs, sets, heldout.Config(share=1.0, max_megabytes=10))
    assert [d.id for d, out in zip(docs, held) if out] == [f"u/{i}" for i in range(30, 59)]
    assert counts == {"candidates": 90, "overlapping": 61, "over_limit": 0, "held_out": 29}
    some, _ = heldout.choose(docs, sets, heldout.Config(share=0.3, max_megabytes=10))
    assert 0 < sum(some) < 29
    size = len(unique[40].text)
    few, counts = heldout.choose(docs, sets, heldout.Config(share=1.0, max_megabytes=2.5 * size / 1e6))
    assert sum(few) == 2
    assert counts["over_limit"] == 27
