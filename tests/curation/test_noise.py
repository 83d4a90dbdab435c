"""The built-in quality score: the kernel's features are those of the slow twin, and it tells text from noise."""

import random
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.curation.documents import Document
from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.quality import noise
from herdbook.curation.quality.noise_features import moments, sparse_features, times, transposed_times
from herdbook.curation.quality.scored_text import scored_part

STRANGE = st.text(
    st.sampled_from(
        "abAB_ 12\u00b2\u2460\u24b6\u0130\u03a3\u03c2\u03c3\u00df\u0301\uac00\u4e2d.,!\n\t\u2028\U0001f600\U00020000"
    )
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    STRANGE,
    st.lists(st.sampled_from("the of a snake_case word, 12 3.5 Ünder It's".split()), max_size=40).map(" ".join),
)


def sparse(texts, scored_words):
    return sparse_features(texts_of(texts), np.array([len(text) for text in texts], dtype=np.int64), scored_words)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=6), st.integers(1, 12))
def test_features_are_those_of_the_slow_twin(texts, scored_words):
    wanted = noise.features([scored_part(text, scored_words) for text in texts])
    assert np.allclose(sparse(texts, scored_words).dense(), wanted, rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_products_are_those_of_the_dense_matrix(texts):
    x = sparse(texts, 100)
    dense = x.dense().astype(np.float64)
    rng = np.random.default_rng(0)
    weights, factors = rng.normal(size=dense.shape[1]), rng.normal(size=len(dense))
    assert np.allclose(times(x, weights), dense @ weights)
    assert np.allclose(transposed_times(x, factors), factors @ dense)
    mean, variance = moments(x)
    assert np.allclose(mean, dense.mean(axis=0))
    assert np.allclose(variance, dense.var(axis=0), atol=1e-12)
    chosen = rng.random(len(dense)) < 0.5
    assert np.array_equal(x.rows(chosen).dense(), x.dense()[chosen])


@given(TEXTS, st.integers(0, 8), st.integers(1, 8))
def test_a_passage_is_cut_between_words(text, start, n_words):
    spans = [match.span() for match in re.finditer(r"\S+", text)][start : start + n_words]
    assert noise.passage(text, start, n_words) == (text[spans[0][0] : spans[-1][1]] if spans else "")


@pytest.fixture(scope="module")
def documents(made_up):
    rng = random.Random(4)
    rows = [Document(f"p{i}", made_up.prose(rng), "s", "", "unknown", "prose") for i in range(120)]
    return rows + [Document(f"c{i}", made_up.program(rng), "s", "", "unknown", "code") for i in range(30)]


def test_it_tells_text_from_noise(documents):
    config = noise.Config(max_passages=120)
    model = noise.train(documents, config, np.random.default_rng(1))
    assert model.auc > 0.95
    good = [d.text for d in documents if d.kind == "prose"][:20]
    bad = [" ".join(random.Random(i).sample(text.split(), len(text.split()))) for i, text in enumerate(good)]
    scores = noise.score(pa.array([*good, *bad, "the", ""]), model, config)
    assert scores[:20].min() > 0.5
    assert np.median(scores[20:40]) < 0.3
    assert np.array_equal(scores, np.concatenate([noise.score([t], model, config) for t in [*good, *bad, "the", ""]]))
    drops = noise.judge([*good, *bad, "the", ""], scores, noise.Config(min_score=0.3))
    assert [drop is not None for drop in drops] == [*(scores[:40] < 0.3), False, False]


def test_too_few_documents_train_nothing(documents):
    assert noise.train(documents[:19], noise.Config(), np.random.default_rng(1)) is None


def test_scores_of_real_text_are_those_of_the_dense_product(documents, test_data: Path):
    text = (test_data / "text" / "tinystories-sample" / "tinystories.txt").read_text()
    texts = [*text.split("<|endoftext|>")[:200], text[:40_000]]
    config = noise.Config(max_passages=120)
    model = noise.train(documents, config, np.random.default_rng(1))
    dense = noise.features([scored_part(text, config.scored_words) for text in texts]).astype(np.float64)
    wanted = 1 / (1 + np.exp(-np.clip(dense @ model.weights + model.bias, -30, 30)))
    assert np.abs(noise.score(texts, model, config) - wanted).max() < 2e-4
