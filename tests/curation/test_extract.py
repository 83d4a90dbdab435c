"""Text out of HTML. Needs the extra `web` (resiliparse, trafilatura); without it the tests skip, saying so."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("resiliparse", reason="the extra `web` is not installed: pip install 'herdbook[web]'")

from resiliparse.parse.html import HTMLTree

from herdbook.curation import extract
from herdbook.curation.extract import blocks, classifier, source
from herdbook.errors import ConfigError

SENTENCE = "The river rises in the hills, runs past three old towns and reaches the sea after a hundred miles. "
MENU = "".join(f'<li><a href="/{i}">Section {i}</a></li>' for i in range(12))
PAGE = f"""<!doctype html><html><head><title>Rivers</title><script>var x = "not text";</script></head><body>
<nav><ul>{MENU}</ul></nav>
<article><h1>The river</h1><p>{SENTENCE * 4}</p><p>{SENTENCE * 3}</p>
<h2>How to cross</h2><ul><li>{SENTENCE}</li><li>{SENTENCE}</li></ul>
<pre><code>def cross(river):
    return river.width &lt; 10</code></pre>
<p>{SENTENCE * 2}<img src="a.png" alt="A bridge of stone over the river"></p></article>
<footer><ul>{MENU}</ul><p>Copyright, all rights reserved</p></footer></body></html>"""


def test_the_text_stays_and_the_menu_goes():
    found = extract.extract(PAGE)
    assert found.extractor == "blocks"
    assert found.text.count(SENTENCE.strip()) == 11
    assert "Section 7" not in found.text
    assert "Copyright" not in found.text
    assert "not text" not in found.text
    assert "    return river.width < 10" in found.text, "code keeps its lines and indentation"
    assert f"- {SENTENCE.strip()}\n- {SENTENCE.strip()}" in found.text, "lists keep their bullets"
    assert "A bridge of stone over the river" in found.text, "pictures keep their alternative text"


def test_blocks_say_what_stands_on_the_page():
    found = blocks.blocks_of(HTMLTree.parse(PAGE))
    by_text = {block.text: block for block in found}
    assert by_text["The river"].tag == "h1"
    assert by_text["Section 3"].link_characters == len("Section 3")
    assert not by_text["Section 3"].main
    assert by_text[(SENTENCE * 3).strip()].main
    assert blocks.features(found).shape == (len(found), len(blocks.FEATURES))


def test_features_know_their_neighbours():
    def block(text, tag="p", links=0, main=True):
        return blocks.Block(tag, text, links, main)

    rows = blocks.features([block("a" * 50), block("b" * 30 + ".", "h2"), block("c, d", "li", 4, False)])
    column = blocks.FEATURES.index
    assert rows[:, column("heading")].tolist() == [0, 1, 0]
    assert rows[:, column("heading_+1")].tolist() == [1, 0, 0]
    assert rows[:, column("heading_-1")].tolist() == [0, 0, 1]
    assert rows[:, column("links_+2")].tolist() == [1, 0, 0]
    assert rows[:, column("end_mark")].tolist() == [0, 1, 0]
    assert rows[:, column("main")].tolist() == [1, 1, 0]
    assert rows[0, column("main_share")] == pytest.approx(81 / 85)
    assert blocks.features([]).shape == (0, len(blocks.FEATURES))
    assert np.isfinite(blocks.features([block("x")])).all()


def test_formulas_become_tex():
    note = '<annotation encoding="application/x-tex">b_1</annotation>'
    markup = f'<p>So <script type="math/tex">a^2</script> and <math><mi>b</mi>{note}</math>'
    assert source.with_tex(markup) == "<p>So $a^2$ and $b_1$"
    assert source.with_tex("<math><mi>b</mi></math>") == "<math><mi>b</mi></math>"


@pytest.mark.parametrize(
    "encoding, head",
    [("utf-8", ""), ("euc-kr", '<meta charset="euc-kr">'), ("shift_jis", '<meta charset="shift_jis">')],
)
def test_encodings(encoding, head):
    words = {"utf-8": "naïve café", "euc-kr": "대한민국의 수도는 서울이다", "shift_jis": "東京は日本の首都です"}[
        encoding
    ]
    sent = f"<html><head>{head}</head><body><article><p>{(words + '. ') * 30}</p></article></body></html>"
    assert words in extract.extract(sent.encode(encoding)).text


@pytest.mark.parametrize(
    "hostile",
    [
        b"", b"\x00" * 1000, b"\xff\xfe\xff", b"<" * 100_000, b"<div>" * 50_000 + b"deep", b"<p>" * 100_000,
        b'<table><tr><td colspan="99999999">x</td></tr></table>', b"&#x110000; &#0; &amp" * 100, b"<!--" * 1000,
        "<p>\ud800</p>".encode("utf-8", "surrogatepass"), b"<a href=" * 10_000,
    ],
)  # fmt: skip
def test_hostile_pages_give_a_poor_text_or_a_reason(hostile):
    began = time.monotonic()
    found = extract.extract(hostile)
    assert found.text or found.problem
    assert time.monotonic() - began < 20


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400) | st.text(alphabet="<>/ap\"'=&;! dliv\u00e9", max_size=400))
def test_nothing_brings_it_down(given_page):
    found = extract.extract(given_page)
    assert found.extractor in ("blocks", "none")
    assert bool(found.text) == (found.extractor == "blocks")


@pytest.mark.parametrize(
    "markup, expected",
    [("<div><p>a<p>b</div>", 1), ("<div>" * 9 + "</div>" * 9 + "<b>" * 3, 9), ("</b>" * 5 + "<i><u><br><br>", 2)],
)
def test_depth(markup, expected):
    assert source.depth(markup, look_from=0) == expected
    assert source.depth(markup) == 0


def test_too_deep_pages_are_named():
    assert extract.extract("<div>" * 4000 + "deep").problem == "too_deep"
    assert extract.extract("<p>short<br>" * 4000).text


def test_too_large_pages_are_named():
    assert extract.extract(b"x" * 100, extract.Config(max_page_bytes=99)).problem == "too_large"
    with pytest.raises(ConfigError):
        extract.Config(min_probability=2)


def test_uncertainty_is_the_share_of_characters_on_the_wrong_side():
    found = [blocks.Block("p", "x" * 50, 0, True), blocks.Block("p", "y" * 500, 0, True)]
    sure = classifier.uncertainty(found, np.array([0.0, 1.0], np.float32), 0.4)
    unsure = classifier.uncertainty(found, np.array([0.3, 0.9], np.float32), 0.4)
    assert sure == 0
    assert unsure == pytest.approx((50 * 0.3 + 100 * 0.1) / 100)
    assert classifier.uncertainty(found, np.array([0.1, 0.1], np.float32), 0.4) > 1


class Asked:
    """Stands for the second reader."""

    def __init__(self, *answer):
        self.answer = answer
        self.pages = 0

    def extract(self, text, seconds):
        self.pages += 1
        return self.answer


def test_the_second_reader_is_asked_only_where_the_first_is_unsure():
    asked = Asked("another text", "")
    assert extract.extract(PAGE, extract.Config(max_uncertainty=10), asked).extractor == "blocks"
    assert asked.pages == 0
    found = extract.extract(PAGE, extract.Config(max_uncertainty=-1), asked)
    assert (found.text, found.extractor) == ("another text\n", "trafilatura")
    failing = extract.extract(PAGE, extract.Config(max_uncertainty=-1), Asked("", "time_limit"))
    assert (failing.extractor, failing.problem) == ("blocks", "time_limit")
    assert SENTENCE.strip() in failing.text


@pytest.mark.slow
def test_a_second_reader_that_takes_too_long_is_stopped_and_started_again():
    pytest.importorskip("trafilatura")
    with extract.SecondOpinion() as second:
        text, problem = second.extract(PAGE, 30)
        assert SENTENCE.strip() in text
        assert problem == ""
        assert second.extract("<p>x</p>" * 200_000, 0.05) == ("", "time_limit")
        text, problem = second.extract(PAGE, 30)
        assert SENTENCE.strip() in text
        assert second.n_pages == 2
        assert second.cpu_seconds > 0
