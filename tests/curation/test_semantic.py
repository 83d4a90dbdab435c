"""Semantic duplicates: verdicts equal those of all pairs, whatever clusters, blocks and files the vectors come from."""

import numpy as np
import pytest

from herdbook.curation import embeddings
from herdbook.curation.dedup import probes, semantic, sketches
from herdbook.curation.dedup.semantic import Config, semantic_duplicates
from herdbook.curation.dedup.short_form import SLACK, directions, levels_for, rests, unit
from herdbook.errors import ConfigError


def vectors(n, seed=0, dim=64, noise=0.3):
    """Unit vectors around thirty subjects, half of them noisy copies of the others."""
    rng = np.random.default_rng(seed)
    subjects = rng.normal(size=(30, dim))
    originals = subjects[rng.integers(0, 30, n // 2)] + 0.9 * rng.normal(size=(n // 2, dim))
    copies = originals[rng.integers(0, n // 2, n - n // 2)] + noise * rng.normal(size=(n - n // 2, dim))
    x = np.concatenate([originals, copies])[rng.permutation(n)]
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def slow_duplicates(x, preference, threshold):
    """(kept_instead, similarity) of the same rule by comparing all pairs, one document after the other."""
    kept = np.zeros(0, dtype=np.int64)  # in order of preference
    instead, similarity = np.full(len(x), -1), np.zeros(len(x))
    for i in sorted(range(len(x)), key=lambda i: (-preference[i], i)):
        cosines = x[kept] @ x[i]
        best = int(np.argmax(cosines)) if len(kept) else -1
        if best >= 0 and cosines[best] >= threshold:
            similarity[i], instead[i] = cosines[best], kept[best]
        else:
            kept = np.append(kept, i)
    return instead, similarity


def check(x, found, threshold, against=None):
    """Every removal is right: it names a document that stays and is as similar as it says."""
    everything = x if against is None else np.concatenate([x, against])
    stays = np.concatenate([found.kept, np.ones(len(everything) - len(x), dtype=bool)])
    gone = np.flatnonzero(~found.kept)
    assert stays[found.kept_instead[gone]].all()
    cosines = np.einsum("ne,ne->n", everything[gone], everything[found.kept_instead[gone]])
    assert (cosines > threshold - 1e-6).all()
    assert found.similarity[gone] == pytest.approx(cosines, abs=1e-6)
    assert (found.similarity[found.kept] == 0).all() and (found.kept_instead[found.kept] == -1).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "settings", [{}, {"n_clusters": 15}, {"n_clusters": 60, "seed": 3}, {"n_clusters": 7, "probe": 7}]
)
def test_verdicts_equal_those_of_all_pairs(seed, settings, monkeypatch):
    monkeypatch.setattr(semantic, "BLOCK", 50)
    x = vectors(500, seed)
    preference = np.random.default_rng(seed).integers(0, 4, 500).astype(float)  # many ties
    found = semantic_duplicates(x, preference, Config(threshold=0.93, **settings))
    instead, similarity = slow_duplicates(x, preference, 0.93)
    check(x, found, 0.93)
    assert 100 < (~found.kept).sum() < 400
    assert (found.kept_instead == instead).all()
    assert found.similarity == pytest.approx(similarity, abs=1e-6)


@pytest.mark.parametrize("threshold", [0.8, 0.95])
def test_clusters_miss_nothing_and_save_work(threshold):
    x = vectors(4500, 1, dim=256)
    found = semantic_duplicates(x, np.zeros(4500), Config(threshold=threshold, recall=1))
    check(x, found, threshold)
    assert found.n_clusters == 67
    a, b = np.nonzero(np.triu(x @ x.T >= threshold, 1))
    assert len(a) > 1500
    assert not (found.kept[a] & found.kept[b]).any()
    if threshold > 0.9:
        assert found.n_compared < 4500 * 4499 / 2 / 4


def spread(n, seed, dim=512):
    """Unit vectors that spread alike in all directions, a quarter of them copies at cosines from 0.8 to 0.95."""
    rng = np.random.default_rng(seed)
    x = unit(rng.normal(size=(n, dim)))
    originals, copies = rng.permutation(n)[: n // 2].reshape(2, -1)
    cosine = rng.uniform(0.8, 0.95, len(copies))[:, None]
    x[copies] = unit(cosine * x[originals] + np.sqrt(1 - cosine**2) * x[copies])
    return x


def test_sketches_find_nearly_all_where_bounds_rule_out_little():
    x = spread(5000, 2)
    found = semantic_duplicates(x, np.zeros(5000), Config(threshold=0.85))
    check(x, found, 0.85)
    assert found.n_clusters == 0
    a, b = np.nonzero(np.triu(x @ x.T >= 0.85, 1))
    assert len(a) > 700
    assert (~(found.kept[a] & found.kept[b])).mean() >= 0.98
    exact = semantic_duplicates(x, np.zeros(5000), Config(threshold=0.85, recall=1))
    assert exact.n_clusters > 0 and not (exact.kept[a] & exact.kept[b]).any()
    assert found.n_compared < exact.n_compared
    again = semantic_duplicates(x, np.zeros(5000), Config(threshold=0.85))
    assert (again.kept_instead == found.kept_instead).all() and (again.similarity == found.similarity).all()


def test_sketches_know_documents_of_before_and_leave_empty_ones(tmp_path):
    x, old = spread(4500, 3), spread(1000, 4)
    x[:50], x[50:60] = old[:50], 0
    config = Config(threshold=0.85)
    found = semantic_duplicates(x, np.zeros(4500), config, against=old)
    check(x, found, 0.85, old)
    assert found.n_clusters == 0
    assert (found.kept_instead[:50] == 4500 + np.arange(50)).all() and found.kept[50:60].all()
    there = semantic_duplicates(x, np.zeros(4500), config, against=old, folder=tmp_path, memory_limit_bytes=40_000)
    assert (found.kept_instead == there.kept_instead).all()


def slow_differences(words):
    """Bits in which rows differ, in plain Python."""
    numbers = [int.from_bytes(row.tobytes(), "little") for row in words]
    return np.array([[(a ^ b).bit_count() for b in numbers] for a in numbers])


def test_sketches_differ_as_angles_do():
    """The share of planes between two vectors is their angle / pi."""
    x = spread(400, 5)
    words = sketches.words_of(x, sketches.planes(512, 0))
    assert words.shape == (400, 4)
    bits = slow_differences(words)
    angles = np.arccos(np.clip(x @ x.T, -1, 1)) / np.pi
    assert bits[np.triu_indices(400, 1)].mean() / 256 == pytest.approx(angles[np.triu_indices(400, 1)].mean(), abs=0.01)
    row = np.zeros(len(words), dtype=np.uint64)
    sketches._differ(words[0, 0], words[:, 0].copy(), 0, len(words), row)
    assert (row == slow_differences(words[:, :1])[0]).all()


@pytest.mark.parametrize("threshold", [0.7, 0.85, 0.97])
def test_the_limits_of_sketches_keep_their_promise(threshold):
    """Pairs of exactly the threshold's cosine: the share that passes all levels is at least `recall`."""
    rng = np.random.default_rng(0)
    share = np.arccos(threshold) / np.pi
    for recall in (0.9, 0.99):
        limits = sketches.limits(threshold, recall)
        differs = rng.random((20_000, 64 * sketches.LEVELS[-1])) < share
        passes = np.ones(len(differs), dtype=bool)
        for level, limit in zip(sketches.LEVELS, limits):
            passes &= differs[:, : 64 * level].sum(axis=1) <= limit
        assert recall - 0.005 <= passes.mean() < 1
        assert (limits < 64 * np.array(sketches.LEVELS) / 2).all()


def test_fewer_clusters_may_be_looked_into():
    x = vectors(4500, 1)
    everywhere, nearby = (semantic_duplicates(x, np.zeros(4500), Config(threshold=0.8, probe=n)) for n in (0, 2))
    check(x, nearby, 0.8)
    assert nearby.n_compared < everywhere.n_compared
    assert nearby.kept.sum() >= everywhere.kept.sum()


def grouped(n, seed, dim=512, n_groups=300):
    """The same about many middles: what k-means finds, and bounds rule out little."""
    rng = np.random.default_rng(seed)
    middles = unit(rng.normal(size=(n_groups, dim)))
    x = unit(rng.normal(size=(n, dim)) + 0.7 * np.sqrt(dim) * middles[rng.integers(0, n_groups, n)])
    originals, copies = rng.permutation(n)[: n // 2].reshape(2, -1)
    cosine = rng.uniform(0.8, 0.95, len(copies))[:, None]
    across = unit(rng.normal(size=(len(copies), dim)))
    x[copies] = unit(cosine * x[originals] + np.sqrt(1 - cosine**2) * across)
    return x


def parted(found, x, threshold):
    """Of the pairs over the threshold the share of which not both stay."""
    a, b = np.nonzero(np.triu(x @ x.T >= threshold, 1))
    assert len(a) > 500
    return (~(found.kept[a] & found.kept[b])).mean()


@pytest.mark.parametrize("kind", ["bounds", "sketches"])
def test_among_many_documents_the_nearest_clusters_do(kind, monkeypatch):
    x, threshold = (vectors(6000, 1, dim=256), 0.9) if kind == "bounds" else (grouped(6000, 2), 0.88)
    plain = semantic_duplicates(x, np.zeros(6000), Config(threshold=threshold))
    monkeypatch.setattr(semantic, "MANY_DOCUMENTS", 5000)
    asked = []
    measured = semantic._probe
    monkeypatch.setattr(semantic, "_probe", lambda *given: asked.append(measured(*given)) or asked[-1])
    found = semantic_duplicates(x, np.zeros(6000), Config(threshold=threshold))
    check(x, found, threshold)
    assert found.n_clusters == 77 and 1 < asked[0] < 77 and len(set(found.centroid)) > 60
    assert (plain.n_clusters == 0) == (kind == "sketches")
    assert found.n_compared < plain.n_compared
    assert parted(found, x, threshold) > 0.985
    again = semantic_duplicates(x, np.zeros(6000), Config(threshold=threshold))
    assert (again.kept_instead == found.kept_instead).all()
    fewer = semantic_duplicates(x, np.zeros(6000), Config(threshold=threshold, recall=0.8))
    assert asked[-1] < asked[0] and fewer.n_compared < found.n_compared
    exact = semantic_duplicates(x, np.zeros(6000), Config(threshold=threshold, recall=1))
    assert parted(exact, x, threshold) == 1


def test_sketches_in_cells_lie_in_files_too_and_know_documents_of_before(tmp_path):
    x, old = grouped(4500, 3), grouped(1000, 3)
    x[:50], x[50:60] = old[:50], 0
    config = Config(threshold=0.88, probe=5)
    found = semantic_duplicates(x, np.zeros(4500), config, against=old)
    check(x, found, 0.88, old)
    assert found.n_clusters == 74
    assert (found.kept_instead[:50] >= 4500).all() and found.kept[50:60].all()
    there = semantic_duplicates(x, np.zeros(4500), config, against=old, folder=tmp_path, memory_limit_bytes=40_000)
    assert (found.kept_instead == there.kept_instead).all()
    everywhere = semantic_duplicates(x, np.zeros(4500), Config(threshold=0.88, probe=74), against=old)
    sketched = semantic_duplicates(x, np.zeros(4500), Config(threshold=0.88), against=old)
    assert sketched.n_clusters == 0 and found.n_compared < everywhere.n_compared
    # all cells are the same as none, but for the limits, which are a little wider
    assert (sketched.kept | ~everywhere.kept).mean() > 0.999 and (everywhere.kept | ~sketched.kept).all()


def test_twins_have_the_thresholds_cosine_and_cells_enough_meet_them():
    x = grouped(2000, 4)
    twins = probes.twins_of(x, 0.9, 0)
    assert np.linalg.norm(twins, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.einsum("ne,ne->n", x, twins) == pytest.approx(0.9, abs=1e-5)
    centroids = unit(np.random.default_rng(0).normal(size=(50, 512)))
    needed = probes.needed(x, twins, centroids)
    home = np.argmax(twins @ centroids.T, axis=1)
    for i in range(0, 2000, 97):
        order = np.argsort(-(x[i] @ centroids.T)).tolist()
        assert needed[i] == order.index(home[i]) + 1
    enough = probes.enough(needed, 0.9)
    assert (needed <= enough).mean() >= 1 - probes.SHARE * 0.1 >= (needed <= enough - 1).mean()
    homes, near = probes.nearest(x, centroids, enough)
    assert near.shape == (2000, enough) and (near == homes[:, None]).any(axis=1).all()
    assert (near == home[:, None]).any(axis=1).mean() == (needed <= enough).mean()


def test_a_bound_is_no_smaller_than_the_cosine():
    x = vectors(300, 7)
    cosines = x @ x.T
    basis = directions(x[:200], 64)
    assert basis.T @ basis == pytest.approx(np.eye(64), abs=1e-5)
    for n in (1, 7, 31, 64):
        coordinates = x @ basis[:, :n]
        rest = rests(coordinates, (n,))[:, 0]
        bounds = coordinates @ coordinates.T + np.outer(rest, rest)
        assert np.diag(bounds) == pytest.approx(1, abs=1e-5)
        assert (bounds >= cosines - SLACK).all()
    assert bounds == pytest.approx(cosines, abs=SLACK)  # nothing is left out


def test_levels_follow_what_the_bounds_rule_out():
    x = unit(np.random.default_rng(0).normal(size=(300, 256)))
    coordinates = x @ directions(x, 128)
    assert levels_for(coordinates, 0.99)[-1] < 64
    assert levels_for(coordinates, 0.5)[-1] == 128
    assert levels_for(coordinates[:1], 0.8) == (8,)
    assert levels_for(coordinates[:, :3], 0.8) == (3,)


def test_short_forms_in_files_give_the_same(tmp_path):
    x = vectors(1000, 8)
    here = semantic_duplicates(x, np.zeros(1000), Config(n_clusters=30, threshold=0.9))
    there = semantic_duplicates(
        x, np.zeros(1000), Config(n_clusters=30, threshold=0.9), folder=tmp_path, memory_limit_bytes=40_000
    )
    assert (here.kept_instead == there.kept_instead).all() and (here.similarity == there.similarity).all()
    assert not list(tmp_path.iterdir())


def test_the_same_every_time_and_another_seed_another_clustering():
    x = vectors(1000, 2)
    config = Config(n_clusters=40)
    first, second = (semantic_duplicates(x, np.zeros(1000), config) for _ in range(2))
    assert (first.kept_instead == second.kept_instead).all() and (first.centroid == second.centroid).all()
    assert (first.similarity == second.similarity).all()
    other = semantic_duplicates(x, np.zeros(1000), Config(n_clusters=40, seed=1))
    assert (other.centroid != first.centroid).any()


def test_vectors_on_disk_give_the_same(tmp_path):
    x = vectors(1000, 3)
    np.save(tmp_path / "vectors.npy", x)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    config = Config(n_clusters=30)
    here, there = (semantic_duplicates(v, np.arange(1000), config) for v in (x, mapped))
    assert (here.kept_instead == there.kept_instead).all() and (here.similarity == there.similarity).all()


def test_progress_is_told(monkeypatch):
    x = vectors(1000, 3)
    x[10:30] = 0  # documents without a vector are not looked for
    quiet = semantic_duplicates(x, np.zeros(1000), Config(threshold=0.93))
    for at_once in (1, 64, 10_000):
        monkeypatch.setattr(semantic, "AT_ONCE", at_once)
        told = []
        found = semantic_duplicates(x, np.zeros(1000), Config(threshold=0.93), bar=told.append)
        assert (found.kept_instead == quiet.kept_instead).all() and (found.similarity == quiet.similarity).all()
        assert sum(told) == 980 and len(told) <= 980 // at_once + 1
    assert len(told) == 1


def test_half_precision_is_read():
    x = vectors(400, 4)
    found = semantic_duplicates(x.astype(np.float16), np.zeros(400), Config(threshold=0.93))
    instead, _ = slow_duplicates(x, np.zeros(400), 0.93)
    assert np.mean((found.kept_instead < 0) == (instead < 0)) > 0.99


def angle(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_a_chain_removes_only_what_resembles_a_document_that_stays():
    x = angle(0, 10, 20, 90)  # neighbours 10 degrees apart; the limit lies at 15
    threshold = float(np.cos(np.radians(15)))
    by_ends = semantic_duplicates(x, [3, 1, 2, 0], Config(threshold=threshold))
    assert by_ends.kept.tolist() == [True, False, True, True]
    assert by_ends.cluster.tolist() == [0, 0, 0, 3]
    by_middle = semantic_duplicates(x, [1, 3, 2, 0], Config(threshold=threshold))
    assert by_middle.kept_instead.tolist() == [1, -1, 1, -1]


def test_what_was_removed_removes_nothing():
    # 0 stays, 10 goes; 20 resembles only 10, so it stays and takes 30 with it
    found = semantic_duplicates(angle(0, 10, 20, 30), [4, 3, 2, 1], Config(threshold=float(np.cos(np.radians(12)))))
    assert found.kept_instead.tolist() == [-1, 0, -1, 2]


def test_of_equal_documents_the_preferred_and_of_equally_preferred_the_earlier_stays():
    x = angle(5, 5, 5, 90)
    assert semantic_duplicates(x, [0, 0, 0, 0]).kept_instead.tolist() == [-1, 0, 0, -1]
    assert semantic_duplicates(x, [0.1, 0.9, 0.5, 0]).kept_instead.tolist() == [1, -1, 1, -1]


def test_documents_of_before_stay_whatever_comes():
    old, new = angle(0, 60), angle(2, 30, 31, 61)
    found = semantic_duplicates(new, [9, 1, 2, 9], Config(threshold=0.99), against=old)
    assert found.kept_instead.tolist() == [4, 2, -1, 5]
    x, y = vectors(400, 5), vectors(400, 6)
    y[:100] = x[:100]
    for settings in ({}, {"n_clusters": 20}):
        found = semantic_duplicates(y, np.zeros(400), Config(threshold=0.93, **settings), against=x)
        check(y, found, 0.93, x)
        assert (found.kept_instead[:100] >= 400).all()
        # all pairs: what resembles an old document goes, then the rule among the rest
        old_twin = (y @ x.T >= 0.93).any(axis=1)
        assert (found.kept_instead[old_twin] >= 0).all()
        among, _ = slow_duplicates(y[~old_twin], np.zeros((~old_twin).sum()), 0.93)
        assert (found.kept[~old_twin] == (among < 0)).all()


def test_nothing_and_texts_without_a_vector():
    assert semantic_duplicates(np.zeros((0, 8), dtype=np.float32), []).kept.tolist() == []
    assert semantic_duplicates(np.zeros((3, 8), dtype=np.float32), [0, 0, 0]).kept.all()


def test_many_documents_of_which_hardly_any_has_a_vector(monkeypatch):
    monkeypatch.setattr(semantic, "MANY_DOCUMENTS", 1000)
    x = np.zeros((4200, 512), dtype=np.float32)
    assert semantic_duplicates(x, np.zeros(4200)).kept.all()
    x[[7, 4000]] = grouped(8, 0)[0]
    for vectors_NE in (x, np.concatenate([x, x])):  # all alike, where there are any
        found = semantic_duplicates(vectors_NE, np.zeros(len(vectors_NE)), Config(threshold=0.88))
        assert np.flatnonzero(found.kept_instead >= 0).tolist() == [4000, 4207, 8200][: len(vectors_NE) // 4200 * 2 - 1]


@pytest.mark.parametrize(
    "settings", [{"threshold": 0}, {"threshold": 2}, {"probe": -1}, {"n_clusters": -1}, {"recall": 0}, {"recall": 1.1}]
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigError):
        Config(**settings)


def test_a_preference_for_each_document_is_needed():
    with pytest.raises(ConfigError, match="preference"):
        semantic_duplicates(angle(1, 2), [1])


def test_reworded_sentences_go_and_other_sentences_stay():
    """Sentences with their words in another order: the same vector where order is not seen, nearly so elsewhere."""
    texts = [
        "The river rose quickly after three days of heavy rain in the mountains.",
        "After three days of heavy rain in the mountains, the river rose quickly.",
        "The museum opens a new wing for modern sculpture next spring.",
        "Next spring the museum opens a new wing for modern sculpture.",
        "Prices of bread and milk fell slightly during the summer.",
    ]
    x = embeddings.embedder("character-ngrams").embed(texts)
    config = Config(threshold=embeddings.THRESHOLDS["character-ngrams"])
    assert semantic_duplicates(x, [0, 1, 1, 0, 0], config).kept_instead.tolist() == [1, -1, -1, 2, -1]
