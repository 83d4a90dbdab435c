"""Verified MinHash: shingles against the slow twin, verdicts against an exact join that uses no signatures."""

import gzip
import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_shingles import Shingler, jaccard, words

from herdbook.curation import dedup
from herdbook.curation.dedup import shingle_kernel, signature
from herdbook.curation.dedup.recall import true_pairs
from herdbook.curation.dedup.selection import Part
from herdbook.curation.heuristics.words import texts_of
from herdbook.errors import ConfigError


def random_words(rng, n, vocabulary=400):
    return [f"w{i}" for i in rng.integers(0, vocabulary, n)]


def with_changes(rng, words, n):
    changed = list(words)
    for place in rng.choice(len(words), n, replace=False):
        changed[place] = f"x{rng.integers(0, 10**9)}"
    return changed


def corpus(seed, families=60):
    """Texts in families: originals of many lengths, each with copies that differ in more and more words."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(families):
        original = random_words(rng, int(rng.integers(30, 600)))
        texts.append(" ".join(original))
        for _ in range(int(rng.integers(0, 5))):
            most = max(2, len(original) // 25)
            texts.append(" ".join(with_changes(rng, original, int(rng.integers(0, most)))))
    return [texts[i] for i in rng.permutation(len(texts))]


WORDS = st.lists(
    st.sampled_from(
        ["the", "The", "a_b", "don't", "北京", "タワー", "ภาษา", "한국어", "É", "é", "42", "-", "\n", "😀", "ΣΑΣ"]
    ),
    max_size=30,
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        WORDS | st.text(alphabet=st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=40),
        max_size=4,
    )
)
def test_shingles_equal_the_slow_twin(texts):
    texts = [text.replace("İ", "i") for text in texts]  # the only letter whose lower case has two characters
    found = shingle_kernel.shingles(texts_of(texts), 3)
    slow = Shingler(3).sets(texts)
    sets = [set(found.values_S[found.offsets_N1[i] : found.offsets_N1[i + 1]].tolist()) for i in range(len(texts))]
    assert [len(s) for s in sets] == slow.sizes().tolist()
    for i, a in enumerate(sets):
        for j, b in enumerate(sets):
            if a and b:
                assert len(a & b) / len(a | b) == pytest.approx(jaccard(slow.of(i), slow.of(j)))


def jaccard_by_sets(a, b, k):
    def shingles(text):
        tokens = words(text)
        return {tuple(tokens[i : i + k]) for i in range(max(1, len(tokens) - k + 1))}

    return len(shingles(a) & shingles(b)) / len(shingles(a) | shingles(b))


def test_jaccard_of_the_twin_is_that_of_sets_of_words():
    texts = corpus(1, families=4)
    sets = Shingler(5).sets(texts)
    for i, j in itertools.combinations(range(len(texts)), 2):
        assert jaccard(sets.of(i), sets.of(j)) == pytest.approx(jaccard_by_sets(texts[i], texts[j], 5))


def test_shingles_of_the_twin_do_not_depend_on_what_came_before():
    one, two = Shingler(3), Shingler(3)
    two.shingles("other words come first here")
    assert np.array_equal(one.shingles("A herd of, llamas!"), two.shingles("a herd of llamas"))
    assert len(one.shingles("two words")) == 1
    assert len(one.shingles("...")) == 0
    assert words("라마 llama 漢字") == ["라마", "llama", "漢", "字"]


def test_signatures_by_the_definition():
    found = shingle_kernel.shingles(texts_of(["one two three four", "", "five six"]), 2)
    rng = np.random.Generator(np.random.PCG64(3))
    a = [int(x) | 1 for x in rng.integers(0, 2**32, 8, dtype=np.uint32)]
    b = [int(x) for x in rng.integers(0, 2**32, 8, dtype=np.uint32)]
    for i, row in enumerate(signature.sign(found, 8, seed=3).tolist()):
        values = found.values_S[found.offsets_N1[i] : found.offsets_N1[i + 1]].tolist()
        for j, least in enumerate(row):
            assert least == min([(a[j] * (x >> 32) + b[j]) % 2**32 for x in values], default=2**32 - 1)


def check(texts, found, threshold=0.8):
    """Every removal is right: it names a document that stays, as similar as it says. Returns the exact pairs."""
    slow = Shingler(5).sets(texts)
    for i in np.flatnonzero(~found.kept):
        twin = found.kept_instead[i]
        assert found.kept[twin], "the twin stays"
        similarity = jaccard(slow.of(i), slow.of(twin))
        assert similarity >= threshold
        assert found.similarity[i] == pytest.approx(similarity)
    assert (found.similarity[found.kept] == 0).all()
    cut = shingle_kernel.shingles(texts_of(texts), 5)
    part = Part(cut.values_S, cut.offsets_N1, np.empty((len(texts), 0), np.uint32))
    return true_pairs(part, np.arange(len(texts)), threshold)


def recall(found, pairs):
    return np.mean([not (found.kept[a] and found.kept[b]) for a, b in pairs])


@pytest.mark.parametrize("seed", range(5))
def test_removals_are_right_and_hardly_any_pair_is_missed(seed):
    texts = corpus(seed)
    found = dedup.near_duplicates(texts)
    pairs = check(texts, found)
    assert len(pairs) > 40
    assert recall(found, pairs) >= 0.99
    assert found.n_compared <= found.n_candidates


def test_recall_just_over_the_threshold():
    rng = np.random.default_rng(7)
    texts = []
    for _ in range(400):  # 300 words, 6 changed: Jaccard of about 0.82
        original = random_words(rng, 300, 10**6)
        texts += [" ".join(original), " ".join(with_changes(rng, original, 6))]
    found = dedup.near_duplicates(texts)
    pairs = check(texts, found)
    assert 300 < len(pairs) <= 400
    assert recall(found, pairs) >= 0.99


def test_the_preferred_document_stays():
    texts = ["one two three four five six seven eight"] * 3 + ["nine ten eleven twelve thirteen fourteen"]
    assert dedup.near_duplicates(texts).kept_instead.tolist() == [-1, 0, 0, -1]
    assert dedup.near_duplicates(texts, order=[2, 3, 1, 0]).kept_instead.tolist() == [2, 2, -1, -1]


def test_a_chain_is_one_cluster_and_its_ends_both_stay():
    rng = np.random.default_rng(3)
    first = random_words(rng, 400, 10**6)
    middle = with_changes(rng, first, 6)
    last = with_changes(rng, middle, 6)
    other = random_words(rng, 400, 10**6)
    texts = [" ".join(words) for words in (middle, first, last, other)]
    by_ends = dedup.near_duplicates(texts, order=[1, 2, 0, 3])
    slow = Shingler(5).sets(texts)
    assert (
        jaccard(slow.of(1), slow.of(2)) < 0.8 <= min(jaccard(slow.of(0), slow.of(1)), jaccard(slow.of(0), slow.of(2)))
    )
    assert by_ends.kept.tolist() == [False, True, True, True]
    assert by_ends.cluster.tolist() == [0, 0, 0, 3]


def test_a_large_family_costs_one_comparison_each():
    rng = np.random.default_rng(5)
    original = random_words(rng, 200)
    texts = [" ".join(with_changes(rng, original, 1)) for _ in range(3000)]
    found = dedup.near_duplicates(texts)
    check(texts[:200], dedup.near_duplicates(texts[:200]))
    assert found.kept.sum() < 50
    assert found.n_compared < 20 * len(texts)
    assert len(set(found.cluster.tolist())) == 1


def test_texts_without_words_stay_and_short_ones_are_compared():
    found = dedup.near_duplicates(["", "...", "", "a b", "a b", "a c", "漢字", "漢字"])
    assert found.kept_instead.tolist() == [-1, -1, -1, -1, 3, -1, -1, 6]
    assert dedup.near_duplicates([]).kept.tolist() == []


def test_arrow_layout_does_not_matter():
    texts = corpus(11, families=20)
    whole = dedup.near_duplicates(texts)
    chunked = dedup.near_duplicates(pa.chunked_array([texts[:9], texts[9:]]))
    sliced = dedup.near_duplicates(pa.array(["x", *texts], type=pa.string()).slice(1))
    assert whole.kept_instead.tolist() == chunked.kept_instead.tolist() == sliced.kept_instead.tolist()


def test_agreement_of_signatures_estimates_similarity():
    rng = np.random.default_rng(2)
    original = random_words(rng, 1000, 10**6)
    texts = [" ".join(original), " ".join(with_changes(rng, original, 30))]
    found = shingle_kernel.shingles(texts_of(texts), 5)
    signatures = signature.sign(found, 2000)
    slow = Shingler(5).sets(texts)
    assert (signatures[0] == signatures[1]).mean() == pytest.approx(jaccard(slow.of(0), slow.of(1)), abs=0.04)


@pytest.mark.parametrize("settings_", [{"threshold": 0}, {"threshold": 1.5}, {"words": 0}, {"bands": 0}])
def test_impossible_settings_are_refused(settings_):
    with pytest.raises(ConfigError):
        dedup.Config(**settings_)


def test_editions_of_novels(test_data):
    """Passages of real books, and the same with every 80th word misread, as in another edition or a bad scan."""
    path = test_data / "dedup" / "english-novels-editions" / "eltec_overlap.jsonl.gz"
    passages = []
    with gzip.open(path, "rt") as file:
        for line in file:
            words = json.loads(line)["eltec_text"].split()
            passages += [words[i : i + 400] for i in range(0, min(len(words), 40_000), 400)]
    damaged = [[word[::-1] if i % 80 == 40 else word for i, word in enumerate(words)] for words in passages]
    texts = [" ".join(words) for words in passages + damaged]
    found = dedup.near_duplicates(texts)
    pairs = check(texts, found)
    assert len(pairs) > 0.9 * len(passages)
    assert recall(found, pairs) >= 0.99
