"""Personal data in batches: the texts and counts of the document way, whatever the prefilter lets through."""

import gzip
import json
from itertools import islice

import numpy as np
import pytest
import slow_personal_data as one_at_a_time
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.curation.documents import Document, to_table
from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.steps import personal_data
from herdbook.curation.steps.personal_data import Config
from herdbook.curation.steps.personal_data_forms import find
from herdbook.curation.steps.personal_data_lines import possible_lines

HOLDING = {
    "email": "Write to jane.doe+x@mail.corp.org.\n",
    "card": "first line\ncard 4111 1111 1111 1111, thanks\n",
    "iban": "é IBAN GB82 WEST 1234 5698 7654 32.\n",
    "korean_resident_number": "주민등록번호\n900101-1234568 입니다\n",
    "us_social_security": "SSN 078-05-1120\n",
    "ip": "host 2001:4860:4860::8888 up, 8.8.8.8 too\n",
    "phone": "전화 010-1234-5678\n\ntel. +49 30 901820\n",
}
PIECES = [*(text.strip() for text in HOLDING.values()), "\n", " ", "x", "1", "-", ".", "@", "+", ":", "é", "a@b.co"]
PIECES += ["4111", "(415) 555-0132", "555.234.9999", "١٢٣", "::", "192.168.0.1"]

MIXED = [*PIECES, "word " * 20, "\uac00" * 30]


def table(texts):
    return to_table([Document(str(i), text, "s", "", "unknown", "prose") for i, text in enumerate(texts)])


def test_masked_by_kind():
    mended, counts = personal_data.mend(table([*HOLDING.values(), "nothing 12 here\n"]))
    assert counts == {**dict.fromkeys(HOLDING, 1), "ip": 2, "phone": 2}
    assert mended["text"].to_pylist() == [
        "Write to name@example.com.\n",
        "first line\ncard <CARD NUMBER>, thanks\n",
        "é IBAN <IBAN>.\n",
        "주민등록번호\n<ID NUMBER> 입니다\n",
        "SSN <ID NUMBER>\n",
        "host 192.0.2.1 up, 192.0.2.1 too\n",
        "전화 <PHONE NUMBER>\n\ntel. <PHONE NUMBER>\n",
        "nothing 12 here\n",
    ]


@settings(max_examples=15)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), max_size=5))
def test_same_as_the_document_way_in_any_batch(texts):
    mended, measured, _ = personal_data.mend_and_measure(table(texts))
    for i, text in enumerate(texts):
        cleaned, _, counts = one_at_a_time.clean(text)
        assert mended["text"][i].as_py() == cleaned
        assert {n[14:]: measured[n][i].as_py() for n in measured.column_names if measured[n][i].as_py()} == counts
    alone = [personal_data.mend(table([text]))[0]["text"][0].as_py() for text in texts]
    assert mended["text"].to_pylist() == alone
    assert personal_data.measure(table(texts)).equals(measured)


@pytest.mark.parametrize(
    "text, expected, n",
    [
        ("write to jane.doe@mail.org!", "write to name@example.com!", 1),
        ("keep a@example.com and b@x.invalid", "keep a@example.com and b@x.invalid", 0),
        ("@property\ndef f(): x @ y", "@property\ndef f(): x @ y", 0),
        ("<a+b@c.co.uk>, d@e.fr", "<name@example.com>, name@example.com", 2),
    ],
)
def test_emails(text, expected, n):
    mended, counts = personal_data.mend(table([text]), personal_data.emails_only())
    assert (mended["text"].to_pylist(), counts) == ([expected], {"email": n})
    assert one_at_a_time.mask_emails(text) == (expected, n)


def test_emails_only_masks_as_the_quickstart_did(test_data):
    texts = [*HOLDING.values(), "you@example.com and me@example.org.uk and a.b@c.de\n"]
    for name in ("kowiki/kowiki-2023", "enwiki-2015/enwiki-2015"):
        with gzip.open(test_data / "text" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            texts += [json.loads(line)["text"] for line in islice(file, 60)]
    mended, counts = personal_data.mend(table(texts), personal_data.emails_only())
    expected = [one_at_a_time.mask_emails(text) for text in texts]
    assert mended["text"].to_pylist() == [text for text, _ in expected]
    assert counts == {"email": sum(n for _, n in expected)}
    assert counts["email"] >= 3


def test_drop_and_lists():
    config = Config(mask=("email",), drop=("card",), max_findings=2)
    texts = [HOLDING["card"], HOLDING["email"], "a@b.de c@d.de e@f.de\n", "none\n"]
    measured = personal_data.measure(table(texts), config)
    signals = {name: measured[name].to_numpy() for name in measured.column_names}
    broken = {reason: np.flatnonzero(mask).tolist() for reason, mask in personal_data.rules(signals, config)}
    assert broken == {"personal_card": [0], "personal_list": [2]}
    assert texts[0][slice(*personal_data.span(texts[0], "personal_card", config))] == "4111 1111 1111 1111"
    assert personal_data.span(texts[2], "personal_list", config) == (0, 6)
    assert personal_data.mend(table(texts[:1]), config)[0]["text"].to_pylist() == texts[:1]


@pytest.mark.parametrize("kind", list(HOLDING))
def test_each_kind_has_a_prefilter_that_lets_it_through(kind):
    (line, *_) = possible_lines(texts_of([HOLDING[kind], "nothing\n"]))
    assert line.document == 0
    assert kind in line.kinds
    assert line.text == HOLDING[kind].split("\n")[line.before > 0]


@given(
    st.lists(st.lists(st.sampled_from([*PIECES, "word " * 20, "\uac00" * 30]), max_size=14).map("".join), max_size=5)
)
def test_every_finding_is_in_a_line_of_its_kind(texts):
    lines = possible_lines(texts_of(texts))
    for line in lines:
        assert texts[line.document][line.before :].startswith(line.text)
    for i, text in enumerate(texts):
        for finding in find(text):
            of = [line for line in lines if line.document == i and line.before <= finding.start]
            assert finding.kind in of[-1].kinds
            assert finding.end <= of[-1].before + len(of[-1].text)


def test_digits_of_every_script_are_seen():
    """Each in a line of its own, apart from others by more than is looked at together."""
    digits = [chr(code) for code in range(0x80, 0x20000) if chr(code).isdecimal()]
    lines = possible_lines(texts_of(["".join("x" * 70 + digit + "x" * 70 + "\n" for digit in digits)]))
    assert len(digits) > 500
    assert [line.text.strip("x") for line in lines] == digits
    assert all(line.kinds == set(HOLDING) for line in lines)


def test_years_are_no_numbers():
    assert not possible_lines(texts_of(["From 1914 to 1918, (1939 - 1945), at 12:30, for 5@ and CO2; U2 1987."]))


def test_part_of_a_table():
    rows = table([*HOLDING.values(), "nothing\n"])
    whole, part = personal_data.mend(rows)[0]["text"].to_pylist(), personal_data.mend(rows.slice(2, 4))[0]["text"]
    assert part.to_pylist() == whole[2:6]
