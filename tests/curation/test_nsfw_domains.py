"""Adult domains: hosts out of URLs, suffixes, lists as users have them, names that say so themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herdbook.curation.nsfw.domains import host_of, is_adult_name, is_listed, normal_host
from herdbook.curation.nsfw.lists import domain_set


@pytest.mark.parametrize(
    "url, host",
    [
        ("https://www.Example.COM:8080/a?b#c", "www.example.com"),
        ("http://user:secret@example.com/", "example.com"),
        ("//example.com./x", "example.com"),
        ("example.com/http://other.org", "example.com"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://한국.kr/a", "xn--3e0b707e.kr"),
        ("http://[::1]:80/", "[::1]:80"),
        ("", ""),
        (None, ""),
        ("/just/a/path", ""),
    ],
)
def test_host(url, host):
    assert host_of(url) == host


def test_suffix_of_labels():
    listed = frozenset(("example.com", "b.c.org"))
    hosts = ["example.com", "www.example.com", "myexample.com", "example.com.evil.net", "c.org", "a.b.c.org", "", "com"]
    assert [is_listed(host, listed) for host in hosts] == [True, True, False, False, False, True, False, False]


def test_lists_as_users_have_them(tmp_path):
    (tmp_path / "a").write_text(
        "# comment\nExample.com\n*.bad.org\nbücher.example\nhttp://site.net/\nblog.net/page\n\n"
    )
    (tmp_path / "b").write_text("127.0.0.1 localhost\n0.0.0.0 hosts.example # from a hosts file\n")
    found = domain_set([str(tmp_path / "a"), str(tmp_path / "b")])
    assert found == {"example.com", "bad.org", "xn--bcher-kva.example", "site.net", "hosts.example"}


@pytest.mark.parametrize(
    "host", ["freeporn.com", "www.best-xxx.net", "tube.porn", "a.b.xxx", "hot-milf.org", "my.hentai.io"]
)
def test_adult_names(host):
    assert is_adult_name(host)


@pytest.mark.parametrize(
    "host",
    ["essex.ac.uk", "sussex.gov.uk", "scunthorpe.co.uk", "popcorn.com", "pornichet.fr", "pornic.fr",
     "sexeducation.org", "analytics.google.com", "cockburn.edu.au", "dickinson.edu", "xxxlutz.de", "porn"],
)  # fmt: skip
def test_ordinary_names(host):
    assert not is_adult_name(host)


@given(st.text(max_size=60))
def test_any_url_has_a_host_in_its_final_form(url):
    host = host_of(url)
    assert host == host.lower() or not host.isascii()
    assert "/" not in host or "%" in url
    assert isinstance(is_listed(host, frozenset(("a",))), bool)
    assert isinstance(is_adult_name(host), bool)
    assert normal_host("example.com.") == "example.com"
