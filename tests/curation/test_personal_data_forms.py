"""Personal data: published examples with right check digits are found, near misses are not."""

import pytest
from slow_personal_data import clean

from herdbook.curation.steps import personal_data_forms
from herdbook.curation.steps.personal_data_forms import Config, find
from herdbook.errors import ConfigError


def kinds(text):
    return [(finding.kind, text[finding.start : finding.end]) for finding in find(text)]


@pytest.mark.parametrize(
    "text, kind, value",
    [
        ("Write to jane.doe+x@mail.corp.org.", "email", "jane.doe+x@mail.corp.org"),
        ("card 4111 1111 1111 1111, thanks", "card", "4111 1111 1111 1111"),
        ("(5500-0000-0000-0004)", "card", "5500-0000-0000-0004"),
        ("amex 378282246310005", "card", "378282246310005"),
        ("IBAN GB82 WEST 1234 5698 7654 32.", "iban", "GB82 WEST 1234 5698 7654 32"),
        ("Konto DE89370400440532013000", "iban", "DE89370400440532013000"),
        ("주민등록번호 900101-1234568 입니다", "korean_resident_number", "900101-1234568"),
        ("SSN 078-05-1120", "us_social_security", "078-05-1120"),
        ("from 8.8.8.8 came", "ip", "8.8.8.8"),
        ("host 2001:4860:4860::8888 up", "ip", "2001:4860:4860::8888"),
        ("call +1 (202) 555-0143 now", "phone", "+1 (202) 555-0143"),
        ("전화 010-1234-5678", "phone", "010-1234-5678"),
        ("tel. +49 30 901820", "phone", "+49 30 901820"),
        ("(415) 555-0132", "phone", "(415) 555-0132"),
    ],
)
def test_found(text, kind, value):
    assert kinds(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # check digit
        "0000 0000 0000 0000",
        "GB82 WEST 1234 5698 7654 33",
        "900101-1234567",
        "901301-1234568",
        "000-12-3456 and 666-12-3456 and 912-12-3456",
        "192.168.0.1 and 127.0.0.1 and 10.1.2.3 and 999.1.1.1",
        "version 1.2.3.4.5",
        "on 2024-01-15 at 12:30:45",
        "pi is 3.14159265358979",
        "ISBN 978-3-16-148410-0",
        "a@b and @name and x@localhost and you@example.com",
        "sha 4111111111111111a0b1c2",
        "std::vector<int>::iterator",
        "1,234,567,890",
    ],
)
def test_not_found(text):
    assert kinds(text) == []


def test_check_digits():
    assert personal_data_forms.luhn("79927398713")
    assert not any(personal_data_forms.luhn(f"7992739871{d}") for d in "012456789")


def test_masking_keeps_the_rest():
    text = "Jane (jane@corp.com, 010-1234-5678) paid with 4111-1111-1111-1111 from 8.8.4.4."
    cleaned, reason, counts = clean(text)
    assert cleaned == "Jane (name@example.com, <PHONE NUMBER>) paid with <CARD NUMBER> from 192.0.2.1."
    assert reason is None
    assert counts == {"email": 1, "phone": 1, "card": 1, "ip": 1}
    assert clean(cleaned)[0] == cleaned, "masking twice changes nothing"


def test_dropping():
    text = "Card 4111-1111-1111-1111 of a@corp.org and b@corp.org"
    assert clean(text, Config(mask=("email",), drop=("card",)))[:2] == (
        "Card 4111-1111-1111-1111 of name@example.com and name@example.com",
        "personal_card",
    )
    assert clean(text, Config(max_findings=2))[1] == "personal_list"
    assert clean(text, Config(max_findings=3))[1] is None
    assert clean(text, Config(mask=()))[0] == text
    with pytest.raises(ConfigError, match="no kind"):
        Config(drop=("passport",))


def test_hostile_text_takes_no_time():
    for text in (
        "1 " * 100_000,
        "a@" * 100_000,
        "a." * 100_000 + "@",
        "::" * 100_000,
        "+1 1" * 50_000,
        "AA00 " * 50_000,
    ):
        assert not find(text)
