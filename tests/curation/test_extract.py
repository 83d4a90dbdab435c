"""Text out of HTML. Needs the extra `web` (resiliparse, trafilatura); without it the tests skip, saying so."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("resiliparse", reason="the extra `web` is not installed: pip install 'herdbook[web]'")

import slow_blocks
from resiliparse.parse.html import HTMLTree

from herdbook.curation import extract
from herdbook.curation.extract import blocks, classifier, features, source, words
from herdbook.curation.extract.page import text_of
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


def blocks_of(markup):
    """Blocks of a page as the slow twin has them, and its elements."""
    found, elements = blocks.blocks_of(HTMLTree.parse(markup))
    rows = zip(found.links.tolist(), found.elements.tolist(), found.rows.tolist())
    return [slow_blocks.Block(found.tag(i), found.text(i), *row) for i, row in enumerate(rows)], elements


def test_blocks_say_what_stands_on_the_page():
    found, elements = blocks_of(PAGE)
    by_text = {block.text: block for block in found}
    assert by_text["The river"].tag == "h1"
    assert by_text["Section 3"].link_characters == len("Section 3")
    assert by_text[SENTENCE.strip()].tag == "li"
    assert by_text[(SENTENCE * 3).strip()].link_characters == 0
    parent = elements.parents[by_text["The river"].element]
    assert elements.tag(parent) == "article"
    last = found[elements.ends[parent] - 1]
    assert last.text.endswith("A bridge of stone over the river")
    assert (elements.firsts[0], elements.ends[0]) == (0, len(found))


def test_figures_of_a_block():
    once = "<p>Émile, 12 or 345;<br>naïve"
    found, _ = blocks.blocks_of(HTMLTree.parse(f"{once}<p>émile, 12{once}"))
    assert found.sizes.tolist() == [23, 9, 23]
    assert found.commas.tolist() == [2, 1, 2]
    assert found.digits.tolist() == [2, 1, 2], "runs of digits"
    assert found.lines.tolist() == [1, 0, 1]
    assert found.blanks.tolist() == [3, 1, 3]
    assert (found.first & blocks.UPPER > 0).tolist() == [True, False, True]
    assert found.hashes[0] == found.hashes[2] != found.hashes[1]


def test_blocks_of_uneven_markup():
    def tags_and_texts(markup):
        return [(block.tag, block.text) for block in blocks_of(markup)[0]]

    assert tags_and_texts("one<br>two<br> <br>three") == [("", "one\ntwo"), ("", "three")]
    assert tags_and_texts("<li><p>a</p><p>b</p><li>c") == [("li", "a"), ("p", "b"), ("li", "c")]
    assert tags_and_texts("<p>1 &lt; 2 &amp;amp; <b>b</b>o<i>ld</i>") == [("p", "1 < 2 &amp; bold")]
    odd = '<p title="> <script>">a</p><!-- <p>no</p> --><video-box>b</video-box><video>no</video>c'
    assert tags_and_texts(odd) == [("p", "a"), ("", "b"), ("", "c")]
    assert tags_and_texts('<a href="/"><div>x <img alt="a &quot;b&quot;"></div></a>') == [("", 'x a "b"')]
    assert tags_and_texts("<frameset><frame></frameset>") == []


def assert_as_slow(markup):
    tree = HTMLTree.parse(markup)
    printed = tree.body.html if tree.body is not None else ""
    expected, slow = slow_blocks.blocks_of_markup(printed)
    found, elements = blocks_of(markup)
    assert found == expected
    ranges = [elements.parents.tolist(), elements.firsts.tolist(), elements.ends.tolist()]
    assert ranges == [slow.parents, slow.firsts, slow.ends]
    assert [elements.source(i) for i in range(len(elements))] == slow.attributes


PIECES = (
    "<p>", "</p>", "<div class='a b'>", "</div>", "<li>", "<ul>", "</ul>", "<br>", "<br/>", "<pre>", "</pre>",
    "<a href=x>", "</a>", '<img alt="one &amp; two">', '<img alt=" ">', "<hr>", "<b>", "</b>", "<td>", "<table>",
    "</table>", "<tr>", "<h2>", "</h2>", "<script>x</script>", "<svg><p>no</svg>", "<!-- c -->", "<x-y>", "</x-y>",
    "&nbsp;", "&lt;", "&amp;lt;", "\n", "  ", "\u3000", "\xa0", "word", "Émile ", "漢字", "\U0001f600", '"', ">", "<",
    "<select><option>z</select>",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_blocks_are_those_of_the_slow_twin(markup):
    assert_as_slow(markup)


def test_blocks_of_the_page_are_those_of_the_slow_twin():
    assert_as_slow(PAGE)
    assert_as_slow("<pre>\n\n a\n<br>b <img alt='c\n d'> <!-- x -->\n\n</pre><pre> \n</pre><pre>&nbsp;</pre>")


def test_cells_of_a_row_stand_in_one_line():
    rows = "".join(f"<tr><td>{name}</td><td>{SENTENCE}</td></tr>" for name in ("Upper", "Lower"))
    found, _ = blocks.blocks_of(HTMLTree.parse(f"<table>{rows}</table>"))
    assert text_of(found, np.array([True] * 4)) == f"Upper | {SENTENCE.strip()}\n\nLower | {SENTENCE.strip()}"
    assert text_of(found, np.array([1, 0, 0, 1], bool)) == f"Upper\n\n{SENTENCE.strip()}", "cells of two rows do not"


def columns_and_blocks(markup):
    found, elements = blocks.blocks_of(HTMLTree.parse(markup))
    kinds = words.names(elements, words.vocabulary_of([]))[1]
    rows = features.columns_of(found, elements, kinds)
    assert rows.shape == (len(found), len(features.FEATURES))
    assert np.isfinite(rows).all()
    return rows, blocks_of(markup)[0], elements


def column(rows, name):
    return rows[:, features.FEATURES.index(name)]


def test_columns_describe_a_block_and_its_elements():
    rows, found, _ = columns_and_blocks(PAGE)
    assert column(rows, "heading").tolist() == [block.tag in ("h1", "h2") for block in found]
    text = [SENTENCE.strip() in block.text for block in found]
    assert column(rows, "inside_0.8")[text].all(), "the article holds the running text"
    assert column(rows, "before_0.8")[:12].all()
    assert column(rows, "after_0.8")[-1] == 1
    assert column(rows, "repeated").tolist() == [
        block.text in {other.text for other in found[:i]} for i, block in enumerate(found)
    ]
    assert columns_and_blocks("")[0].shape == (0, len(features.FEATURES))


def test_the_element_with_the_most_points_is_the_article():
    rows, found, _ = columns_and_blocks(PAGE)
    article = [SENTENCE.strip() in block.text or block.tag in ("h1", "h2", "pre") for block in found]
    assert column(rows, "top_inside").tolist() == article
    assert column(rows, "after_top").tolist() == [0] * (len(found) - 13) + [1] * 13
    assert (column(rows, "links_of_branch")[:12] == 1).all(), "the menu is a branch of its own"
    cards = "".join(f'<div class="card"><p>{SENTENCE}</p></div>' for _ in range(5))
    rows, _, _ = columns_and_blocks(cards + f"<div><p>{SENTENCE}</p></div>")
    assert column(rows, "alike_of_parent") == pytest.approx(np.log1p([5] * 5 + [1]) / 4)


def test_sums_over_elements_are_those_of_the_blocks_below_them():
    rows, found, elements = columns_and_blocks(PAGE)

    def around(block):
        number, path = block.element, [block.element]
        while number:
            number = elements.parents[number]
            path.append(number)
        return path

    everything = sum(len(block.text) for block in found)
    for level, name in enumerate(("element", "parent", "grandparent")):
        for block, row in zip(found, rows):
            path = around(block)
            number = path[min(level, len(path) - 1)]
            below = [other for other in found if number in around(other)]
            size, links = sum(len(b.text) for b in below), sum(b.link_characters for b in below)
            assert row[features.FEATURES.index(f"share_of_{name}")] == pytest.approx(size / everything, rel=1e-5)
            assert row[features.FEATURES.index(f"links_of_{name}")] == pytest.approx(links / size, rel=1e-5)


def test_words_of_elements():
    source_of = ' class="mainNav side-bar2" id="x" data-id="none" href="/menu"'
    assert words.names_of("div", source_of) == {"<div", "main", "nav", "side", "bar"}
    assert "!hidden" in words.names_of("p", ' style="display:none"')
    assert "!hidden" in words.names_of("p", ' hidden=""')
    assert words.first_words_of("Read more: naïve 漢字 " + "x " * 20) == {"read", "more", "na", "ve", "x"}


NAMES = (
    '<nav class="top mainNav" id=NAV-Bar><ul hidden><li aria-hidden=true>Read More</ul></nav>'
    '<p style="display: none" class="top">b'
)


def test_the_kernels_find_the_words_of_plain_python():
    found, elements = blocks.blocks_of(HTMLTree.parse(PAGE + NAMES))
    of_elements = [words.names_of(elements.tag(i), elements.source(i)) for i in range(len(elements))]
    of_blocks = [words.first_words_of(found.text(i)) for i in range(len(found))]
    assert {"!hidden", "top", "main", "nav", "bar"} <= set().union(*of_elements)
    known = sorted(set().union(*of_elements, *of_blocks))[::2]
    vocabulary = words.vocabulary_of(known)
    fast = words.names(elements, vocabulary)[0]
    assert [{known[n - 1] for n in fast[i]} for i in range(len(elements))] == [own & set(known) for own in of_elements]
    fast = words.first_words(found, vocabulary)
    assert [{known[n - 1] for n in fast[i]} for i in range(len(found))] == [own & set(known) for own in of_blocks]


def test_the_network_reads_blocks_as_a_plain_loop_does():
    def relu(x):
        return np.maximum(x, 0)

    net = classifier.weights()
    found, elements = blocks.blocks_of(HTMLTree.parse(PAGE + NAMES))
    seen = features.seen_of(found, elements, net.of_names, net.of_words)
    first = []
    heading = np.zeros(net.text_words.shape[1])
    for i, row in enumerate(seen.columns):
        element = found.elements[i]
        path = [element]
        while path[-1]:
            path.append(elements.parents[path[-1]])
        around = set().union(*(seen.names[e] for e in path))
        near = set(seen.names[element]) | set(seen.names[elements.parents[element]])
        own = net.text_words[list(seen.words[i])].sum(0)
        vectors = [net.all_names[sorted(around)].sum(0), net.near_names[sorted(near)].sum(0), own, heading]
        if found.tag(i)[:1] == "h":
            heading = own
        first.append(relu(np.concatenate([row, *vectors]) @ net.first + net.first_bias))
    passed = [relu(h @ net.passed + net.passed_bias) for h in first]
    nothing = np.zeros_like(passed[0])
    expected = []
    for i, h in enumerate(first):
        steps = [passed[i + step] if 0 <= i + step < len(first) else nothing for step in (-2, -1, 1, 2)]
        window = sum(passed[max(0, i - 5) : i + 6], nothing) / 11
        inner = np.concatenate([h, *steps, sum(passed, nothing) / len(passed), window])
        logit = relu(inner @ net.second + net.second_bias) @ net.output + net.output_bias
        expected.append(1 / (1 + np.exp(-logit)))
    assert classifier.text_probabilities(seen, net) == pytest.approx(np.array(expected), abs=1e-4)


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


def test_uncertainty_is_what_lacks_to_the_promised_f1():
    sizes = [50, 500]
    sure = classifier.uncertainty(sizes, np.array([0.0, 1.0], np.float32), 0.4)
    unsure = classifier.uncertainty(sizes, np.array([0.3, 0.9], np.float32), 0.4)
    assert sure == 0
    assert unsure == pytest.approx(1 - 2 * 90 / (100 + 90 + 15))
    assert classifier.uncertainty([], np.zeros(0, np.float32), 0.4) == 1


def test_a_page_without_a_sure_block_gives_the_most_probable():
    assert classifier.chosen(np.array([0.1, 0.2, 0.01, 0.13], np.float32), 0.4).tolist() == [False, True, False, True]
    assert classifier.chosen(np.array([0.9, 0.41, 0.39], np.float32), 0.4).tolist() == [True, True, False]


def test_hostile_nesting_with_ever_new_words_is_bounded():
    markup = "".join(
        f'<div class="{"".join(chr(97 + int(d)) for d in str(i * 7919 + 10_000))} w">' for i in range(2900)
    )
    found = extract.extract(markup + SENTENCE)
    assert found.text.strip() == SENTENCE.strip()


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
    assert extract.extract(PAGE, extract.Config(min_gain=1), asked).extractor == "blocks"
    assert asked.pages == 0
    found = extract.extract(PAGE, extract.Config(min_gain=-1), asked)
    assert (found.text, found.extractor) == ("another text\n", "trafilatura")
    failing = extract.extract(PAGE, extract.Config(min_gain=-1), Asked("", "time_limit"))
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
