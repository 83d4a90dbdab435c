"""Deduplication by URL: one address for all ways of writing it, and a key of 128 bits of that.

The engine groups by the key and keeps the newest; this file removes nothing. After RFC 3986, section 6, and what sites
do in practice:

====================================================  ==========================================
written                                               canonical
====================================================  ==========================================
``HTTP://Example.COM:80/a``                           ``//example.com/a``
``https://www.example.com/a/``                        ``//example.com/a``
``https://user:secret@example.com./a#part``           ``//example.com/a``
``http://example.com/a?b=2&utm_source=x&a=1``         ``//example.com/a?a=1&b=2``
``http://example.com/%7Euser/./x/../y%2fz``           ``//example.com/~user/y%2Fz``
``http://example.com/?``                              ``//example.com``
``http://example.com/#!/a``                           ``//example.com#!/a``
``ftp://example.com/a``                               ``ftp://example.com/a``
====================================================  ==========================================

The case of the path stays: servers may tell it apart. Without a host (``mailto:``, ``file:///``, plain words) there is
no key, and the document is not judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote_to_bytes

_URL = re.compile(
    r"(?:([a-z][a-z0-9+.\-]*):)?//(?:[^/?#]*@)?(\[[^\]/?#@]*\]|[^/?#:@]*)(?::(\d*))?"
    r"(?=[/?#]|\Z)([^?#]*)(?:\?([^#]*))?(?:#(.*))?",
    re.IGNORECASE | re.DOTALL,
)
_BARE = re.compile(r"[a-z0-9\-]+(?:\.[a-z0-9\-]+)*\.[a-z]{2,}(?::\d+)?(?:[/?#]|$)", re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_UNSAFE = re.compile(r"[^\x21-\x7e]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PORTS = {"http": ("80", "443"), "https": ("80", "443"), "ftp": ("21",)}
TRACKING = (
    "utm_*", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "ttclid", "igshid",
    "mc_cid", "mc_eid", "_ga", "_gl", "_hsenc", "_hsmi", "mkt_tok", "oly_anon_id", "oly_enc_id", "vero_id", "wickedid",
    "phpsessid", "jsessionid", "ref_src",
)  # fmt: skip
"""Parameters that say where a reader came from or who it is, not what the page is."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What two addresses of one page may differ in."""

    tracking: tuple[str, ...] = field(default=TRACKING)
    """Names of parameters that are dropped, in any case; a star at the end stands for anything."""
    ignore_scheme: bool = True
    """`http` and `https` are the same."""
    ignore_www: bool = True
    """`www.` at the beginning of the host is dropped."""
    ignore_trailing_slash: bool = True
    """`/a/` is `/a`."""
    sort_query: bool = True
    """Parameters in any order are the same."""


@lru_cache(maxsize=8)
def _tracking(names: tuple[str, ...]) -> re.Pattern[str]:
    wanted = [re.escape(name[:-1]) + ".*" if name.endswith("*") else re.escape(name) for name in names]
    return re.compile("(?:" + "|".join(wanted) + r")\Z" if wanted else r"(?!)", re.IGNORECASE | re.DOTALL)


def _escaped(text: str) -> str:
    """Percent escapes in one form: none for unreserved characters, upper case for others; what is not ASCII escaped."""
    if "%" in text:

        def one(match: re.Match[str]) -> str:
            character = chr(int(match[1], 16))
            return character if character in _UNRESERVED else "%" + match[1].upper()

        text = _ESCAPE.sub(one, text)
    if not text.isascii() or " " in text:
        text = _UNSAFE.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "replace")), text)
    return text


def _without_dots(path: str) -> str:
    """The path without `.` and `..` (RFC 3986, section 5.2.4)."""
    if "/." not in path:
        return path
    kept: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if len(kept) > 1:
                kept.pop()
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


def _host(host: str, config: Config) -> str:
    if "%" in host:
        host = unquote_to_bytes(host).decode("utf-8", "replace")
    host = host.lower().rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            pass
    if config.ignore_www and host.startswith("www.") and "." in host[4:]:
        host = host[4:]
    return host


def canonical(url: str, config: Config | None = None) -> str | None:
    """One address for all ways of writing `url`; None where it names no host."""
    config = config or Config()
    url = _CONTROL.sub("", url).strip()
    match = _URL.match(url)
    if match is None and _BARE.match(url):
        match = _URL.match("http://" + url)
    if match is None:
        return None
    scheme, host, port, path, query, fragment = match.groups()
    host = _host(host, config)
    if not host:
        return None
    scheme = (scheme or "http").lower()
    place = host if not port or port in _PORTS.get(scheme, ()) else f"{host}:{port}"
    start = "//" if config.ignore_scheme and scheme in ("http", "https") else f"{scheme}://"
    path = _without_dots(_escaped(path))
    if config.ignore_trailing_slash:
        path = path.rstrip("/")
    elif not path:
        path = "/"
    result = start + place + path
    if query:
        drop = _tracking(config.tracking)
        parts = [_escaped(part) for part in query.split("&") if part and not drop.match(part.partition("=")[0])]
        if config.sort_query:
            parts.sort()
        if parts:
            result += "?" + "&".join(parts)
    if fragment and fragment.startswith("!"):
        result += "#" + _escaped(fragment)
    return result


def keys(urls: Any, config: Config | None = None) -> Any:
    """A key of 16 bytes for each address (an Arrow array of strings, or a sequence), null where there is none: Arrow
    binary(16) [N]."""
    import pyarrow as pa

    config = config or Config()
    found = []
    for url in urls.to_pylist() if hasattr(urls, "to_pylist") else urls:
        name = canonical(url, config) if url else None
        found.append(None if name is None else blake2b(name.encode("utf-8", "replace"), digest_size=16).digest())
    return pa.array(found, type=pa.binary(16))


def measure(table: Any, config: Config | None = None) -> Any:
    """Column `url_key` (16 bytes, or null) of a table with a column `url`."""
    import pyarrow as pa

    return pa.table({"url_key": keys(table["url"], config)})
