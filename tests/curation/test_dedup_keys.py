"""Keys of exact texts and of URLs: equal where they should be, different elsewhere."""

import re
from hashlib import blake2b

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from herdbook.curation.dedup import exact, url


def exact_key(text):
    """The twin: character by character."""
    lowered = "".join(map(str.lower, text)).replace("ς", "σ")
    return blake2b(re.sub(r"\s+", " ", lowered).strip().encode(), digest_size=16).digest()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5))
@example(["", " ", "İ", "Ⱥ" * 9, "ΣΑΣ ς", "a\u2003b\x85c\x1cd", "𐐀𞤀", "\ufeff", "ẞ K Å", "\u180e\u200b"])
@example([chr(code) for code in range(0x3000) if not 0xD800 <= code < 0xE000])
def test_exact_key_equals_the_twin(texts):
    assert exact.keys(texts).to_pylist() == [exact_key(text) for text in texts]


@given(st.lists(st.text(st.sampled_from("aZ \t\n~0éÉ가漢あ\u3000\ua640"), max_size=60), max_size=5))
def test_exact_key_of_runs_equals_the_twin(texts):
    assert exact.keys(texts).to_pylist() == [exact_key(text) for text in texts]


def test_exact_key_literally():
    table = pa.table({"text": [" Hello\tWORLD\n", "hello world", "hello worlds", "", " \n"], "other": [0] * 5})
    a, b, c, d, e = exact.measure(table)["exact_key"].to_pylist()
    assert a == b != c
    assert d == e
    assert a.hex() == blake2b(b"hello world", digest_size=16).hexdigest()
    assert exact.measure(table.slice(2, 1))["exact_key"].to_pylist() == [c]
    assert exact.measure(table.slice(0, 0)).num_rows == 0
    assert exact.keys(table["text"]).type == pa.binary(16)


EXAMPLES = re.findall(r"^``(.*?)`` +``(.*?)``$", url.__doc__, re.MULTILINE)


def test_the_examples_of_the_documentation():
    assert len(EXAMPLES) == 8
    for written, canonical in EXAMPLES:
        assert url.canonical(written) == canonical


@pytest.mark.parametrize(
    "written, canonical",
    [
        ("example.com", "//example.com"),
        ("example.com:8080/a", "//example.com:8080/a"),
        ("  http://EXAMPLE.com/A \n", "//example.com/A"),
        ("http://example.com/a\nb", "//example.com/ab"),
        ("http://www.com/", "//www.com"),
        ("http://example.com/a?UTM_Source=1&UTM_x", "//example.com/a"),
        ("http://example.com/a?utm=1&b&&a=%7e", "//example.com/a?a=~&b&utm=1"),
        ("http://example.com/a?q=1?2", "//example.com/a?q=1?2"),
        ("http://example.com/../../a/../b/.", "//example.com/b"),
        ("http://example.com/위키", "//example.com/%EC%9C%84%ED%82%A4"),
        ("http://example.com/%ec%9c%84%ed%82%a4", "//example.com/%EC%9C%84%ED%82%A4"),
        ("http://bücher.example/", "//xn--bcher-kva.example"),
        ("http://[::1]:80/a", "//[::1]/a"),
        ("//cdn.example.com/x", "//cdn.example.com/x"),
        ("http://a@b@example.com/", "//example.com"),
        ("http://example.com/100%", "//example.com/100%"),
        ("https://example.com:444/", "//example.com:444"),
        ("mailto:someone@example.com", None),
        ("file:///tmp/a", None),
        ("no address at all", None),
        ("", None),
    ],
)
def test_canonical(written, canonical):
    assert url.canonical(written) == canonical


def test_settings():
    config = url.Config(
        ignore_scheme=False, ignore_www=False, ignore_trailing_slash=False, sort_query=False, tracking=("b",)
    )
    assert url.canonical("HTTP://www.example.com", config) == "http://www.example.com/"
    written = "https://www.example.com/a/?c=1&B=2&a&utm_source=3"
    assert url.canonical(written, config) == "https://www.example.com/a/?c=1&a&utm_source=3"
    assert url.canonical("http://a.b/?x", url.Config(tracking=())) == "//a.b?x"


@given(st.text(st.sampled_from("htp:/?#[]@!%.&=aZ0é \\x"), max_size=30))
@example("http://a.b//?&#!")
def test_canonical_never_fails_and_is_its_own_canonical_form(tail):
    once = url.canonical("http://" + tail)
    if once is not None:
        assert url.canonical(once) == once


def test_url_keys():
    table = pa.table({"url": ["http://a.b/c", None, "https://www.a.b/c/#d", "", "http://a.b/C"], "x": [1] * 5})
    a, none, b, empty, c = url.measure(table)["url_key"].to_pylist()
    assert a == b == blake2b(b"//a.b/c", digest_size=16).digest()
    assert none is None
    assert empty is None
    assert c not in (a, None)
    assert url.keys(pa.array([], pa.string())).type == pa.binary(16)
