"""Classifiers of quality and what measures them."""

import random

import numpy as np
import pyarrow as pa
import pytest

from herdbook.curation.quality import (
    fasttext_classifier,
    hashed_ngrams,
    judged_classifier,
    linear_head,
    reference_classifier,
    step,
)
from herdbook.curation.quality.calibration import Calibration, expected_calibration_error, isotonic, reliability
from herdbook.curation.quality.evaluation import keep_rates
from herdbook.curation.quality.fasttext_classifier import FastText
from herdbook.curation.quality.measures import auc, best_cut, f1, interval, kappa, ranks, spearman
from herdbook.curation.quality.quality_model import QualityModel, embed_by
from herdbook.curation.quality.references import reference_files, rows_of, sample_texts
from herdbook.curation.quality.scored_text import part_of, plain_line, scored_part, share_of
from herdbook.curation.quality.train_stage import Config as TrainConfig
from herdbook.errors import ArtifactError, ConfigError, InputError
from herdbook.storage import sha256_file

FORMAL = (
    "the river rises in northern province and flows through three districts before it reaches sea its basin covers "
    "about nine hundred square kilometres according to survey published by institute of geography century history "
    "empire treaty population species genus described climate railway opened parliament university founded"
).split()
CASUAL = (
    "hey lol u coming tonight omg cant wait call me asap free prize click win cash now text stop love ya dude gonna "
    "wanna haha so bored rn pls send pics best deal ever follow subscribe like share winner bonus guys yeah nah"
).split()


def formal(rng: random.Random, n: int = 40) -> str:
    return " ".join(rng.choice(FORMAL) for _ in range(n)).capitalize() + "."


def casual(rng: random.Random, n: int = 40) -> str:
    return " ".join(rng.choice(CASUAL) for _ in range(n)) + "!!"


@pytest.fixture(scope="module")
def texts() -> tuple[list[str], np.ndarray]:
    rng = random.Random(1)
    rows = [formal(rng) for _ in range(300)] + [casual(rng) for _ in range(300)]
    return rows, np.arange(600) < 300


@pytest.fixture(scope="module")
def reference(texts: tuple[list[str], np.ndarray]) -> QualityModel:
    rows, _ = texts
    return reference_classifier.train(rows[:300], rows[300:], fasttext_classifier.Config(buckets=2000, dim=8))[0]


def test_measures_by_hand() -> None:
    a, b = np.array([True, True, False, False]), np.array([True, False, False, False])
    assert kappa(a, b) == pytest.approx(0.5)  # agreed 0.75, by chance 0.5
    assert kappa(a, a) == 1
    assert kappa(np.array([True, True]), np.array([True, False])) == 0
    assert f1(a, b) == pytest.approx(2 / 3)
    assert auc(np.array([3.0, 1.0]), np.array([2.0, 1.0])) == pytest.approx(2.5 / 4)
    assert ranks(np.array([5.0, 1.0, 5.0])).tolist() == [2.5, 1.0, 2.5]
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 11.0, 99.0])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 1.0]), np.array([1.0, 2.0])) is None
    assert best_cut(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]), f1) == pytest.approx(0.5)
    low, high = interval(400, lambda rows: float((rows % 2).mean()))
    assert 0.4 < low < 0.5 < high < 0.6


def test_spearman_of_real_ranks_equals_the_slow_definition() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 60).astype(float), rng.integers(0, 9, 60).astype(float)
    slow = [[(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x] for x in (a, b)]
    assert spearman(a, b) == pytest.approx(np.corrcoef(*slow)[0, 1])


def test_isotonic_calibration_keeps_the_order_and_mends_the_level() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(4000)
    good = rng.random(4000) < truth
    raw = truth**3  # far too low on the whole
    fitted = isotonic(raw[:2000], good[:2000])
    before, after = (expected_calibration_error(s[2000:], good[2000:]) for s in (raw, fitted(raw)))
    assert before > 0.15
    assert after < 0.04
    line = fitted(np.linspace(0, 1, 1001))
    assert (np.diff(line) >= 0).all()
    assert auc(fitted(raw)[good], fitted(raw)[~good]) == pytest.approx(auc(raw[good], raw[~good]), abs=0.005)
    assert isotonic(raw[:5], np.ones(5, dtype=bool)) == Calibration()
    rows = reliability(np.array([0.05, 0.07, 1.0]), np.array([False, True, True]))
    assert [row["n"] for row in rows] == [2] + [0] * 8 + [1]
    assert (rows[0]["predicted"], rows[0]["true"], rows[5]["true"]) == (0.06, 0.5, None)


def test_what_a_classifier_sees() -> None:
    assert plain_line('Say,\n  "Hi" 東京タワー\0 __label__good') == 'say , " hi " 東 京 タ ワ ー label good'.replace(
        "label good", "labelgood"
    )
    long = " ".join(f"w{i}" for i in range(5000))
    part = scored_part(long, 100)
    assert len(part) <= 700
    assert part.startswith("w0 ")
    assert part.endswith("w4999")
    shares = np.array([share_of(f"text number {i}") for i in range(3000)])
    assert abs(shares.mean() - 0.5) < 0.02
    assert share_of("  Text  NUMBER 1") == share_of("text number 1")
    assert {part_of(f"text number {i}") for i in range(99)} == {"train", "calibration", "test"}


def test_the_reference_classifier(texts: tuple[list[str], np.ndarray], tmp_path) -> None:
    rows, _ = texts
    config = fasttext_classifier.Config(buckets=2000, dim=8)
    model, figures = reference_classifier.train(rows[:300], [*rows[300:], rows[0]], config, 5)
    assert figures["auc"] > 0.98
    assert figures["texts"]["train"] + figures["texts"]["calibration"] + figures["texts"]["test"] == 600
    assert figures["calibration_error"] < 0.2
    rng = random.Random(7)
    good, bad = model.scores([formal(rng) for _ in range(20)]), model.scores([casual(rng) for _ in range(20)])
    assert good.min() > model.cut > bad.max()
    paths = []
    for name in ("a", "b"):  # the same seed gives the same bytes
        (tmp_path / name).mkdir()
        again, same = reference_classifier.train(rows[:300], [*rows[300:], rows[0]], config, 5)
        again.save(tmp_path / name)
        paths.append(sha256_file(tmp_path / name / "fasttext.bin"))
        assert same == figures
    assert paths[0] == paths[1]
    loaded = QualityModel.load(tmp_path / "a")
    assert (loaded.scores(rows[:5]) == model.scores(rows[:5])).all()
    assert (loaded.column, loaded.cut) == ("quality_reference", model.cut)
    with pytest.raises(InputError, match="too few"):
        reference_classifier.train(rows[:20], rows[300:], config)


def test_hostile_texts_neither_label_themselves_nor_stop_the_scoring(reference: QualityModel) -> None:
    strange = [
        "",
        "\n\n",
        "\0" * 9,
        "\ud800 lone",
        "__label__good " * 50,
        "x" * 200_000,
        "東京" * 999,
        "a\u2028b\u0085c",
    ]
    scores = reference.scores(strange)
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    lines = [f"__label__good {text}" for text in (casual(random.Random(i)) for i in range(120))]
    trained = fasttext_classifier.train(
        [*lines, *(formal(random.Random(i)) for i in range(120))],
        np.arange(240) >= 120,
        fasttext_classifier.Config(buckets=500, dim=4),
    )
    assert trained.scores(lines[:9]).max() < 0.5


def test_damaged_models_are_refused(reference: QualityModel, tmp_path) -> None:
    reference.save(tmp_path)
    (tmp_path / "fasttext.bin").write_bytes(b"no model" * 9)
    with pytest.raises(ArtifactError, match=r"fasttext\.bin"):
        FastText.load(tmp_path / "fasttext.bin")
    (tmp_path / "model.json").write_text('{"method": "judged"}')
    with pytest.raises(ArtifactError, match="describes no model"):
        QualityModel.load(tmp_path)
    with pytest.raises(InputError):
        QualityModel.load(tmp_path / "none")


def test_hashed_ngrams_do_not_depend_on_the_batch() -> None:
    some = ["Ein Satz über Flüsse.", "", "ab", "대한민국의 수도는 서울이다.", "Ein Satz über Flüsse!"]
    whole = hashed_ngrams.embed(some)
    np.testing.assert_array_equal(whole, np.concatenate([hashed_ngrams.embed([text]) for text in some]))
    norms = np.linalg.norm(whole, axis=1)
    np.testing.assert_allclose(norms[[0, 2, 3, 4]], 1, atol=1e-5)
    assert whole[0] @ whole[4] > 0.8 > 0.2 > abs(whole[0] @ whole[3])


def test_the_linear_head_finds_the_minimum() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    good = rng.random(400) < 1 / (1 + np.exp(-(x @ [2.0, -1, 0, 0, 0.5] - 1)))
    head = linear_head.fit(x, good, linear_head.Config(l2=0.5))
    z = (x - head.mean) / head.scale
    p = 1 / (1 + np.exp(-(z @ head.weights + head.bias)))
    weight = np.where(good, 0.5 / good.mean(), 0.5 / (1 - good.mean()))
    gradient = z.T @ (weight * (p - good)) + 0.5 * head.weights
    assert np.abs(gradient).max() < 1e-3
    assert abs((weight * (p - good)).sum()) < 1e-3


def test_judged_classifiers(texts: tuple[list[str], np.ndarray], tmp_path) -> None:
    rows, good = texts
    noisy = good ^ (np.random.default_rng(0).random(600) < 0.1)  # a judge that errs in a tenth of the cases
    settings = (fasttext_classifier.Config(buckets=2000, dim=8), linear_head.Config(l2=10))
    model, figures = judged_classifier.train(rows, noisy, "best", *settings)
    assert set(figures["classifiers"]) == {"fasttext", "linear"}
    assert all(
        0.7 < f["auc"] < 0.98 for f in figures["classifiers"].values()
    )  # measured against the judge's errors too
    rng = random.Random(9)
    fresh = [formal(rng) for _ in range(30)] + [casual(rng) for _ in range(30)]
    scores = model.scores(fresh)
    assert auc(scores[:30], scores[30:]) > 0.98  # the errors are not learnt
    linear, figures = judged_classifier.train(rows, noisy, "linear", *settings)
    assert figures["scorer"] == "linear"
    linear.save(tmp_path)
    loaded = QualityModel.load(tmp_path)
    np.testing.assert_allclose(loaded.scores(fresh), linear.scores(fresh), atol=1e-12)

    def other(given):
        return hashed_ngrams.embed(given)[:, :64]

    own, _ = judged_classifier.train(rows, good, "linear", *settings, embed=other, embedder="mine")
    own.save(tmp_path)
    with pytest.raises(ArtifactError, match="mine"):
        QualityModel.load(tmp_path)
    np.testing.assert_allclose(QualityModel.load(tmp_path, other).scores(fresh), own.scores(fresh), atol=1e-12)
    named = "character-ngrams"  # an embedder by name is found again by its name
    assert embed_by(named)(["word"]).shape != embed_by("hashed_ngrams")(["word"]).shape
    own, _ = judged_classifier.train(rows, good, "linear", *settings, embed=embed_by(named), embedder=named)
    own.save(tmp_path)
    np.testing.assert_allclose(QualityModel.load(tmp_path).scores(fresh), own.scores(fresh), atol=1e-12)
    with pytest.raises(ConfigError, match="embedder must be one of hashed_ngrams, wordllama"):
        TrainConfig(embedder="word2vec")
    with pytest.raises(InputError, match="too few"):
        judged_classifier.train(rows, np.arange(600) < 5, "best", *settings)


def test_the_step_measures_and_judges(reference: QualityModel) -> None:
    rng = random.Random(3)
    rows = [formal(rng), casual(rng), casual(rng, 10), "def f(): pass", casual(rng)]
    table = pa.table({
        "text": pa.array(rows, pa.large_string()), "kind": ["prose", "prose", "prose", "code", "prose"],
        "language": ["en", "en", "en", None, "ko"],
    })  # fmt: skip
    config = step.Config(min_reference=0.5, min_reference_by_language={"ko": 0.0}, min_words=20)
    columns = step.measure(table, config, [reference])
    assert columns.column_names == ["quality_reference", "quality_n_words"]
    assert columns.column("quality_reference").null_count == 1
    halves = [step.measure(table.slice(start, n), config, [reference]) for start, n in ((0, 2), (2, 3))]
    assert pa.concat_tables(halves).equals(columns)
    signals = {name: columns.column(name).to_numpy() for name in columns.column_names}
    signals["language"] = np.array(["en", "en", "en", None, "ko"], dtype=object)
    ((reason, broken),) = step.rules(signals, config)
    assert reason == "low_quality_reference"
    assert broken.tolist() == [
        False,
        True,
        False,
        False,
        False,
    ]  # short, code, and a language with its own threshold stay
    assert not step.rules(signals, step.Config())[0][1].any()
    with pytest.raises(ConfigError, match="between 0 and 1"):
        step.Config(min_judged_by_language={"en": 7})


def test_keep_rates() -> None:
    rates = keep_rates(np.array([True, False, True]), ["web", "web", None])
    assert rates == {"web": {"documents": 2, "keep_rate": 0.5}, "unknown": {"documents": 1, "keep_rate": 1.0}}
    assert list(rates) == ["web", "unknown"]


def test_positives_are_read_from_files(tmp_path) -> None:
    import gzip
    import json

    import pyarrow.parquet as pq

    words = " ".join(f"word{i}" for i in range(30))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": f"{n} {words}"}) + "\n" for n in range(5)) + "\n")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write(json.dumps({"text": f"0 {words}"}) + "\n" + json.dumps({"text": "short"}) + "\n")
    pq.write_table(pa.table({"text": [f"parquet {words}"]}), tmp_path / "c.parquet")
    (tmp_path / "d.txt").write_text("\n\n".join(f"block {n} {words}" for n in range(14)))
    (tmp_path / "e.png").write_bytes(b"x")
    files = reference_files([str(tmp_path)])
    assert [f.name for f in files] == ["a.jsonl", "b.jsonl.gz", "c.parquet", "d.txt"]
    found = sample_texts(files, 99, np.random.default_rng(0))
    assert len(found) == 5 + 1 + 2  # the repeated one once, the short one not, 14 paragraphs as two passages
    assert len(set(sample_texts(files, 4, np.random.default_rng(0)))) == 4
    (tmp_path / "bad.jsonl").write_text('{"text": 3}\n')
    (tmp_path / "worse.jsonl").write_text("{\n")
    (tmp_path / "cut.jsonl.gz").write_bytes((tmp_path / "b.jsonl.gz").read_bytes()[:30])
    (tmp_path / "no.parquet").write_bytes(b"PAR1")
    for name in ("bad.jsonl", "worse.jsonl", "cut.jsonl.gz", "no.parquet"):
        with pytest.raises(InputError, match=name):
            list(rows_of(tmp_path / name))
    for wrong in ("none.txt", "e.png"):
        with pytest.raises(InputError, match=wrong):
            reference_files([str(tmp_path / wrong)])
