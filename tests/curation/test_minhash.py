"""Near-duplicates: verified, complete, and each one that goes names one that stays."""

import gzip
import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest

from herdbook.curation import minhash
from herdbook.curation.documents import Document
from herdbook.curation.exact import judge as judge_exact
from herdbook.curation.shingles import Shingler, ShingleSets, jaccard, words

WORDS = [f"word{i}" for i in range(400)]


def document(i: int, text: str, kind: str = "prose") -> Document:
    return Document(f"d{i}", text, "user", f"{i}.txt", "unknown", kind)


def edited(tokens: list[str], n_edits: int, rng: random.Random) -> list[str]:
    copy = list(tokens)
    for _ in range(n_edits):
        copy[rng.randrange(len(copy))] = rng.choice(WORDS)
    return copy


def texts_with_twins(n: int = 120, seed: int = 1) -> list[str]:
    """Random texts, most with a copy that differs by 0 to 30 of 300 words."""
    rng = random.Random(seed)
    texts = []
    for _ in range(n):
        tokens = [rng.choice(WORDS) for _ in range(300)]
        texts.append(" ".join(tokens))
        texts.append(" ".join(edited(tokens, rng.randrange(31), rng)))
    rng.shuffle(texts)
    return texts


def jaccard_slowly(a: str, b: str, k: int) -> float:
    def shingles(text: str) -> set[tuple[str, ...]]:
        tokens = words(text)
        return {tuple(tokens[i : i + k]) for i in range(max(1, len(tokens) - k + 1))}

    both = shingles(a) & shingles(b)
    return len(both) / len(shingles(a) | shingles(b))


def test_jaccard_is_that_of_sets_of_words() -> None:
    texts = texts_with_twins(6)
    sets = Shingler(5).sets(texts)
    for i, j in itertools.combinations(range(len(texts)), 2):
        assert jaccard(sets.of(i), sets.of(j)) == pytest.approx(jaccard_slowly(texts[i], texts[j], 5))


def test_shingle_order_and_places_do_not_matter() -> None:
    one, two = Shingler(3), Shingler(3)
    two.shingles("other words come first here")
    assert np.array_equal(one.shingles("A herd of, llamas!"), two.shingles("a herd of llamas"))
    assert len(one.shingles("two words")) == 1
    assert len(one.shingles("...")) == 0
    assert words("라마 llama 漢字") == ["라마", "llama", "漢", "字"]


def brute_force(sets: ShingleSets, threshold: float) -> set[tuple[int, int]]:
    return {
        (i, j) for i, j in itertools.combinations(range(len(sets)), 2) if jaccard(sets.of(i), sets.of(j)) >= threshold
    }


def test_exact_join_misses_nothing() -> None:
    sets = Shingler(5).sets(texts_with_twins())
    for threshold in (0.5, 0.8, 0.95):
        found = {(pair.a, pair.b) for pair in minhash.exact_pairs(sets, threshold)}
        assert found == brute_force(sets, threshold)


def test_lsh_finds_them_and_verifies() -> None:
    sets = Shingler(5).sets(texts_with_twins())
    true = brute_force(sets, 0.8)
    found = minhash.find_pairs(sets, minhash.Config())
    ours = {(pair.a, pair.b) for pair in found.pairs}
    assert len(true) > 30
    assert ours <= true
    assert len(ours) >= 0.99 * len(true)
    recall, n_true = minhash.measured_recall(sets, found.pairs, 0.8, range(len(sets)))
    assert (recall, n_true) == (len(ours) / len(true), len(true))


def test_signature_agreement_estimates_jaccard() -> None:
    """The share of equal places is an unbiased estimate: within 4 standard errors of 1,024 functions."""
    texts = texts_with_twins(4)
    sets = Shingler(5).sets(texts)
    signature = minhash.signatures(sets, 1024)
    for i, j in itertools.combinations(range(len(texts)), 2):
        exact = jaccard(sets.of(i), sets.of(j))
        assert abs((signature[i] == signature[j]).mean() - exact) <= 4 * np.sqrt(exact * (1 - exact) / 1024) + 1e-9


def test_signatures_by_the_definition() -> None:
    sets = Shingler(2).sets(["one two three four", "", "five six"])
    got = minhash.signatures(sets, 8, seed=3)
    rng = np.random.Generator(np.random.PCG64(3))
    a = [int(x) | 1 for x in rng.integers(0, 2**64, 8, dtype=np.uint64)]
    b = [int(x) for x in rng.integers(0, 2**64, 8, dtype=np.uint64)]
    for i in range(3):
        mixed = [int(x) for x in minhash._mixed(sets.of(i))]
        for j in range(8):
            assert got[i, j] == min([((a[j] * x + b[j]) % 2**64) >> 32 for x in mixed], default=2**32 - 1)


def test_what_goes_names_what_stays() -> None:
    docs = [document(i, text) for i, text in enumerate(texts_with_twins())]
    sets = Shingler(5).sets([d.text for d in docs])
    found = minhash.find_pairs(sets, minhash.Config())
    preference = list(range(len(docs)))[::-1]
    verdicts = minhash.judge(docs, found.pairs, preference)
    kept = {docs[i].id for i, drop in enumerate(verdicts) if drop is None}
    place = {d.id: i for i, d in enumerate(docs)}
    for i, drop in enumerate(verdicts):
        if drop is not None:
            assert drop.kept_instead in kept
            assert jaccard(sets.of(i), sets.of(place[drop.kept_instead])) >= 0.8
    assert len(kept) < len(docs)
    for a, b in itertools.combinations(sorted(place[name] for name in kept), 2):
        assert jaccard(sets.of(a), sets.of(b)) < 0.8


def test_no_chains() -> None:
    """B resembles A and C, but A and C differ: A and C stay. By connected components C would go for want of a twin."""
    tokens = random.Random(0).choices(WORDS, k=300)
    a, b, c = list(tokens), list(tokens), list(tokens)
    a[:22] = [f"a{i}" for i in range(22)]
    c[-22:] = [f"c{i}" for i in range(22)]
    docs = [document(i, " ".join(t)) for i, t in enumerate((a, b, c))]
    sets = Shingler(5).sets([d.text for d in docs])
    pairs = minhash.find_pairs(sets, minhash.Config()).pairs
    assert {(p.a, p.b) for p in pairs} == {(0, 1), (1, 2)}
    verdicts = minhash.judge(docs, pairs, [0, 1, 2])
    assert [drop and drop.kept_instead for drop in verdicts] == [None, "d0", None]
    assert minhash.clusters(3, pairs) == [0, 0, 0]


def test_statements_take_no_part() -> None:
    same = "one two three four five six seven"
    docs = [document(0, same), document(1, same, "statement"), document(2, same.upper() + "  \n")]
    assert [d and d.kept_instead for d in judge_exact(docs, [0, 1, 2])] == [None, None, "d0"]
    sets = Shingler(5).sets([d.text for d in docs])
    found = minhash.find_pairs(sets, minhash.Config(), eligible=np.array([True, False, True]))
    assert {(p.a, p.b) for p in found.pairs} == {(0, 2)}


def test_on_real_editions_of_novels(test_data: Path) -> None:
    """Passages of novels with typing errors as another edition has them: no two that stay reach 0.8, brute force."""
    path = test_data / "dedup" / "english-novels-editions" / "eltec_overlap.jsonl.gz"
    if not path.exists():
        pytest.skip(f"not present: {path}")
    rng = random.Random(5)
    texts = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in itertools.islice(lines, 4):
            tokens = json.loads(line)["eltec_text"].split()[:16_000]
            for start in range(0, len(tokens), 400):
                passage = tokens[start : start + 400]
                texts.append(" ".join(passage))
                if rng.random() < 0.5:
                    shifted = tokens[start + rng.randrange(60) : start + 400]
                    texts.append(" ".join(edited(shifted, rng.randrange(12), rng)))
    docs = [document(i, text) for i, text in enumerate(texts)]
    sets = Shingler(5).sets(texts)
    found = minhash.find_pairs(sets, minhash.Config())
    true = brute_force(sets, 0.8)
    assert len(true) > 30
    assert {(p.a, p.b) for p in found.pairs} == true
    verdicts = minhash.judge(docs, found.pairs, list(range(len(docs))))
    kept = [i for i, drop in enumerate(verdicts) if drop is None]
    assert max(jaccard(sets.of(a), sets.of(b)) for a, b in itertools.combinations(kept, 2)) < 0.8
    assert len(docs) - len(kept) > 20
