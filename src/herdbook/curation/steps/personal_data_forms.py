"""Personal data found by its form, and by its check digits where it has them: e-mail, phone, IP, card, account and
identity numbers. Each can be masked (by a placeholder of the same kind) or can drop the document.

Check digits: Luhn for cards (ISO/IEC 7812), modulo 97 for IBANs (ISO 13616), the weighted sum of Korean resident
registration numbers; US social security numbers have none, but parts that are never given out. Addresses of
private networks, documentation and loopback are not personal. What was found is reported by kind and place, never by
value.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from herdbook.errors import ConfigError

MASK = "name@example.com"
EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,5}[A-Za-z]{2,24}(?![\w-])"
)
EXAMPLE = re.compile(
    r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net|edu)|[\w-]+\.(?:invalid|test|example|localhost))$", re.IGNORECASE
)
"""Addresses of example domains: nobody's."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece of personal data: its kind and where it stands (characters)."""

    kind: str
    start: int
    end: int


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    total = 0
    for i, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if i % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def is_card(text: str) -> bool:
    """13 to 19 digits with Luhn's check digit that begin like a card (3 to 6, or 2221 to 2720), not all alike."""
    digits = re.sub(r"[ -]", "", text)
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    begins = digits[0] in "3456" or 2221 <= int(digits[:4]) <= 2720
    return begins and luhn(digits)


def is_iban(text: str) -> bool:
    """Country, two check digits, account: 1 modulo 97 when letters are numbers from 10 on."""
    joined = text.replace(" ", "").upper()
    if not 15 <= len(joined) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in joined[4:] + joined[:4])) % 97 == 1


def is_korean_resident_number(text: str) -> bool:
    """Birth date, a digit for sex and century, five more and a check digit (as given out before October 2020)."""
    digits = text.replace("-", "").replace(" ", "")
    month, day = int(digits[2:4]), int(digits[4:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and digits[6] in "12345678"):
        return False
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    total = sum(int(d) * w for d, w in zip(digits, weights))
    return (11 - total % 11) % 10 == int(digits[12])


def is_us_social_security(text: str) -> bool:
    """AAA-GG-SSSS with parts that are given out (no area 000, 666, 900 and over; no zero group or serial)."""
    area, group, serial = re.split(r"[- ]", text)
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def is_public_address(text: str) -> bool:
    """An IPv4 or IPv6 address that can belong to someone."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def is_phone(text: str) -> bool:
    """8 to 15 digits (ITU-T E.164), not a date and not all alike."""
    digits = re.sub(r"\D", "", text)
    if not 8 <= len(digits) <= 15 or len(set(digits)) < 3:
        return False
    return not re.fullmatch(r"(?:19|20)\d\d[-./ ]\d{1,2}[-./ ]\d{1,2}", text.strip())


@dataclass(frozen=True)
class _Form:
    pattern: re.Pattern[str]
    check: Callable[[str], bool] | None
    mask: str
    needs: str
    """A character without which the text is not searched ("" where a digit is enough)."""


_NOT_INSIDE = r"(?<![\w.+-])"
FORMS = {
    "email": _Form(
        EMAIL, lambda text: not EXAMPLE.search(text), MASK, "@",
    ),
    "iban": _Form(
        re.compile(_NOT_INSIDE + r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"),
        is_iban, "<IBAN>", "",
    ),
    "korean_resident_number": _Form(
        re.compile(_NOT_INSIDE + r"\d{6}[- ]?[1-8]\d{6}(?![\w-])"), is_korean_resident_number, "<ID NUMBER>", "",
    ),
    "us_social_security": _Form(
        re.compile(_NOT_INSIDE + r"\d{3}([- ])\d{2}\1\d{4}(?![\w-])"), is_us_social_security, "<ID NUMBER>", "",
    ),
    "card": _Form(
        re.compile(_NOT_INSIDE + r"\d(?:[ -]?\d){12,18}(?![\w-])"), is_card, "<CARD NUMBER>", "",
    ),
    "ip": _Form(
        re.compile(
            _NOT_INSIDE + r"(?:(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4})"
            r"(?![\w:]|\.\d)"
        ),
        is_public_address, "192.0.2.1", "",
    ),
    "phone": _Form(
        re.compile(
            _NOT_INSIDE + r"(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4}"
            r"|\(\d{2,4}\) ?\d{3,4}[ .-]\d{4}|0\d{1,2}[ .-]\d{3,4}[ .-]\d{4}|[2-9]\d{2}[.-][2-9]\d{2}[.-]\d{4})"
            r"(?![\w-]|\.\d)"
        ),
        is_phone, "<PHONE NUMBER>", "",
    ),
}  # fmt: skip
"""Kinds in the order in which they claim a place: what is part of one is not looked at for the next."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is done with each kind."""

    mask: tuple[str, ...] = tuple(FORMS)
    """Kinds that are replaced by a placeholder."""
    drop: tuple[str, ...] = ()
    """Kinds of which one is enough to drop the document."""
    max_findings: int = 0
    """Documents with more findings of any kind go: lists of people (0: no limit)."""

    def __post_init__(self) -> None:
        for key in ("mask", "drop"):
            for kind in getattr(self, key):
                if kind not in FORMS:
                    raise ConfigError(f"there is no kind {kind!r}.", key=key, remedy=f"Kinds: {', '.join(FORMS)}.")


def find(text: str, kinds: Sequence[str] = tuple(FORMS)) -> list[Finding]:
    """Personal data in a text, in order of place, without overlap."""
    found: list[Finding] = []
    taken = bytearray(len(text))
    for kind in kinds:
        form = FORMS[kind]
        if form.needs and form.needs not in text:
            continue
        for match in form.pattern.finditer(text):
            start, end = match.span()
            if taken.find(1, start, end) >= 0:
                continue
            if form.check is None or form.check(match.group()):
                taken[start:end] = b"\1" * (end - start)
                found.append(Finding(kind, start, end))
    return sorted(found, key=lambda finding: finding.start)


def masked(text: str, findings: Sequence[Finding]) -> str:
    """The text with placeholders in the place of the findings."""
    parts: list[str] = []
    last = 0
    for finding in findings:
        parts += [text[last : finding.start], FORMS[finding.kind].mask]
        last = finding.end
    return "".join([*parts, text[last:]])
