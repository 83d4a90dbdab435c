"""Bootstrap intervals: right centre, right width, right unit of resampling."""

from __future__ import annotations

import numpy as np
import pytest

from herdbook.evaluate.statistics import Interval, bootstrap_difference, bootstrap_mean, bootstrap_ratio


def slow_bootstrap_mean(values, clusters, n, seed):
    """The obvious twin: one resample at a time, one fact at a time, answers gathered in lists."""
    facts = sorted(set(clusters))
    answers = {fact: [v for v, c in zip(values, clusters, strict=True) if c == fact] for fact in facts}
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(n):
        drawn = [answers[facts[i]] for i in rng.integers(0, len(facts), size=len(facts))]
        flat = [v for group in drawn for v in group]
        means.append(sum(flat) / len(flat))
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def test_equals_the_slow_twin():
    rng = np.random.default_rng(3)
    clusters = [f"fact-{i}" for i in rng.integers(0, 40, size=150)]
    values = rng.integers(0, 2, size=150).astype(float)
    fast = bootstrap_mean(values, clusters, n=300, seed=11)
    assert fast.value == pytest.approx(values.mean())
    assert (fast.low, fast.high) == pytest.approx(slow_bootstrap_mean(values, clusters, 300, 11))
    assert fast.n == 150


def test_blocks_do_not_change_the_draws(monkeypatch):
    values = np.random.default_rng(0).random(30)
    whole = bootstrap_mean(values, n=100, seed=1)
    monkeypatch.setattr("herdbook.evaluate.statistics._DRAWS_PER_BLOCK", 70)
    assert bootstrap_mean(values, n=100, seed=1) == whole


def test_width_is_that_of_the_normal_interval_for_independent_values():
    values = np.random.default_rng(5).random(400) < 0.3
    interval = bootstrap_mean(values, n=4000, seed=0)
    mean = values.mean()
    half_width = 1.96 * np.sqrt(mean * (1 - mean) / 400)
    assert interval.low == pytest.approx(mean - half_width, abs=0.006)
    assert interval.high == pytest.approx(mean + half_width, abs=0.006)


def test_answers_that_repeat_a_fact_do_not_narrow_the_interval():
    per_fact = (np.random.default_rng(1).random(100) < 0.5).astype(float)
    single = bootstrap_mean(per_fact, np.arange(100), seed=2)
    repeated = bootstrap_mean(np.repeat(per_fact, 9), np.repeat(np.arange(100), 9), seed=2)
    naive = bootstrap_mean(np.repeat(per_fact, 9), None, seed=2)
    assert (repeated.low, repeated.high) == pytest.approx((single.low, single.high))
    assert naive.high - naive.low < 0.5 * (repeated.high - repeated.low)
    assert (single.n, repeated.n) == (100, 900)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    """300 worlds of 60 facts with 3 answers each; the truth (0.6) must lie inside in 88 to 99 % of them."""
    rng = np.random.default_rng(9)
    covered = 0
    for world in range(300):
        skill = rng.beta(3, 2, size=60)  # mean 0.6
        values = (rng.random((60, 3)) < skill[:, None]).ravel()
        interval = bootstrap_mean(values, np.repeat(np.arange(60), 3), n=400, seed=world)
        covered += interval.low <= 0.6 <= interval.high
    assert 0.88 <= covered / 300 <= 0.99


def test_same_seed_same_bounds_and_order_of_rows_is_irrelevant():
    rng = np.random.default_rng(4)
    values, clusters = rng.integers(0, 2, size=200).astype(float), rng.integers(0, 50, size=200)
    order = rng.permutation(200)
    first = bootstrap_mean(values, clusters, seed=7)
    assert bootstrap_mean(values, clusters, seed=7) == first
    assert bootstrap_mean(values[order], clusters[order], seed=7) == first
    assert bootstrap_mean(values, clusters, seed=8) != first


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.1157), (1.0, 0.8843, 1.0)])
def test_no_spread_gives_the_exact_binomial_bound(value, low, high):
    interval = bootstrap_mean([value] * 60, np.repeat(np.arange(30), 2))
    assert interval == pytest.approx(Interval(value, low, high, 60), abs=1e-4)


def test_paired_difference_is_narrower_than_the_unpaired_widths_say():
    rng = np.random.default_rng(6)
    difficulty = rng.random(300)
    a = (difficulty < 0.65).astype(float)
    b = (difficulty < 0.60).astype(float)
    paired = bootstrap_difference(a, b, seed=0)
    assert paired.value == pytest.approx(a.mean() - b.mean())
    assert paired.excludes(0.0)
    assert bootstrap_mean(a).low < bootstrap_mean(b).high  # the two intervals overlap; the paired one decides


def test_ratio_is_weighted_by_its_denominators():
    bits, size = np.array([10.0, 400.0, 30.0]), np.array([10.0, 200.0, 10.0])
    interval = bootstrap_ratio(bits, size, clusters=["a", "b", "c"])
    assert interval.value == pytest.approx(440 / 220)
    assert 1.0 <= interval.low < interval.value < interval.high <= 3.0


def test_a_thousand_facts_and_two_thousand_resamples_take_well_under_a_second():
    import time

    values = np.random.default_rng(0).random(3000)
    start = time.process_time()
    bootstrap_mean(values, np.repeat(np.arange(1000), 3))
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_mean([]), "non-empty"),
        (lambda: bootstrap_mean([1.0, float("nan")]), "not finite"),
        (lambda: bootstrap_mean([1.0, 0.0], ["a"]), "2 values"),
        (lambda: bootstrap_mean([1.0], n=0), "resamples"),
        (lambda: bootstrap_mean([1.0], confidence=1.0), "between 0 and 1"),
        (lambda: bootstrap_ratio([1.0], [0.0]), "positive"),
        (lambda: bootstrap_ratio([1.0, 2.0], [1.0]), "1 denominators"),
        (lambda: bootstrap_difference([1.0, 2.0], [1.0]), "1 in b"),
    ],
)
def test_bad_input_says_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_few_shots_show_how_to_abstain():
    from herdbook.evaluate.stage import few_shots

    rows = [
        {"type": "module", "known": True, "text": "a"},
        {"type": "describe", "known": False, "text": "b"},
        {"type": "name", "known": True, "text": "c"},
        {"type": "name", "known": True, "text": "d"},
        {"type": "describe", "known": True, "text": "e"},
        {"type": "describe", "known": True, "text": "f"},
    ]
    assert [row["text"] for row in few_shots(rows)] == ["b", "c", "e"]


def test_shots_that_do_not_fit_are_left_out():
    from herdbook.evaluate.ask import fitting_prompt, plain_prompt

    class Letters:
        def encode(self, text, bos=False):
            return [0] * bos + list(text.encode())

    shots = [{"text": "one", "expected": "1" * 40}, {"text": "two", "expected": "2"}]
    whole, short, none = (plain_prompt(Letters(), "q", some) for some in (shots, shots[1:], []))
    assert fitting_prompt(Letters(), "q", shots, len(whole)) == whole
    assert fitting_prompt(Letters(), "q", shots, len(whole) - 1) == short
    assert fitting_prompt(Letters(), "q", shots, 3) == none
