"""The parts of benchmarks/curation_ablation.py that decide what is compared: arms, intervals, mix, overlap."""

import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from herdbook.curation.curate_stage import Config
from herdbook.curation.engine.pipeline import step_names


@pytest.fixture
def ablation(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield importlib.import_module("curation_ablation"), importlib.import_module("_web_mix")
    for name in ("curation_ablation", "_web_mix", "_bench"):
        sys.modules.pop(name, None)


def test_each_arm_adds_steps_and_skips_only_steps_that_there_are(ablation):
    script, _ = ablation
    before: set[str] = set()
    for arm, steps in script.ARMS.items():
        assert before < set(steps) <= set(step_names()), arm
        before = set(steps)
        Config(skip=tuple(script.skipped(arm)))  # refuses a step that there is not
        assert set(script.skipped(arm)).isdisjoint(steps)


def test_interval_is_students(ablation):
    script, _ = ablation
    for n, inside in ((2, lambda t: 2 / math.pi * math.atan(t)), (3, lambda t: t / math.sqrt(2 + t * t))):
        assert inside(script.T_95[n]) == pytest.approx(
            0.95, abs=1e-4
        )  # the distribution with 1 and 2 degrees of freedom
    values = [2.31, 2.35, 2.30]
    mean, half = script.interval(values)
    assert mean == pytest.approx(2.32)
    assert half == pytest.approx(4.303 * math.sqrt((0.01**2 + 0.03**2 + 0.02**2) / 2 / 3))
    assert script.interval([2.0]) == (2.0, 0.0)


def test_verdict_needs_an_interval_beside_zero(ablation):
    script, _ = ablation
    assert script.verdict((-0.02, 0.01)) == "helps"
    assert script.verdict((0.02, 0.01)) == "harms"
    assert script.verdict((-0.02, 0.03)) == "no difference shown"


def test_the_draw_knows_ids_and_not_the_order(ablation):
    _, mix = ablation
    texts = [mix.Text(f"d{i}", "s", "x" * 100) for i in range(100)]
    drawn = mix.draw(texts, 0.001)
    assert len(drawn) == 10
    assert mix.draw(texts[::-1], 0.001) == drawn
    copies = mix.captured_again([mix.Text(f"page/{i}", "s", "the text") for i in range(500)])
    assert 4 * 20 <= len(copies) <= 4 * 65  # 8 % of the pages, four times each
    assert all(copy.artificial and copy.text.endswith("\nthe text") for copy in copies)
    assert len({copy.id for copy in copies}) == len(copies)


def test_a_held_out_text_that_the_mix_has_goes(ablation):
    _, mix = ablation
    rng = np.random.default_rng(0)

    def text(n: int) -> str:
        return " ".join(f"w{i}" for i in rng.integers(0, 5000, n))

    known, new, partly = text(200), text(200), text(200)
    clean = {"news": [mix.Text(str(i), "news", t) for i, t in enumerate((known, new, partly))]}
    corpus = [text(300), text(50) + " " + known, " ".join(partly.split()[:60]), text(300)]
    stays, gone = mix.without_overlap(clean, corpus)
    assert [t.id for t in stays["news"]] == ["1"]
    assert gone == {"news": 2}


def test_articles_are_either_in_the_mix_or_positives(ablation, tmp_path):
    _, mix = ablation
    import gzip

    folder = tmp_path / "text" / "enwiki-2015"
    folder.mkdir(parents=True)
    rows = [json.dumps({"id": str(i), "text": "t", "url": "u"}) for i in range(60)]
    (folder / "enwiki-2015.jsonl.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    first, second = ({t.id for t in mix.articles(tmp_path, part)} for part in (True, False))
    assert first and second and not first & second and len(first | second) == 60


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_noise_of_a_passage_without_words_is_no_error(text):
    from herdbook.curation.quality.noise import NOISES, noise

    for kind in NOISES:
        assert isinstance(noise(kind, text, "", np.random.default_rng(0)), str)
