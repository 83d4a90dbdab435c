"""The NSFW step on labelled rows that it has not learnt from, and on clean text. Least values lie below what
`benchmarks/nsfw.py` prints; a set that is not there is skipped."""

import sys

import numpy as np
import pyarrow as pa
import pytest

from herdbook.curation import nsfw

LIMITS = nsfw.Config()


@pytest.fixture(scope="module")
def sets(repo, test_data):
    sys.path.insert(0, str(repo / "tools"))
    try:
        import nsfw_sets
    finally:
        sys.path.remove(str(repo / "tools"))
    if not (test_data / "toxicity").is_dir():
        pytest.skip("no labelled sets: folder toxicity is not among the real data")
    return nsfw_sets


def scores(texts, language, column="nsfw_toxic_score"):
    languages = pa.array([language] * len(texts), pa.string())
    table = nsfw.measure(pa.table({"text": pa.array(texts, pa.large_string()), "language": languages}), LIMITS)
    return table[column].to_numpy()


@pytest.mark.parametrize(
    "name, least_auc, least_recall, most_false",
    [
        ("davidson-hate-offensive", 0.95, 0.85, 0.15),
        ("vicomtech-stormfront", 0.70, 0.10, 0.08),
        ("curse-detection-ko", 0.80, 0.55, 0.15),
        ("hatescore-ko", 0.78, 0.45, 0.10),
    ],
)
def test_labelled_sets(sets, test_data, name, least_auc, least_recall, most_false):
    rows = [(text, label) for text, label, part in sets.rows(test_data, name) if part == "test"]
    label = np.array([label for _, label in rows])
    language = next(one.language for one in sets.SETS if one.name == name)
    found = scores([text for text, _ in rows], language)
    order = np.argsort(found)
    ranks = np.empty(len(found))
    ranks[order] = np.arange(1, len(found) + 1)
    n = label.sum()
    assert (ranks[label == 1].sum() - n * (n + 1) / 2) / (n * (len(label) - n)) > least_auc
    assert (found[label == 1] > LIMITS.max_toxic_score).mean() > least_recall
    assert (found[label == 0] > LIMITS.max_toxic_score).mean() < most_false


@pytest.mark.parametrize(
    "language, file", [("en", "enwiki-2015/enwiki-2015.jsonl.gz"), ("ko", "kowiki/kowiki-2023.jsonl.gz")]
)
def test_an_encyclopaedia_stays(sets, test_data, language, file):
    texts = []
    for key, _, text in sets.articles(test_data / "text" / file):
        if sets.share(key) >= 60:
            texts.append(text)
            if len(texts) == 200:
                break
    assert (scores(texts, language) > LIMITS.max_toxic_score).mean() <= 0.01
    assert (scores(texts, language, "nsfw_score") > LIMITS.max_score).mean() <= 0.01
