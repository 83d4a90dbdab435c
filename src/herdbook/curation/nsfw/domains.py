"""Whether a URL is of an adult site: by the user's list of domains, or by the name of the host itself.

A listed domain covers the hosts below it: `example.com` covers `www.example.com` and not `myexample.com`. Hosts are
compared in lower case and as punycode, so a list may be written either way.
"""

from __future__ import annotations

import re
from collections.abc import Set
from urllib.parse import unquote

ADULT_TOP_LEVEL = frozenset(("xxx", "porn", "adult", "sex", "sexy"))
"""Top-level domains that are registered for adult sites."""
ADULT_IN_NAME = re.compile(
    r"porn(?!ic\b|ichet|ainen|chai|thep)|hentai|xvideo|xhamster|camgirl|blowjob|cumshot|gangbang|milfs|sexcam|camsex"
    r"|sexchat|livesex|freesex|sexvideo|sexfilm|escortgirl|fetisch|onlyfans"
)
"""What hardly ever stands inside an ordinary name."""
ADULT_WORDS = frozenset("xxx milf bdsm nsfw erotik erotica camgirls slut sluts whores pussy".split())
"""Words that count only where they stand alone between the dots, hyphens and digits of a name."""
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PARTS = re.compile(r"[a-z]+")


def normal_host(host: str) -> str:
    """A host in lower case, as punycode, without port and final dot."""
    host = unquote(host).strip().lower().rstrip(".")
    if not host.startswith("[") and ":" in host:
        host = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if host.isascii():
        return host.strip(".")
    labels = []
    for label in host.replace("。", ".").split("."):
        try:
            labels.append(label.encode("idna").decode() if label else "")
        except UnicodeError:
            labels.append(label)
    return ".".join(labels).strip(".")


def host_of(url: str | None) -> str:
    """The host of a URL, with or without a scheme, in the form of `normal_host`; "" where there is none."""
    if not url:
        return ""
    rest = _SCHEME.sub("", url.strip(), count=1).removeprefix("//")
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    return normal_host(authority.rpartition("@")[2])


def is_listed(host: str, listed: Set[str]) -> bool:
    """Whether the host or a domain that it lies below is on the list."""
    while host:
        if host in listed:
            return True
        host = host.partition(".")[2]
    return False


def is_adult_name(host: str) -> bool:
    """Whether the name itself says so. The public suffix is not looked at, the adult top-level domains apart."""
    name, _, top = host.rpartition(".")
    if not name:
        return False
    return (
        top in ADULT_TOP_LEVEL
        or ADULT_IN_NAME.search(name) is not None
        or not ADULT_WORDS.isdisjoint(_PARTS.findall(name))
    )
